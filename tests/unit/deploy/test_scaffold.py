"""The names that a new subgraph may have, and the files that are written for it."""

import ast
from pathlib import Path

import pytest

from chassis.topology import FILE, ROOT, parse
from deploy.scaffold.__main__ import create
from deploy.scaffold.names import NameProblemError, Names, singular
from deploy.scaffold.templates import TYPES, Extended, render

DECLARATION = """
[project]
name = "chirp"
title = "Chirp"

[services.auth]
module = "subgraphs.auth"
kind = "subgraph"
port = 4101
grpc_port = 4111
database = true
publishes = true

[services.tweets]
module = "subgraphs.tweets"
kind = "subgraph"
port = 4102
database = true
publishes = true
"""
SCHEMA = '''
"""A description."""
type {} @key(fields: "id") {{
  """The id."""
  id: ID!
}}
'''
LIKES = render(Names.of("likes"), Extended("auth", "User", "A description.", "The id."))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository that holds a declaration and the schemas that can be extended."""
    (tmp_path / FILE).write_text(DECLARATION)
    for owner, name in TYPES.items():
        schema = tmp_path / "subgraphs" / owner / "schema.graphql"
        schema.parent.mkdir(parents=True)
        schema.write_text(SCHEMA.format(name))
    return tmp_path


def files(root: Path) -> set[str]:
    """Return the paths of the files but for the schemas."""
    found = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    return {path for path in found if not path.endswith("schema.graphql")}


class TestSingular:
    @pytest.mark.parametrize(
        ("plural", "expected"),
        [
            ("likes", "like"),
            ("bookmarks", "bookmark"),
            ("stories", "story"),
            ("matches", "match"),
            ("boxes", "box"),
            ("classes", "class"),
            ("media", "media"),
            ("press", "press"),
        ],
    )
    def test_regular_plurals(self, plural: str, expected: str) -> None:
        assert singular(plural) == expected


@pytest.mark.needs("tweets")
class TestCreate:
    def test_stanza_is_appended_and_the_rest_is_kept(self, root: Path) -> None:
        before = (root / FILE).read_text()
        create(root, Names.of("likes"), None)
        after = (root / FILE).read_text()
        assert after.startswith(before)
        service = parse(after)["likes"]
        assert service.consumes == ("auth", "tweets")
        assert service.scopes == ("likes:read", "likes:write")
        assert service.publishes

    def test_subscription_is_declared_with_its_packages(self, root: Path) -> None:
        created = create(root, Names.of("likes"), None, subscription=True)
        service = parse((root / FILE).read_text())["likes"]
        assert service.subscriptions
        assert service.requirements == "subscriptions"
        assert "subgraphs/likes/feed.py" in created
        assert "subgraphs/likes/feed.py" not in create(root, Names.of("bookmarks"), None)
        assert not parse((root / FILE).read_text())["bookmarks"].subscriptions

    def test_extended_type_is_described_as_its_owner_does(self, root: Path) -> None:
        described = 'A "post" ' + "of many words " * 20 + "in all."
        schema = root / "subgraphs/tweets/schema.graphql"
        schema.write_text(schema.read_text().replace("A description.", described))
        create(root, Names.of("likes"), None)
        module = ast.parse((root / "subgraphs/likes/types.py").read_text())
        assert described in {n.value for n in ast.walk(module) if isinstance(n, ast.Constant)}

    def test_missing_type_is_named(self, root: Path) -> None:
        (root / "subgraphs/tweets/schema.graphql").write_text("type Post { id: ID! }")
        with pytest.raises(NameProblemError, match=r"schema\.graphql has no type Tweet with an id"):
            create(root, Names.of("likes"), None)

    def test_port_is_free(self, root: Path) -> None:
        create(root, Names.of("likes"), None)
        create(root, Names.of("bookmarks"), None)
        services = parse((root / FILE).read_text()).services.values()
        ports = [port for s in services for port in (s.port, s.grpc_port) if port]
        assert len(set(ports)) == len(ports)

    def test_files_are_the_package_and_its_tests(self, root: Path) -> None:
        created = create(root, Names.of("likes"), None)
        assert files(root) == {FILE, *created}
        assert {Path(path).parts[:-1] for path in created} == {
            ("subgraphs", "likes"),
            ("subgraphs", "likes", "migrations"),
            ("tests", "unit", "likes"),
            ("tests", "integration", "likes"),
            ("tests", "e2e"),
        }

    def test_it_has_the_files_of_every_service(self, root: Path) -> None:
        create(root, Names.of("likes"), None)
        # A module may be a file or, where it is long, a folder.
        modules = {path.stem for path in (ROOT / "subgraphs" / "auth").iterdir()}
        written = {path.stem for path in (root / "subgraphs" / "likes").iterdir()}
        assert written < modules

    def test_user_is_extended_where_there_are_no_tweets(self, root: Path) -> None:
        (root / FILE).write_text(DECLARATION.partition("[services.tweets]")[0])
        create(root, Names.of("likes"), None)
        assert parse((root / FILE).read_text())["likes"].consumes == ("auth",)
        assert "class User:" in (root / "subgraphs/likes/types.py").read_text()

    @pytest.mark.parametrize("folder", ["subgraphs/likes", "tests/unit/likes"])
    def test_existing_file_is_not_overwritten(self, root: Path, folder: str) -> None:
        (root / folder).mkdir(parents=True)
        name = next(Path(p).name for p in LIKES if p.startswith(folder))
        (root / folder / name).write_text("mine")
        before = (root / FILE).read_text()
        with pytest.raises(NameProblemError, match=f"{folder}/{name} exist already"):
            create(root, Names.of("likes"), None)
        assert files(root) == {FILE, f"{folder}/{name}"}
        assert (root / FILE).read_text() == before

    @pytest.mark.parametrize(
        ("name", "problem"),
        [
            ("Likes", "must be lower-case letters and digits"),
            ("my-likes", "must be lower-case letters and digits"),
            ("4likes", "must be lower-case letters and digits"),
            ("l" * 21 + "s", "has 22 characters; 20 are allowed"),
            ("tweets", "is a service already"),
            ("router", "is reserved"),
            ("classes", "has another meaning in Python"),
            ("lists", "has another meaning in Python"),
            ("events", "has another meaning in Python or in the service's own code"),
            ("owners", "has another meaning in Python or in the service's own code"),
            ("references", "has another meaning in SQL"),
            ("media", "must be a plural; or give the singular with ITEM=…"),
        ],
    )
    def test_unfit_name_is_refused_with_the_reason(
        self, root: Path, name: str, problem: str
    ) -> None:
        before = (root / FILE).read_text()
        with pytest.raises(NameProblemError, match=problem):
            create(root, Names.of(name), None)
        assert files(root) == {FILE}
        assert (root / FILE).read_text() == before

    def test_extended_type_cannot_be_the_name(self, root: Path) -> None:
        with pytest.raises(NameProblemError, match="NAME users has another meaning"):
            create(root, Names.of("users"), "auth")

    def test_unknown_owner_is_refused(self, root: Path) -> None:
        with pytest.raises(NameProblemError, match="There is no service notes to extend"):
            create(root, Names.of("likes"), "notes")
