"""A data loader calls a use case once for many fields."""

import asyncio
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from chassis.graphql.loaders import batch_loader


class TestBatchLoader:
    async def test_keys_are_fetched_once_and_returned_in_order(self) -> None:
        asked: list[AbstractSet[int]] = []

        async def fetch(keys: AbstractSet[int]) -> Mapping[int, str]:
            asked.append(keys)
            return {key: str(key) for key in keys if key != 3}

        loader = batch_loader(fetch, "none")
        answers = await asyncio.gather(*(loader.load(key) for key in (2, 1, 2, 3)))
        assert answers == ["2", "1", "2", "none"]
        assert asked == [{1, 2, 3}]

    async def test_later_load_fetches_again(self) -> None:
        values = {1: "old"}

        async def fetch(_: AbstractSet[int]) -> Mapping[int, str]:
            return dict(values)

        loader = batch_loader(fetch, "none")
        assert await loader.load(1) == "old"
        values[1] = "new"
        assert await loader.load(1) == "new"
