"""Breaking changes of the schemas are refused unless they are accepted with a reason."""

import shutil
from pathlib import Path

import pytest
from graphql import build_schema, parse, validate

from chassis.topology import ROOT
from client import documents
from deploy.prober import round as probe
from deploy.schema_changes import ACCEPTED, RELEASED, problems, release, schema_files

API = schema_files()["api"]

OPERATIONS = ("query", "mutation", "subscription")
DOCUMENTS = {
    name: text
    for module in (documents, probe)
    for name, text in vars(module).items()
    if name.isupper() and isinstance(text, str) and text.lstrip().startswith(OPERATIONS)
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The schemas, and those of a release that has the same."""
    (tmp_path / RELEASED).mkdir(parents=True)
    for file in schema_files().values():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    release(tmp_path)
    return tmp_path


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def accept(root: Path, schema: str, what: str, reason: str) -> None:
    with (root / ACCEPTED).open("a") as file:
        file.write(f'[[change]]\nschema = "{schema}"\nchange = "{what}"\nreason = "{reason}"\n')


class TestProblems:
    def test_unchanged_schemas_have_none(self, copy: Path) -> None:
        assert list(problems(copy)) == []

    def test_removed_field_of_the_api_is_named_with_the_remedy(self, copy: Path) -> None:
        change(copy / API, "  me: User\n", "  viewer: User\n")
        [problem] = problems(copy)
        assert problem.startswith("api: Field Query.me was removed. ")
        assert "accept it with a reason in router/released/accepted.toml" in problem

    def test_added_field_is_no_problem(self, copy: Path) -> None:
        change(copy / API, "  me: User\n", "  me: User\n  viewer: User\n")
        assert list(problems(copy)) == []

    def test_removed_field_of_a_subgraph_is_named(self, copy: Path) -> None:
        change(copy / schema_files()["auth"], "  me: User\n", "  viewer: User\n")
        [problem] = problems(copy)
        assert problem.startswith("auth: Field Query.me was removed. ")

    @pytest.mark.needs("notifier")
    def test_changed_type_of_a_field_is_named(self, copy: Path) -> None:
        file = copy / schema_files()["notifier"]
        change(file, "undeliverableSince: DateTime", "undeliverableSince: Int")
        [problem] = problems(copy)
        assert problem.startswith("notifier: Field EmailSettings.undeliverableSince changed type")

    def test_new_subgraph_breaks_nothing(self, copy: Path) -> None:
        (copy / RELEASED / "auth.graphql").unlink()
        change(copy / schema_files()["auth"], "  me: User\n", "  viewer: User\n")
        assert list(problems(copy)) == []


class TestAcceptance:
    def test_accepted_change_is_no_problem(self, copy: Path) -> None:
        change(copy / API, "  me: User\n", "  viewer: User\n")
        accept(copy, "api", "Field Query.me was removed.", "Use `viewer`.")
        assert list(problems(copy)) == []

    def test_acceptance_needs_a_reason(self, copy: Path) -> None:
        change(copy / API, "  me: User\n", "  viewer: User\n")
        accept(copy, "api", "Field Query.me was removed.", "")
        [problem] = problems(copy)
        assert problem.endswith("'Field Query.me was removed.' needs a reason")

    def test_acceptance_that_no_change_needs_is_a_problem(self, copy: Path) -> None:
        accept(copy, "api", "Field Query.me was removed.", "Use `viewer`.")
        [problem] = problems(copy)
        assert problem.endswith("is no change; remove the entry")

    def test_release_forgets_what_was_accepted(self, copy: Path) -> None:
        change(copy / API, "  me: User\n", "  viewer: User\n")
        accept(copy, "api", "Field Query.me was removed.", "Use `viewer`.")
        release(copy)
        assert list(problems(copy)) == []


class TestDocuments:
    """What the client, the prober, the demo and the tests send fits the API schema."""

    @pytest.mark.needs("tweets", "notifier")
    @pytest.mark.parametrize("name", DOCUMENTS)
    def test_document_fits_the_api_schema(self, name: str) -> None:
        schema = build_schema((ROOT / API).read_text())
        assert validate(schema, parse(DOCUMENTS[name])) == []

    def test_documents_are_found(self) -> None:
        assert {"SIGN_UP", "SIGN_OUT", "FEED"} <= DOCUMENTS.keys()
