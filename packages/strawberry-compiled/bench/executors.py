"""The executors that the benchmark compares, each with the packages that its process needs.

All have the types, resolvers and data of `workloads.py`.
"""

import importlib
import importlib.util
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

Execute = Callable[[str, dict[str, Any]], Awaitable[Any]]
"""Returns the data of an operation; raises where there are errors."""

HERE = Path(__file__).parent
BASELINE = "Strawberry"
OURS = "compiled, with caches"


class Executor(NamedTuple):
    """How to install an executor, and how to get it in its process."""

    packages: tuple[str, ...]
    make: Callable[[], Awaitable[Execute]]


def workloads(library: str) -> ModuleType:
    """Return the module `workloads` for this library."""
    name = f"workloads_{library}"
    spec = importlib.util.spec_from_file_location(name, HERE / "workloads.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _imported(*names: str) -> Any:
    modules = [importlib.import_module(name) for name in names]
    return modules[0]


async def by_strawberry(*, compiled: bool, caches: bool) -> Execute:
    strawberry: Any = _imported("strawberry", "strawberry.federation", "strawberry.extensions")
    types = workloads("strawberry")
    caching = [strawberry.extensions.ParserCache, strawberry.extensions.ValidationCache]
    ours = _imported("strawberry_compiled").CompilingExecutionContext if compiled else None
    schema = strawberry.federation.Schema(
        types.Query,
        types.Mutation,
        types=[types.Product],
        extensions=caching if caches else [],
        execution_context_class=ours,
    )

    async def execute(document: str, variables: dict[str, Any]) -> Any:
        result = await schema.execute(document, variables)
        assert not result.errors, result.errors
        return result.data

    return execute


def resolvers(types: Any) -> dict[str, dict[str, Callable[..., Awaitable[Any]]]]:
    """Return the resolvers by type and field; they take the arguments of their fields."""

    def value(value: Any) -> Callable[..., Awaitable[Any]]:
        async def resolve() -> Any:
            return value

        return resolve

    async def entities(representations: list[Any]) -> Any:
        return [await types.Product.resolve_reference(each["id"]) for each in representations]

    async def post(draft: dict[str, Any]) -> Any:
        return await types.Mutation.post(types.NewTweet(**draft))

    return {
        "Query": {
            "timeline": value(types.TIMELINE),
            "stadium": value(types.STADIUM),
            "items": value(types.ITEMS),
            "deep": value(types.DEEP),
            "_entities": entities,
        },
        "Mutation": {"post": post},
        "Item": {"mine": types.Item.mine, "author": types.Item.author},
    }


def _of_graphql_core(function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def resolve(_: Any, __: Any, **arguments: Any) -> Any:
        return await function(**arguments)

    return resolve


async def by_graphql_core() -> Execute:
    graphql: Any = _imported("graphql")
    schema = graphql.build_schema((HERE / "schema.graphql").read_text())
    for type_, fields in resolvers(workloads("plain")).items():
        for name, function in fields.items():
            schema.type_map[type_].fields[name].resolve = _of_graphql_core(function)
    schema.type_map["_Entity"].resolve_type = lambda *_: "Product"

    async def execute(document: str, variables: dict[str, Any]) -> Any:
        result = await graphql.graphql(schema, document, variable_values=variables)
        assert not result.errors, result.errors
        return result.data

    return execute


async def by_ariadne() -> Execute:
    ariadne: Any = _imported("ariadne")
    bound: list[Any] = [ariadne.UnionType("_Entity", lambda *_: "Product")]
    for type_, fields in resolvers(workloads("plain")).items():
        bound.append(ariadne.ObjectType(type_))
        for name, function in fields.items():
            bound[-1].set_field(name, _of_graphql_core(function))
    schema = ariadne.make_executable_schema((HERE / "schema.graphql").read_text(), *bound)

    async def execute(document: str, variables: dict[str, Any]) -> Any:
        _, result = await ariadne.graphql(schema, {"query": document, "variables": variables})
        assert not result.get("errors"), result["errors"]
        return result["data"]

    return execute


async def by_graphene() -> Execute:
    api: Any = _imported("graphene", "graphene.types.generic")
    types: Any = workloads("plain")

    def object_type(name: str, bases: Any = (api.ObjectType,), /, **fields: Any) -> Any:
        return type(name, bases, fields)

    def required(kind: Any) -> Any:
        return api.Field(kind, required=True)

    def list_of(kind: Any) -> Any:
        return api.List(api.NonNull(kind), required=True)

    def resolve(type_: str) -> dict[str, Any]:
        found = resolvers(types)[type_]
        return {f"resolve_{name}": _of_graphql_core(each) for name, each in found.items()}

    id_, text = {"id": api.ID(required=True)}, api.String(required=True)
    user = object_type("User", **id_, name=text)
    tweet: Any = object_type(
        "Tweet", **id_, text=text, created=text, likes=api.Int(required=True),
        author=required(user), of=api.Field(lambda: tweet),
    )  # fmt: skip
    edge = object_type("Edge", cursor=text, node=required(tweet))
    page = object_type("PageInfo", more=api.Boolean(required=True), end=api.String())
    timeline = object_type("Timeline", edges=list_of(edge), page=required(page))
    number = {"number": api.Int(required=True)}
    seat = object_type(
        "Seat", **number, price=api.Float(required=True), free=api.Boolean(required=True)
    )
    row = object_type("Row", **number, seats=list_of(seat))
    sector = object_type("Sector", name=text, rows=list_of(row))
    item = object_type(
        "Item", **id_, text=text, mine=api.Boolean(required=True), author=required(user),
        **resolve("Item"),
    )  # fmt: skip
    level: Any = object_type(
        "Level", **number, name=text, user=required(user), next=api.Field(lambda: level)
    )
    product = object_type("Product", **id_, name=text, price=api.Float(required=True))
    any_ = type(
        "Any_", (api.types.generic.GenericScalar,), {"Meta": type("", (), {"name": "_Any"})}
    )
    meta = type("Meta", (), {"types": (product,), "name": "_Entity"})
    entity = object_type("Entity", (api.Union,), Meta=meta, resolve_type=lambda *_: product)
    new = object_type("NewTweet", (api.InputObjectType,), text=text, tags=list_of(api.String))
    query = object_type(
        "Query",
        timeline=required(timeline),
        stadium=list_of(sector),
        items=list_of(item),
        deep=required(level),
        _entities=api.List(entity, required=True, name="_entities", representations=list_of(any_)),
        **resolve("Query"),
    )
    mutation = object_type(
        "Mutation", post=api.Field(tweet, required=True, draft=new(required=True)),
        **resolve("Mutation"),
    )  # fmt: skip
    schema = api.Schema(query, mutation)

    async def execute(document: str, variables: dict[str, Any]) -> Any:
        result = await schema.execute_async(document, variables=variables)
        assert not result.errors, result.errors
        return result.data

    return execute


async def by_tartiflette() -> Execute:
    api: Any = _imported("tartiflette")

    class AnyScalar:
        def coerce_output(self, value: Any) -> Any:
            return value

        coerce_input = coerce_output

        def parse_literal(self, node: Any) -> Any:
            return node.value

    def of_tartiflette(function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def resolve(_: Any, arguments: dict[str, Any], *__: Any) -> Any:
            return await function(**arguments)

        return resolve

    api.Scalar("_Any")(AnyScalar)
    api.TypeResolver("_Entity")(lambda *_: "Product")
    for type_, fields in resolvers(workloads("plain")).items():
        for name, function in fields.items():
            api.Resolver(f"{type_}.{name}")(of_tartiflette(function))
    engine = await api.create_engine((HERE / "schema.graphql").read_text())

    async def execute(document: str, variables: dict[str, Any]) -> Any:
        result = await engine.execute(document, variables=variables)
        assert not result.get("errors"), result["errors"]
        return result["data"]

    return execute


async def by_bramble() -> Execute:
    bramble: Any = _imported("bramble", "bramble.federation")
    types = workloads("bramble")
    schema = bramble.federation.Schema(
        query=types.Query, mutation=types.Mutation, types=[types.Product]
    )

    async def execute(document: str, variables: dict[str, Any]) -> Any:
        result = await schema.execute_async(document, variable_values=variables)
        assert not result.get("errors"), result["errors"]
        return result["data"]

    return execute


_CORE = "graphql-core==3.3.2"
_STRAWBERRY = ("strawberry-graphql==0.341.2", _CORE)

EXECUTORS: Mapping[str, Executor] = {
    BASELINE: Executor(_STRAWBERRY, lambda: by_strawberry(compiled=False, caches=False)),
    "with caches": Executor(_STRAWBERRY, lambda: by_strawberry(compiled=False, caches=True)),
    "compiled": Executor(_STRAWBERRY, lambda: by_strawberry(compiled=True, caches=False)),
    OURS: Executor(_STRAWBERRY, lambda: by_strawberry(compiled=True, caches=True)),
    "graphql-core": Executor((_CORE,), by_graphql_core),
    "Ariadne": Executor(("ariadne==1.1.1", _CORE), by_ariadne),
    "Graphene": Executor(("graphene==3.4.3", "graphql-core==3.2.14"), by_graphene),
    "Tartiflette": Executor(("tartiflette==1.4.1",), by_tartiflette),
    "bramble": Executor(("bramble-graphql==0.3.1",), by_bramble),
}
