"""Data loaders: many fields of an operation share one call of a use case."""

from collections.abc import Awaitable, Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import TypeVar

from strawberry.dataloader import DataLoader

K = TypeVar("K")
V = TypeVar("V")


def batch_loader(
    fetch: Callable[[AbstractSet[K]], Awaitable[Mapping[K, V]]], missing: V
) -> DataLoader[K, V]:
    """Return a loader that calls `fetch` once for a batch of keys.

    A key that `fetch` does not return has the value `missing`. The loader does not cache: a field
    that follows a mutation in the same document sees what the mutation changed.
    """

    async def load(keys: list[K]) -> list[V]:
        found = await fetch(set(keys))
        return [found.get(key, missing) for key in keys]

    return DataLoader(load, cache=False)
