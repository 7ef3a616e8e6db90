"""The declaration of the services, and the reports of its mistakes."""

import re
from pathlib import Path

import pytest

from chassis.topology import FILE, RESERVED, Kind, TopologyError, declared, parse
from stack.environment import examples

PROJECT = '[project]\nname = "wren"\ntitle = "Wren"\n'
AUTH = """
[services.auth]
module = "subgraphs.auth"
kind = "subgraph"
port = 4101
grpc_port = 4111
database = true
publishes = true
scopes = ["account:read"]
public_paths = ["/keys.json"]
"""
LIKES = """
[services.likes]
module = "subgraphs.likes"
kind = "subgraph"
port = 4105
database = true
consumes = ["auth"]
calls = ["auth"]
scopes = ["likes:write"]
"""


def problems(text: str) -> list[str]:
    with pytest.raises(TopologyError) as raised:
        parse(text)
    return [line.removeprefix(f"{FILE}: ") for line in str(raised.value).splitlines()]


class TestParse:
    def test_stanza_becomes_a_service(self) -> None:
        likes = parse(PROJECT + AUTH + LIKES)["likes"]
        assert (likes.kind, likes.port, likes.consumes) == (Kind.SUBGRAPH, 4105, ("auth",))
        assert (likes.prefix, likes.stream, likes.folder) == (
            "LIKES_",
            "events.likes",
            "subgraphs/likes",
        )
        assert likes.owner_setting("auth") == "LIKES_AUTH_URL"
        assert likes.call_setting("auth") == "LIKES_AUTH_GRPC"

    def test_two_services_may_check_one_scope(self) -> None:
        topology = parse(PROJECT + AUTH + LIKES.replace("likes:write", "account:read"))
        assert topology.scopes == {"account:read"}

    def test_consumer_groups_and_scopes_are_those_of_all_stanzas(self) -> None:
        topology = parse(PROJECT + AUTH + LIKES)
        assert topology.consumers_of("auth") == {"likes"}
        assert topology.scopes == {"account:read", "likes:write"}

    def test_role_has_what_each_service_declares_for_it(self) -> None:
        roles = 'roles = { moderator = ["%s"], admin = ["likes:purge"] }\n'
        topology = parse(
            PROJECT + AUTH + (roles % "account:ban") + LIKES + (roles % "likes:moderate")
        )
        assert topology.roles == {
            "user": {"account:read", "likes:write"},
            "moderator": {"account:ban", "likes:moderate"},
            "admin": {"likes:purge"},
        }
        assert topology.scopes == {scope for role in topology.roles.values() for scope in role}
        assert topology["likes"].checked_scopes == {"likes:write", "likes:moderate", "likes:purge"}

    @pytest.mark.parametrize(
        ("roles", "problem"),
        [
            ('"moderator"', "roles must be a table"),
            ('{ moderator = "likes:ban" }', "roles.moderator must be a list of strings"),
            ("{ moderator = [] }", "roles.moderator lists no scope"),
            ('{ Moderator = ["likes:ban"] }', "role 'Moderator' must be lower-case letters"),
            ('{ moderator = ["likes ban"] }', "scope 'likes ban' must be lower-case letters"),
            ('{ user = ["likes:ban"] }', "roles has user, which every account has; list its"),
            (
                '{ moderator = ["account:read"] }',
                "roles.moderator has account:read, which every account has",
            ),
        ],
    )
    def test_problem_of_a_role_names_its_key(self, roles: str, problem: str) -> None:
        text = PROJECT + AUTH + LIKES + f"roles = {roles}\n"
        assert any(line.startswith(f"[services.likes] {problem}") for line in problems(text))

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            (AUTH, "[project] lacks name"),
            (PROJECT, "there is no [services.auth]; the edge asks it about every token"),
            (PROJECT + "[service.auth]", "[service] is unknown; [project] and [services.<name>]"),
            (PROJECT + AUTH + "prot = 1", "[services.auth] has an unknown key prot; did you mean"),
            (PROJECT + AUTH + "zzz = 1", "[services.auth] has an unknown key zzz; known are"),
            (PROJECT + AUTH.replace("4101", '"4101"'), "[services.auth] port must be a whole"),
            (PROJECT + AUTH.replace("4101", "true"), "[services.auth] port must be a whole"),
            (PROJECT + AUTH.replace("4101", "70000"), "[services.auth] port 70000 is not"),
            (PROJECT + AUTH.replace("4111", "4101"), "[services.auth] port 4101 is"),
            (
                PROJECT + AUTH.replace('"subgraph"', '"graph"'),
                "[services.auth] kind is 'graph'; it",
            ),
            (
                PROJECT + AUTH.replace('"subgraphs.auth"', '"a/b"'),
                "[services.auth] module 'a/b' is",
            ),
            (PROJECT + AUTH.replace("/keys.json", "/graphql"), "[services.auth] public path"),
            (PROJECT + AUTH.replace('["account:read"]', '"a"'), "[services.auth] scopes must be a"),
            (
                PROJECT + AUTH.replace("database = true\n", ""),
                "[services.auth] consumes or publishes events, which needs database = true",
            ),
            (
                PROJECT + AUTH.replace("publishes = true\n", "") + LIKES,
                "[services.likes] consumes auth, which is no service with publishes = true",
            ),
            (
                PROJECT + AUTH.replace("grpc_port = 4111\n", "") + LIKES,
                "[services.likes] calls auth, which is no service with a grpc_port",
            ),
            (
                PROJECT + AUTH + LIKES.replace("likes:write", "likes write"),
                "[services.likes] scope 'likes write' must be lower-case letters, digits",
            ),
            (PROJECT + AUTH + LIKES.replace("4105", "4101"), "[services.likes] port 4101 is"),
            (
                f'{PROJECT}{AUTH}nodes = ["User"]\n{LIKES}nodes = ["User"]',
                "[services.likes] node User is already used by auth",
            ),
            (
                f'{PROJECT}{AUTH}nodes = ["User", "Type490"]',
                "[services.auth] nodes Type490 has the same digest as User; rename it",
            ),
            (PROJECT + AUTH + LIKES.replace("likes]", "edge]"), "[services.edge] has a reserved"),
            (PROJECT + AUTH + LIKES.replace("likes]", "a-b]"), "[services.a-b] must be named"),
            (
                PROJECT + AUTH + 'secrets = { AUTH_KEY = "rot13" }',
                "[services.auth] secrets AUTH_KEY is 'rot13'; it must be one of random",
            ),
            (
                PROJECT + AUTH + 'secret_files = { AUTH_KEYS_FILE = "rot13" }',
                "[services.auth] secret_files AUTH_KEYS_FILE is 'rot13'; it must be one of signing",
            ),
            (
                PROJECT + AUTH + 'secret_files = { AUTH_KEYS = "signing-keys" }',
                "[services.auth] secret_files AUTH_KEYS must be named AUTH_…_FILE",
            ),
            (
                f'{PROJECT}{AUTH}secrets = {{ SHARED = "random" }}\n'
                f'{LIKES}secrets = {{ SHARED = "signing-key" }}',
                "[services.likes] secrets SHARED is 'signing-key'; auth shares it and declares",
            ),
            (
                PROJECT + AUTH.replace('"subgraph"', '"page"'),
                "[services.auth] is a page and must not have database",
            ),
            ("[project", "Expected"),
        ],
    )
    def test_mistake_is_reported_in_one_line_with_its_key(self, text: str, problem: str) -> None:
        assert [line for line in problems(text) if line.startswith(problem)], problems(text)

    def test_every_mistake_is_reported_at_once(self) -> None:
        assert len(problems(AUTH.replace("port", "prot"))) >= 4


class TestDeclared:
    def test_undeclared_service_is_named(self) -> None:
        with pytest.raises(
            TopologyError, match=r"no service bookmarks; add \[services.bookmarks\]"
        ):
            declared()["bookmarks"]

    def test_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(TopologyError, match=r"services\.toml cannot be read"):
            declared(tmp_path)


class TestReserved:
    def test_reserved_names_keep_settings_unambiguous(self) -> None:
        names = {*examples(), "GRAFANA_PORT", "GRAFANA_PASSWORD", "POSTGRES_PASSWORD", "PUBLIC_URL"}
        of_a_service = re.compile(r"([A-Z]+)_(?:HOST|PORT|URL|PASSWORD)")
        first_words = {
            found[1].lower() for name in names if (found := of_a_service.fullmatch(name))
        }
        assert first_words - RESERVED - declared().services.keys() == set()
