"""Ids that name the type of their object."""

from uuid import UUID, uuid4

from uuid_utils.compat import uuid7

from chassis.node_ids import naming, tag_in, tag_of


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
