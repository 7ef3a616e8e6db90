"""Both executors give the same answer for random schemas, documents and values.

`STRAWBERRY_COMPILED_EXAMPLES=20000` tries more.
"""

import asyncio
import datetime
import logging
from collections.abc import Callable, Generator, Iterator
from enum import Enum, StrEnum
from random import Random
from types import GenericAlias
from typing import Annotated, Any, NewType

import pytest
import strawberry
from graphql import (
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLUnionType,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_object_type,
)
from hypothesis import given
from hypothesis import strategies as st
from strawberry.scalars import JSON
from strawberry.schema.config import StrawberryConfig

from strawberry_compiled.testing import Executors

Make = Callable[[], Any]
Shout = NewType("Shout", str)
PARENT: Any = strawberry.Parent[Any]  # type: ignore[misc]


def shout(value: Any) -> str | None:
    """Serialize a value; raise for some, return None for some."""
    if value == "fail":
        raise ValueError("not so loud")
    return None if value == "" else str(value).upper()


CONFIG = StrawberryConfig(
    scalar_map={Shout: strawberry.scalar(name="Shout", serialize=shout, parse_value=str)}
)


@strawberry.enum
class Colour(Enum):
    RED = "red"
    GREEN = 2


@strawberry.enum
class Mood(StrEnum):
    GOOD = "good"
    BAD = "bad"


