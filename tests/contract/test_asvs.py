"""docs/asvs.md agrees with OWASP ASVS 5.0, with the tests and with the schema."""

import re
from dataclasses import fields

import pytest
from graphql import (
    GraphQLSchema,
    build_schema,
    get_named_type,
    is_input_object_type,
    is_object_type,
    is_union_type,
)

from deploy.asvs import FILE, marks, problems, rows
from stack.process import ROOT
from subgraphs.auth.limits import Limits
from subgraphs.auth.policy import Policy

README = (ROOT / "subgraphs" / "auth" / "README.md").read_text()
MIGRATIONS = ROOT / "subgraphs" / "auth" / "migrations"


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema((ROOT / "router" / "supergraph.graphql").read_text(), assume_valid=True)


def test_every_row_is_explained_and_every_met_row_is_shown_by_a_test() -> None:
    assert list(problems(rows((ROOT / FILE).read_text()), marks(ROOT))) == []


@pytest.mark.asvs("6.4.2")
def test_schema_has_no_password_hint_and_no_secret_question(schema: GraphQLSchema) -> None:
    names = {
        field.lower()
        for type_ in schema.type_map.values()
        if is_input_object_type(type_)
        for field in type_.fields
    }
    assert "password" in names
    assert not [name for name in names if "hint" in name or "question" in name]


def documented_ways() -> dict[str, str]:
    """Return what each mutation in the table of docs/asvs.md says about opening a session."""
    table = (ROOT / FILE).read_text().partition("### Ways to authenticate")[2].partition("\n## ")[0]
    cells = [line.split("|") for line in table.splitlines() if line.startswith("| `")]
    return {name: row[3].strip() for row in cells for name in re.findall(r"`(\w+)`", row[1])}


@pytest.mark.asvs("6.1.3", "6.3.4", "7.6.2")
def test_mutations_that_answer_with_tokens_are_documented_as_opening_a_session(
    schema: GraphQLSchema,
) -> None:
    assert schema.mutation_type
    with_tokens = set()
    for name, field in schema.mutation_type.fields.items():
        result = get_named_type(field.type)
        members = result.types if is_union_type(result) else [result]
        if any(is_object_type(m) and "accessToken" in m.fields for m in members):
            with_tokens.add(name)
    ways = documented_ways()
    assert with_tokens == {name for name, opens in ways.items() if not opens.startswith("no")}
    assert {name for name, opens in ways.items() if opens.startswith("yes")} == {
        *("signUp", "signIn", "reauthenticate")
    }


@pytest.mark.asvs("6.1.3", "6.3.4")
def test_every_mutation_that_takes_a_password_or_a_code_is_documented(
    schema: GraphQLSchema,
) -> None:
    assert schema.mutation_type
    secret = re.compile(r"password|code$|token$", re.IGNORECASE)
    found = set()
    for name, field in schema.mutation_type.fields.items():
        inputs = [(key, get_named_type(argument.type)) for key, argument in field.args.items()]
        names = {key for key, _ in inputs}
        names |= {k for _, t in inputs if is_input_object_type(t) for k in t.fields}
        if any(secret.search(key) for key in names):
            found.add(name)
    assert found == set(documented_ways())


@pytest.mark.asvs("6.1.1")
def test_every_limit_is_documented_with_its_setting_and_default() -> None:
    for field in fields(Limits):
        if field.name == "period":
            continue
        setting = f"AUTH_{field.name.upper()}"
        (row,) = [line for line in README.splitlines() if line.startswith("|") and setting in line]
        names, defaults = (cell.strip() for cell in row.split("|")[1:3])
        place = re.findall(r"AUTH_\w+", names).index(setting)
        assert defaults.split(", ")[place] == str(field.default)
    assert "lock" in README.partition("## Attempts")[2].partition("\n## ")[0]


@pytest.mark.asvs("7.1.1")
def test_lifetimes_of_sessions_are_documented_with_their_reasons() -> None:
    policy = Policy({})
    idle, all_ = policy.session_lifetime.days, policy.session_max_lifetime.days
    assert f"| `AUTH_SESSION_DAYS` | {idle} |" in README
    assert f"| `AUTH_SESSION_MAX_DAYS` | {all_} |" in README
    (decision,) = (ROOT / "docs" / "adr").glob("0025-*.md")
    text = decision.read_text()
    assert f"{idle} days after its last refresh and {all_} days after its opening" in text
    assert "NIST SP 800-63B" in text


@pytest.mark.asvs("6.3.2")
def test_no_migration_creates_an_account() -> None:
    files = list(MIGRATIONS.glob("*.py"))
    assert files
    assert not [f.name for f in files if re.search(r"insert\s+into\s+users", f.read_text(), re.I)]
