"""Answers requests for exports, beside the other events that a service consumes."""

import structlog
from redis.asyncio import Redis

from chassis.dead_letters import EventHandler
from chassis.events import Event
from chassis.exports.exchange import Exchange, RequestClosedError
from chassis.exports.records import Export, gather
from chassis.exports.seal import SealBrokenError

USER_EXPORT_REQUESTED = "user-export-requested"

_log = structlog.get_logger("chassis.exports")


def answering(
    export: Export, handle: EventHandler, *, redis: Redis, service: str, secret: str
) -> EventHandler:
    """Return a handler that answers requests with `export`, and leaves other events to `handle`.

    `service` answers under its name. A request that has ended or was forged is left unanswered.
    """

    async def handle_any(event: Event) -> None:
        if event.type != USER_EXPORT_REQUESTED:
            await handle(event)
            return
        exchange = Exchange(redis, secret, event.fields.id("exportId"))
        try:
            answer = await gather(export, await exchange.user_id())
            await exchange.answer(service, answer)
        except RequestClosedError:
            _log.info("export request closed")
        except SealBrokenError:
            _log.warning("export request refused", reason="not made with our ROUTER_SECRET")
        else:
            _log.info("export answered", records=answer.records, truncated=answer.truncated)

    return handle_any
