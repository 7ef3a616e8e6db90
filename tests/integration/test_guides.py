"""The recipe with SQL, applied to a generated subgraph and run on PostgreSQL."""

from pathlib import Path

import pytest

from tests.guides import follow, python, subgraphs

PAGE = "docs/guides/user-field.md"


@pytest.mark.needs("tweets")
@pytest.mark.adds(*subgraphs(PAGE))
def test_field_of_user_is_counted_by_postgresql(tmp_path: Path, postgres_server: str) -> None:
    follow(PAGE, tmp_path)
    tests = "tests/integration/likes/test_service.py"
    python(tmp_path, "-m", "pytest", "-q", tests, TEST_DATABASE_URL=postgres_server)
