"""Completes one event of a subscription: asks the router for the fields that the client selects."""

import asyncio
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson
import structlog
from graphql import GraphQLError
from strawberry.types import ExecutionResult

from chassis.graphql.completion_metrics import CompletionMetrics, CompletionResult
from chassis.graphql.router import Answer, Router, RouterFailedError
from chassis.graphql.splitting import Split
from chassis.principal import Principal
from chassis.tracing import is_on, span
from graphql_streams import Operation, Result

_WAITS = (0.2, 0.8)
"""Seconds before each further attempt at an event of which nothing would be left."""

_OUTAGE = "SUBREQUEST_HTTP_ERROR"
"""The router's code for a subgraph that does not answer."""

_SHOWN = ("code", "reason")
"""The extensions of an error that the client sees."""

_log = structlog.get_logger("chassis.federation")


@dataclass(frozen=True, slots=True)
class Completion:
    """Completes the events of one operation.

    What it returns for an event depends on `split`, `operation_name`, `variables` and `caller`, and
    on the data of the moment. `headers` are for logs and traces.
    """

    split: Split
    operation_name: str | None
    variables: Mapping[str, Any]
    """The client's variables that the query uses."""
    caller: Principal
    router: Router
    metrics: CompletionMetrics
    headers: list[tuple[bytes, bytes]]

    @classmethod
    def of(
        cls, split: Split, operation: Operation, router: Router, metrics: CompletionMetrics
    ) -> "Completion":
        given = operation.request.variables or {}
        return cls(
            split,
            operation.request.operation_name,
            {name: value for name, value in given.items() if name in split.query_variables},
            operation.caller.value,
            router,
            metrics,
            operation.handshake.scope["headers"],
        )

    @property
    def key(self) -> Hashable:
        """What the completions of several operations must have in common, beside the caller."""
        variables = orjson.dumps(self.variables, option=orjson.OPT_SORT_KEYS)
        return self.split.query, self.operation_name, variables

    def by(self, caller: Principal) -> "Completion":
        """Return the completion for an execution, which records what is read of this caller."""
        return replace(self, caller=caller)

    async def complete(self, event: Result) -> Result | None:
        """Return the result of an event of the source; None if its object exists no more.

        Waits while the router is away. Errors of subgraphs are in the result. A result without data
        and without paths ends the operation: the router refuses its query.
        """
        if event.errors or event.data is None:
            return event
        arguments: Mapping[str, Any] = event.data[self.split.response_name]
        parent = self._traceparent() if is_on() else None
        with (
            span(f"complete {self.split.field}", "client", parent=parent) as work,
            self.metrics.measured() as completion,
        ):
            answer = await self._last_answer(arguments)
            completion.result, result = self._outcome(answer, arguments)
            work.set("graphql.result", completion.result)
            if completion.is_failure:
                work.fail(completion.result)
        return result

    def _traceparent(self) -> str | None:
        """Return the trace of the subscription's connection."""
        found = dict(self.headers).get(b"traceparent")
        return found.decode("latin-1") if found else None

    async def _last_answer(self, arguments: Mapping[str, Any]) -> Answer | None:
        """Return the router's answer, after further attempts if nothing would be left."""
        for wait in _WAITS:
            answer = await self._answer(arguments)
            if answer is not None and not self._is_outage(answer):
                return answer
            await asyncio.sleep(wait)
        return await self._answer(arguments)

    async def _answer(self, arguments: Mapping[str, Any]) -> Answer | None:
        """Return the router's answer; None if it failed, which is logged."""
        own = {variable: arguments[name] for variable, name in self.split.arguments.items()}
        try:
            return await self.router.query(
                self.split.query,
                self.operation_name,
                {**self.variables, **own},
                self.caller,
                self.headers,
            )
        except RouterFailedError as error:
            _log.warning("completion failed", reason=str(error))
            return None

    def _is_outage(self, answer: Answer) -> bool:
        """Return whether the whole event is missing because a subgraph does not answer."""
        return self._is_lost(answer) and any(
            (error.get("extensions") or {}).get("code") == _OUTAGE for error in answer.errors
        )

    def _is_lost(self, answer: Answer) -> bool:
        return answer.data is None or answer.data.get(self.split.response_name) is None

    def _outcome(
        self, answer: Answer | None, arguments: Mapping[str, Any]
    ) -> tuple[CompletionResult, Result | None]:
        """Return how the completion ended, and the result of the event."""
        if answer is None:
            return CompletionResult.FAILED, self._failed(arguments)
        if not answer.is_executed:
            _log.error(
                "completion refused", codes=[_extensions(e).get("code") for e in answer.errors]
            )
            refusal = ExecutionResult(None, [_error(error, None) for error in answer.errors])
            return CompletionResult.REFUSED, refusal
        if not self._is_lost(answer):
            errors = [_error(error, self.split.response_name) for error in answer.errors]
            kind = CompletionResult.PARTIAL if errors else CompletionResult.OK
            return kind, ExecutionResult(dict(answer.data or {}), errors or None)
        if not answer.errors:
            return CompletionResult.OK, None
        errors = [
            _error(error, self.split.response_name, {"event": arguments}) for error in answer.errors
        ]
        return CompletionResult.LOST, ExecutionResult(self._nothing(), errors)

    def _failed(self, arguments: Mapping[str, Any]) -> Result:
        error = GraphQLError(
            "A service did not answer in time.",
            path=[self.split.response_name],
            # Not SERVICE_UNAVAILABLE, after which clients open the stream again.
            extensions={"code": "GATEWAY_TIMEOUT", "event": arguments},
        )
        return ExecutionResult(self._nothing(), [error])

    def _nothing(self) -> dict[str, Any] | None:
        """Return the data of an event that is missing as a whole."""
        return {self.split.response_name: None} if self.split.is_nullable else None


def _error(
    error: dict[str, Any], response_name: str | None, added: Mapping[str, Any] | None = None
) -> GraphQLError:
    """Return an error of the router. One without a path gets `response_name` as its path.

    It has no locations, because those are in another document.
    """
    path = error.get("path") or ([response_name] if response_name else None)
    return GraphQLError(
        str(error.get("message")), path=path, extensions={**_extensions(error), **(added or {})}
    )


def _extensions(error: dict[str, Any]) -> dict[str, Any]:
    extensions = error.get("extensions") or {}
    return {name: extensions[name] for name in _SHOWN if name in extensions}
