"""docs/asvs.md agrees with OWASP ASVS 5.0, with the tests and with the schema."""

import pytest
from graphql import GraphQLSchema, build_schema, is_input_object_type

from deploy.asvs import FILE, marks, problems, rows
from stack.process import ROOT


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
