"""The types of security events."""

from datetime import datetime
from typing import Annotated

import strawberry

from chassis.graphql.paging import PageInfo, cursor
from chassis.paging import Page
from subgraphs.auth import security_events as domain
from subgraphs.auth.user_agents import browser, system

First = Annotated[int, strawberry.argument(description="The number of events to return, 1 to 100.")]

strawberry.enum(
    domain.SecurityEventKind,
    description="What happened to an account. Later releases add kinds: show one that you do not "
    "know by its `description`.",
)
for value in domain.SecurityEventKind.__strawberry_definition__.values:  # type: ignore[attr-defined]
    value.description = domain.SecurityEventKind[value.name].description


@strawberry.type(description="Something that happened to your account.")
class SecurityEvent:
    id: strawberry.ID = strawberry.field(description="The event's id.")
    kind: domain.SecurityEventKind = strawberry.field(description="What happened.")
    description: str = strawberry.field(description="What happened, in words for the user.")
    at: datetime = strawberry.field(description="When it happened.")
    session_id: strawberry.ID | None = strawberry.field(
        description="The session that was opened, ended or acted; null if there is none. It may "
        "have ended."
    )
    user_agent: str | None = strawberry.field(
        description="The `User-Agent` of the request; null if an operator acted."
    )
    address: str | None = strawberry.field(
        description="The network address of the request; null if an operator acted."
    )
    browser: str | None = strawberry.field(
        description="The browser by its name, such as `Firefox`; null if it is not known."
    )
    system: str | None = strawberry.field(
        description="The operating system by its name, such as `Android`; null if it is not known."
    )
    by_operator: bool = strawberry.field(
        description="Whether an operator of this system acted, not a request."
    )

    @classmethod
    def from_entity(cls, event: domain.SecurityEvent) -> "SecurityEvent":
        device, session_id = event.origin.device, event.origin.session_id
        return cls(
            id=strawberry.ID(str(event.id)),
            kind=event.kind,
            description=event.kind.description,
            at=event.at,
            session_id=strawberry.ID(str(session_id)) if session_id else None,
            user_agent=device.user_agent if device else None,
            address=device.address if device else None,
            browser=browser(device.user_agent) if device else None,
            system=system(device.user_agent) if device else None,
            by_operator=event.origin.operator is not None,
        )


@strawberry.type(description="A security event and its cursor.")
class SecurityEventEdge:
    node: SecurityEvent = strawberry.field(description="The event.")
    cursor: str = strawberry.field(
        description="The position of the event. As `after`, it requests the older ones."
    )


@strawberry.type(description="A page of security events, the newest first.")
class SecurityEventConnection:
    edges: list[SecurityEventEdge] = strawberry.field(
        description="The events, each with its cursor."
    )
    page_info: PageInfo = strawberry.field(
        description="Whether there are more events, and from which cursor."
    )

    @classmethod
    def from_page(cls, page: Page[domain.SecurityEvent]) -> "SecurityEventConnection":
        edges = [
            SecurityEventEdge(node=SecurityEvent.from_entity(event), cursor=cursor(event.id.bytes))
            for event in page.items
        ]
        return cls(edges=edges, page_info=PageInfo.of(page, edges))