class Later:
    """A value to await. It is no coroutine, which could be left without being awaited."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __await__(self) -> Generator[Any, None, Any]:
        yield from asyncio.sleep(0).__await__()
        if isinstance(self._value, Exception):
            raise self._value
        return self._value


class Loose:
    """An object with any attributes, of a class that the schema does not know."""

    def __init__(self, attributes: dict[str, Any]) -> None:
        self.__dict__.update(attributes)


LEAVES: list[tuple[Any, list[Any], list[Any]]] = [
    # the type, values that it gives, values that are an error (or may be)
    (str, ["text", "é\n", "", 3, True, 2.5], [b"bytes", [], Colour.RED]),
    (int, [7, 0, 2**31 - 1, True, 1.0, "5"], [2**31, -(2**31) - 1, 1.5, "x", float("inf")]),
    (float, [1.5, 2, "1e3", False, -0.0], [float("nan"), float("-inf"), "", "x"]),
    (bool, [True, False, 0, 1.0], ["no", float("nan")]),
    (strawberry.ID, ["id", 4, 1.0], [1.5, True, b"id"]),
    (Colour, [Colour.RED, Colour.GREEN, "red", 2], [Mood.BAD, "GREEN", []]),
    (Mood, [Mood.GOOD, Mood.BAD, "good"], ["neither", Colour.RED]),
    (datetime.datetime, [datetime.datetime(2026, 1, 2)], ["yesterday", 5]),  # noqa: DTZ001
    (Shout, ["hey", 3, Colour.RED, True], ["fail", "", Later("hey")]),
    (JSON, [{"a": [1]}, [None], "text", 2.5, (1, 2)], [{1, 2}, object]),
]


class World:
    """A random schema, and values and documents for it."""

    def __init__(self, random: Random, types: int, fields: int, mischief: float) -> None:
        self.random = random
        self.mischief = mischief
        self.fields: dict[type, dict[str, Any]] = {}
        self.interface: Any = strawberry.interface(
            type("Shape", (), {"__annotations__": {"side": int, "label": str | None}})
        )
        classes: list[Any] = []
        for n in range(types):
            bases = (self.interface,) if random.random() < 0.4 else ()
            classes.append(type(f"T{n}", bases, {}))
        self.classes = classes
        self.implementations = [c for c in classes if issubclass(c, self.interface)]
        self.union = (
            Annotated[classes[0] | classes[-1], strawberry.union("Either")] if types > 1 else None
        )
        for cls in classes:
            self._declare(cls, fields)
        for cls in classes:
            strawberry.type(cls)
        root: Any = type("Query", (), {})
        self._declare(root, fields + 1, root=True)
        self.root = strawberry.type(root)
        self.executors = Executors(self.root, types=classes, config=CONFIG)

    def _annotation(self) -> Any:
        random = self.random
        if random.random() < 0.45:
            annotation = random.choice(LEAVES)[0]
        else:
            several = [*self.classes]
            if self.implementations:
                several.append(self.interface)
            if self.union is not None:
                several.append(self.union)
            annotation = random.choice(several)
        for _ in range(3):
            if random.random() < 0.4:
                annotation = (
                    annotation | None if random.random() < 0.5 else GenericAlias(list, annotation)
                )
        return annotation

    def _declare(self, cls: Any, count: int, *, root: bool = False) -> None:
        inherited: dict[str, Any] = (
            {"side": int, "label": str | None} if issubclass(cls, self.interface) else {}
        )
        own: dict[str, Any] = {}
        self.fields[cls] = {**inherited}
        for n in range(count):
            name, annotation = f"{cls.__name__.lower()}_{n}", self._annotation()
            self.fields[cls][name] = annotation
            kind = self.random.random()
            if root or kind < 0.12:
                setattr(cls, name, strawberry.field(resolver=reader(name, annotation)))
            elif kind < 0.2:
                setattr(cls, name, strawberry.field(resolver=later_reader(name, annotation)))
            else:
                if kind < 0.3:
                    setattr(cls, name, strawberry.field(name=f"renamed{n}{cls.__name__}"))
                own[name] = annotation
        cls.__annotations__ = own

    def value(self, annotation: Any, depth: int) -> Make:
        """Return a function that makes a value, mostly a valid one."""
        random = self.random
        if random.random() < self.mischief:
            return self._wrong(annotation, depth)
        origin = getattr(annotation, "__origin__", None)
        arguments: tuple[Any, ...] = getattr(annotation, "__args__", ())
        if origin is list:
            items = [
                self.value(arguments[0], depth - 1)
                for _ in range(random.randint(0, 3) if depth > 0 else 0)
            ]
            kind = tuple if random.random() < 0.1 else list
            return lambda: kind([make() for make in items])
        if type(None) in arguments:
            if depth <= 0 or random.random() < 0.2:
                return lambda: None
            return self.value(arguments[0], depth)
        for leaf, good, bad in LEAVES:
            if annotation is leaf:
                leaf_value = random.choice(bad if random.random() < 2 * self.mischief else good)
                return lambda: leaf_value
        if annotation is self.interface:
            return self._object(random.choice(self.implementations), depth)
        if annotation in self.classes:
            return self._object(annotation, depth)
        return self._object(random.choice([self.classes[0], self.classes[-1]]), depth)

    def _attributes(self, cls: type, depth: int) -> dict[str, Make]:
        if depth < -4:
            return {}  # recursive types end with objects that lack attributes
        return {name: self.value(a, depth - 1) for name, a in self.fields[cls].items()}

    def _object(self, cls: Any, depth: int) -> Make:
        attributes = self._attributes(cls, depth)

        def make() -> Any:
            thing = cls.__new__(cls)
            thing.__dict__.update({name: value() for name, value in attributes.items()})
            return thing

        return make

    def _wrong(self, annotation: Any, depth: int) -> Make:
        cls = self.random.choice(self.classes)
        sound = self.value(annotation, depth - 1)
        attributes = self._attributes(cls, depth - 1)

        def subclass() -> Any:
            kind: Any = type("Sub", (cls,), {})
            thing = kind.__new__(kind)
            thing.__dict__.update({name: value() for name, value in attributes.items()})
            return thing

        def cast() -> Any:
            value = sound()
            if hasattr(value, "__dict__") and not isinstance(value, (type, Enum, Exception)):
                return strawberry.cast(cls, value)
            return value

        wrong: list[Make] = [
            lambda: None,
            lambda: RuntimeError("as a value"),
            lambda: Later(sound()),
            lambda: Later(RuntimeError("awaited")),
            lambda: (value for value in [sound()]),
            lambda: {"set"},
            dict,
            lambda: 10**12,
            lambda: "some text",
            lambda: [sound()],
            lambda: strawberry.UNSET,
            lambda: Loose({name: value() for name, value in attributes.items()}),
            self._object(cls, depth - 1),
            subclass,
            cast,
            lambda: map(str, [1]),
            object,
        ]
        return self.random.choice(wrong)

    def document(self, depth: int) -> "Document":
        return Document(self, depth)


def reader(name: str, annotation: Any) -> Callable[..., Any]:
    def read(root: Any) -> Any:
        return getattr(root, name)

    read.__annotations__ = {"return": annotation, "root": PARENT}
    return read


def later_reader(name: str, annotation: Any) -> Callable[..., Any]:
    async def read(root: Any) -> Any:
        await asyncio.sleep(0)
        value = getattr(root, name)
        return await value if isinstance(value, Later) else value

    read.__annotations__ = {"return": annotation, "root": PARENT}
    return read


class Document:
    """A random operation, with the values of its variables."""

    def __init__(self, world: World, depth: int) -> None:
        self.random = world.random
        self.schema = world.executors.stock._schema
        self.fragments: list[tuple[str, str, str]] = []
        self.variables: dict[str, bool] = {}
        query = self.schema.query_type
        body = self._selection(query, depth)
        fragments = [f"fragment {n} on {t} {s}" for n, t, s in self.fragments]
        parameters = ", ".join(f"${name}: Boolean!" for name in self.variables)
        head = f"query ({parameters})" if parameters else "query"
        self.text = " ".join([f"{head} {body}", *fragments])

    def _condition(self) -> str:
        if self.random.random() > 0.15:
            return ""
        what = self.random.choice(["true", "false", "$b0", "$b1"])
        if what.startswith("$"):
            self.variables.setdefault(what[1:], self.random.random() < 0.6)
        return f" @{self.random.choice(['skip', 'include'])}(if: {what})"

    def _selection(self, type_: Any, depth: int) -> str:
        parts = [self._part(type_, depth) for _ in range(self.random.randint(1, 5))]
        return "{ " + " ".join(["__typename" if depth <= 0 else "", *parts]) + " }"

    def _part(self, type_: Any, depth: int) -> str:
        choice = self.random.random()
        if choice < 0.1 or depth <= 0:
            return f"__typename{self._condition()}"
        if choice < 0.25:
            return f"...{self._on(type_)}{self._condition()} {self._selection(type_, depth - 1)}"
        if choice < 0.4:
            inner = self._narrowed(type_)
            return f"... on {inner}{self._condition()} {self._selection(inner, depth - 1)}"
        if choice < 0.5:
            known = [name for name, on, _ in self.fragments if on == type_.name]
            if known and self.random.random() < 0.5:
                return f"...{self.random.choice(known)}{self._condition()}"
            name = f"F{len(self.fragments)}"
            self.fragments.append(("", "", ""))
            place = len(self.fragments) - 1
            self.fragments[place] = (name, type_.name, self._selection(type_, depth - 1))
            return f"...{name}{self._condition()}"
        if isinstance(type_, GraphQLUnionType):
            return "__typename"
        name, field = self.random.choice(
            [item for item in type_.fields.items() if not item[0].startswith("_")]
        )
        alias = f"a{self.random.randint(0, 2)}_{type_.name}_{name}: "
        alias = alias if self.random.random() < 0.3 else ""
        return f"{alias}{name}{self._condition()} {self._below(field.type, depth)}"

    def _below(self, type_: GraphQLOutputType, depth: int) -> str:
        named = get_named_type(type_)
        return "" if is_leaf_type(named) else self._selection(named, depth - 1)

    def _on(self, type_: Any) -> str:
        return f" on {type_.name}" if self.random.random() < 0.5 else ""

    def _narrowed(self, type_: Any) -> Any:
        """A type that a value of this type may have."""
        if is_object_type(type_):
            assert isinstance(type_, GraphQLObjectType)
            return self.random.choice([type_, *type_.interfaces])
        assert is_abstract_type(type_)
        return self.random.choice([type_, *self.schema.get_possible_types(type_)])


worlds = given(
    random=st.randoms(use_true_random=True),
    types=st.integers(1, 4),
    fields=st.integers(1, 4),
    mischief=st.sampled_from([0.0, 0.02, 0.1]),
    depth=st.integers(2, 6),
)


async def settled() -> None:
    """Wait for tasks that the executors left running when a sibling failed."""
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.gather(*others, return_exceptions=True)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Do not log the thousands of errors that are expected."""
    logger = logging.getLogger("strawberry.execution")
    logger.disabled = True
    yield
    logger.disabled = False


