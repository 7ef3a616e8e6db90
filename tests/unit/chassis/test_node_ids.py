"""Ids that name the type of their object."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from uuid_utils.compat import uuid7

from chassis.node_ids import naming, tag_in, tag_of, time_of


class TestNaming:
    def test_id_names_its_type(self) -> None:
        assert tag_in(naming("Tweet", uuid7)()) == tag_of("Tweet")
        assert tag_of("Tweet") != tag_of("User")

    def test_id_is_a_uuid_of_version_8(self) -> None:
        made = naming("Tweet", uuid7)()
        assert (made.version, made.variant) == (8, UUID(int=uuid7().int).variant)

    def test_later_id_is_greater(self) -> None:
        made = [naming("Tweet", uuid7)() for _ in range(1000)]
        assert made == sorted(made)
        assert len({*made}) == len(made)

    def test_time_of_an_id_is_kept(self) -> None:
        before = uuid7()
        assert naming("Tweet", lambda: before)().int >> 80 == before.int >> 80

    def test_other_ids_name_no_type(self) -> None:
        assert tag_in(uuid7()) is None
        assert tag_in(uuid4()) is None


class TestTimeOf:
    def test_time_of_an_id_is_when_it_was_made(self) -> None:
        begun = datetime.now(UTC)
        made = time_of(naming("Tweet", uuid7)())
        assert made
        assert abs(made - begun) < timedelta(minutes=1)
        earlier = time_of(UUID("01890a5d-ac96-774b-bcce-b302099a8057"))
        assert earlier == datetime(2023, 6, 30, 3, 34, 18, 518000, UTC)

    def test_random_id_has_no_time(self) -> None:
        assert time_of(uuid4()) is None
