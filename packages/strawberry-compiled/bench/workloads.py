"""The types, resolvers and documents of the benchmark, for any of its libraries.

`executors.py` loads it under the name of the library: `workloads_strawberry`, `workloads_bramble`,
and `workloads_plain` for dataclasses.
"""

import importlib
from typing import Any

api: Any = importlib.import_module(__name__.partition("_")[2])


@api.type
class User:
    id: api.ID
    name: str


@api.type
class Tweet:
    id: api.ID
    text: str
    created: str
    likes: int
    author: User
    of: "Tweet | None" = None


@api.type
class Edge:
    cursor: str
    node: Tweet


@api.type
class PageInfo:
    more: bool
    end: str | None


@api.type
class Timeline:
    edges: list[Edge]
    page: PageInfo


@api.type
class Seat:
    number: int
    price: float
    free: bool


@api.type
class Row:
    number: int
    seats: list[Seat]


@api.type
class Sector:
    name: str
    rows: list[Row]


@api.type
class Item:
    id: api.ID
    text: str

    @api.field
    async def mine() -> bool:
        return True

    @api.field
    async def author() -> User:
        return AUTHOR


@api.type
class Level:
    number: int
    name: str
    user: User
    next: "Level | None" = None


@api.federation.type(keys=["id"])
class Product:
    id: api.ID
    name: str
    price: float

    @classmethod
    async def resolve_reference(cls, id: str) -> "Product":
        return PRODUCTS[id]


@api.input
class NewTweet:
    text: str
    tags: list[str]


AUTHOR = User(id="u1", name="ann")
PRODUCTS = {str(n): Product(id=str(n), name=f"product {n}", price=n / 4) for n in range(20)}


def tweet(n: int) -> Tweet:
    return Tweet(
        id=str(n),
        text=f"This is tweet number {n}, and it says nothing at all.",
        created="2026-11-01T12:00:00+00:00",
        likes=n,
        author=User(id=str(n % 3), name=f"user {n % 3}"),
        of=tweet(n + 20) if n % 4 == 1 and n < 20 else None,
    )


TIMELINE = Timeline(
    edges=[Edge(cursor=f"c{n}", node=tweet(n)) for n in range(20)],
    page=PageInfo(more=True, end="c19"),
)
STADIUM = [
    Sector(
        name=f"sector {s}",
        rows=[
            Row(
                number=r,
                seats=[Seat(number=n, price=float(r), free=n % 3 == 0) for n in range(50)],
            )
            for r in range(30)
        ],
    )
    for s in range(30)
]
ITEMS = [Item(id=str(n), text=f"item {n}") for n in range(50)]
DEPTH = 12


def level(n: int) -> Level:
    below = level(n + 1) if n < DEPTH else None
    return Level(number=n, name=f"level {n}", user=AUTHOR, next=below)


DEEP = level(1)


@api.type
class Query:
    @api.field
    async def timeline() -> Timeline:
        return TIMELINE

    @api.field
    async def stadium() -> list[Sector]:
        return STADIUM

    @api.field
    async def items() -> list[Item]:
        return ITEMS

    @api.field
    async def deep() -> Level:
        return DEEP


@api.type
class Mutation:
    @api.mutation
    async def post(draft: NewTweet) -> Tweet:  # noqa: N805  (a static method)
        text = " ".join([draft.text, *draft.tags])
        return Tweet(id="1", text=text, created="now", likes=0, author=AUTHOR)


DOCUMENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "a timeline of 20": (
        """{ timeline { edges { cursor node { id text created likes author { id name }
        of { id text author { id name } } } } page { more end } } }""",
        {},
    ),
    "a stadium of 45,000 seats": (
        "{ stadium { name rows { number seats { number price free } } } }",
        {},
    ),
    "50 items, two resolvers each": ("{ items { id text mine author { id name } } }", {}),
    f"{DEPTH} levels of objects": (
        "{ deep " + "{ number name user { id name } next " * (DEPTH - 1) + "{ number }"
        + "}" * (DEPTH - 1) + " }",
        {},
    ),
    "a mutation": (
        """mutation ($draft: NewTweet!) { post(draft: $draft) {
        id text created likes author { id name } } }""",
        {"draft": {"text": "hello", "tags": ["a", "b"]}},
    ),
    "20 entities": (
        """query ($r: [_Any!]!) { _entities(representations: $r) {
        ... on Product { id name price } } }""",
        {"r": [{"__typename": "Product", "id": str(n)} for n in range(20)]},
    ),
}  # fmt: skip
