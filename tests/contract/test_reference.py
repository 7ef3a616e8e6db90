"""The pages in docs/reference/ say what the code does, and leave nothing out."""

import re
from pathlib import Path

import pytest

from chassis.topology import ROOT, declared
from deploy.reference import events, metrics, settings
from deploy.reference.__main__ import FOLDER, PAGES
from deploy.reference.events import EXAMPLES
from deploy.undeclared import REMOVABLE
from stack.environment import on_free_ports


@pytest.mark.parametrize("name", PAGES)
def test_page_is_current(name: str) -> None:
    assert (FOLDER / f"{name}.md").read_text() == PAGES[name](declared()), "Run: make reference"


def test_no_other_page_is_there() -> None:
    assert {file.stem for file in FOLDER.iterdir()} == set(PAGES)


class TestSettings:
    def test_every_setting_has_a_meaning(self) -> None:
        rows = re.findall(r"^\| (`[A-Z0-9_]+`) \|.*\| (.*) \|$", settings.text(declared()), re.M)
        assert len(rows) > 20
        assert [name for name, meaning in rows if not meaning.strip()] == []

    @pytest.mark.needs("notifier")
    def test_settings_behind_a_switch_are_found(self) -> None:
        found = settings.settings(declared()["notifier"])
        assert found["MAIL_DKIM_KEY"].condition == "MAIL_DKIM_SELECTOR"
        assert found["MAIL_HOST"] == settings.Setting("text", None)

    def test_defaults_and_units_are_those_of_the_code(self) -> None:
        found = settings.settings(declared()["auth"])
        assert found["AUTH_SESSION_DAYS"] == settings.Setting("days", "30")
        assert found["AUTH_PASSWORD_WORKERS"].default == "number of processors"

    def test_ports_of_a_second_stack_are_all_that_there_are(self) -> None:
        readme = (ROOT / "stack" / "README.md").read_text()
        section = readme.partition("## A second stack")[2].partition("\n## ")[0]
        named = re.findall(r"^(\w+)=\d+$", section, re.MULTILINE)
        ours = {"auth", "explorer", *REMOVABLE}
        theirs = tuple(s.prefix for s in declared().services.values() if s.name not in ours)
        assert {port for port in on_free_ports() if not port.startswith(theirs)} <= {*named}


class TestEvents:
    def test_every_example_is_of_a_described_event(self) -> None:
        described = {
            event.type
            for service in declared().services.values()
            if service.publishes
            for event in events.published(service)
        }
        ours = {file.stem for file in EXAMPLES.iterdir() if _publisher(file) in declared().services}
        assert ours <= described


def _publisher(file: Path) -> str:
    (source,) = re.findall(r'"source": "/(\w+)"', file.read_text())
    return str(source)


def test_metrics_of_every_part_are_found() -> None:
    found = {title: each for title, each in metrics.sections(declared()) if each}
    assert {"Every subgraph", "auth", "prober"} <= set(found)
    names = [metric.name for each in found.values() for metric in each]
    assert len(names) == len(set(names))
    assert all(metric.help for each in found.values() for metric in each)
