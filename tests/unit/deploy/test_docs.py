"""The site: which files it has, how Markdown is adapted, and which mistakes a build finds."""

from pathlib import Path

import pytest

from chassis.topology import ROOT
from deploy.docs.flavour import for_python_markdown
from deploy.docs.links import replace
from deploy.docs.rendered import problems
from deploy.docs.source import gather


class TestFlavour:
    @pytest.mark.parametrize(
        ("github", "adapted"),
        [
            ("Text:\n- one\n- two\n", "Text:\n\n- one\n- two\n"),
            ("# Heading\n- one\n", "# Heading\n- one\n"),
            ("1. one\n\n   more\n", "1. one\n\n    more\n"),
            ("- one\n  - inner\n", "- one\n    - inner\n"),
            ("1. \n\n   ```\n   b\n     c\n   ```\n", "1. \n\n    ```\n    b\n      c\n    ```\n"),
            ("```\ntext\n- no list\n  indented\n```\n", "```\ntext\n- no list\n  indented\n```\n"),
            ("```sh\na\n```\n- one\n", "```sh\na\n```\n\n- one\n"),
        ],
    )  # fmt: skip
    def test_lists_are_written_as_python_markdown_reads_them(
        self, github: str, adapted: str
    ) -> None:
        assert for_python_markdown(github) == adapted


def test_links_in_code_and_to_other_hosts_are_kept() -> None:
    text = '[a](%sb.md) `[c](d)` [`e`](%se.py) [f](https://f) <img src="%sg">\n```\n[h](h)\n```\n'
    assert replace(text % ("", "", ""), lambda target: f"to/{target}") == text % (("to/",) * 3)


class TestGather:
    def test_linked_files_come_along_at_their_paths(self, tmp_path: Path) -> None:
        gather(["docs/architecture.md"], tmp_path)
        page = (tmp_path / "docs/architecture.md").read_text()
        assert "](../router/edge.py.txt)" in page
        copy = tmp_path / "router" / "edge.py.txt"
        assert copy.read_bytes() == (ROOT / "router" / "edge.py").read_bytes()
        assert (tmp_path / "docs" / "adr" / "0001-the-edge-verifies.md").exists()

    def test_folder_without_a_page_becomes_a_list_of_its_files(self, tmp_path: Path) -> None:
        gather(["subgraphs/auth/README.md"], tmp_path)
        listing = (tmp_path / "tests/contract/events/README.md").read_text()
        assert "(user-registered.json.txt)" in listing
        assert (tmp_path / "tests/contract/events/user-registered.json.txt").exists()

    def test_link_to_a_removed_service_leads_to_the_page_itself(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("deploy.docs.source.ROOT", tmp_path)
        (tmp_path / "README.md").write_text("[tweets](subgraphs/tweets/README.md#api)\n")
        gather(["README.md"], tmp_path / "site")
        assert (tmp_path / "site" / "README.md").read_text() == "[tweets](#)\n"


class TestProblems:
    def found(self, site: Path, article: str, head: str = "") -> list[str]:
        text = f"<html><head>{head}</head><article>{article}</article></html>"
        (site / "page.html").write_text(text)
        return [*problems(site)]

    @pytest.mark.parametrize(
        "head",
        [
            '<script src="https://unpkg.com/x"></script>',
            '<link rel="stylesheet" href="https://fonts.example/x.css">',
            '<img src="//example.com/x.png">',
        ],
    )
    def test_file_of_another_host_is_a_problem(self, tmp_path: Path, head: str) -> None:
        assert len(self.found(tmp_path, "", head)) == 1

    @pytest.mark.parametrize(
        "article", ["<p>| a |\n| --- |</p>", "<p>```sh</p>", "<p>Text:\n- one</p>", "<p>[a](b)</p>"]
    )
    def test_markdown_in_a_page_is_a_problem(self, tmp_path: Path, article: str) -> None:
        assert len(self.found(tmp_path, article)) == 1

    def test_code_and_links_to_other_hosts_are_none(self, tmp_path: Path) -> None:
        article = '<pre>- one\n| --- |</pre><p><code>[a](b)</code> <a href="https://a">a</a></p>'
        assert self.found(tmp_path, article, '<script src="a.js"></script>') == []

    def test_empty_site_is_a_problem(self, tmp_path: Path) -> None:
        assert [*problems(tmp_path)] == ["there is no page"]