class TestRandomOperations:
    async def test_both_executors_give_the_same(self) -> None:
        seen = {"documents": 0, "answered": 0, "errors": 0, "compiled": 0, "failed": 0}

        async def compare(world: World, depth: int) -> None:
            for _ in range(3):
                document = world.document(depth)
                root = world._object(world.root, depth)
                result = await world.executors.same(document.text, root, **document.variables)
                await settled()
                assert not any(
                    error.path is None and error.original_error is None and result.data is None
                    for error in result.errors or ()
                    if "Cannot" not in error.message
                ), (document.text, result.errors)
                seen["documents"] += 1
                seen["answered"] += result.data is not None
                seen["errors"] += bool(result.errors)
            seen["compiled"] += len(world.executors.compiled())
            seen["failed"] += len(world.executors.failed())

        @worlds
        def check(random: Random, types: int, fields: int, mischief: float, depth: int) -> None:
            asyncio.run(compare(World(random, types, fields, mischief), depth))

        await asyncio.to_thread(check)
        # A run that compiles nothing, or in which nothing fails, would prove nothing.
        assert seen["answered"] > seen["documents"] / 4
        assert seen["errors"] > seen["documents"] / 10
        assert seen["compiled"] > seen["documents"]
        assert seen["failed"] > seen["documents"] / 20
