"""The edge's reading of Accept headers, and its agreement with the streams behind it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphql_streams.accept import media_ranges
from graphql_streams.formats import negotiate
from router.accept import EVENT_STREAM, HTML, JSON, MULTIPART_SUBSCRIPTION

URQL = (
    "application/graphql-response+json, application/graphql+json, application/json, "
    "text/event-stream, multipart/mixed"
)
APOLLO = (
    "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,"
    "application/graphql-response+json,application/json;q=0.9"
)
JSON_TYPES = {
    *("application/json", "application/graphql-response+json", "application/graphql+json"),
    *("application/*", "*/*"),
}


def is_streamed(accept: str) -> bool:
    """Return whether the routes of edge.yaml send a POST with this header past the router."""

    def matches(pattern: str) -> bool:
        return re.fullmatch(pattern, accept) is not None

    return matches(MULTIPART_SUBSCRIPTION) or (matches(EVENT_STREAM) and not matches(JSON))


class TestAccept:
    @pytest.mark.parametrize(
        "accept",
        [
            "text/event-stream",
            "text/event-stream, multipart/mixed",
            "Text/Event-Stream ; Q=0.5",
            "image/png, text/event-stream;q=.1",
            'text/event-stream;x=",application/json,"',
            "text/event-stream, application/json;q=0",
            "text/event-stream, application/json;q=0.000, */*;q=0",
            APOLLO,
            "multipart/mixed;subscriptionSpec=1.0, application/json",
            'application/json, multipart/mixed; boundary="graphql"; subscriptionSpec="1.0"',
            "Multipart/Mixed ; SubscriptionSpec=1.0",
        ],
    )
    def test_header_leads_to_the_streams(self, accept: str) -> None:
        assert is_streamed(accept)

    @pytest.mark.parametrize(
        "accept",
        [
            *("", "*/*", "application/json", "text/*", "nonsense,,;"),
            URQL,
            "text/event-stream, */*;q=0.1",
            "text/event-stream, Application/*",
            "text/event-stream, application/json;charset=utf-8",
            "text/event-stream;q=0",
            "text/event-stream;q=0.000, image/png",
            "Text/Event-Stream;q=0, */*",
            'application/json;x="text/event-stream"',
            'image/png;x=", text/event-stream,"',
            "text/event-streams",
            "xtext/event-stream",
            "application/json;x=subscriptionSpec",
            'text/plain;x="multipart/mixed;subscriptionSpec=1.0"',
            "multipart/mixed;subscriptionSpec=1.0;q=0, application/json",
            "multipart/mixed;subscriptionSpec=2.0, application/json",
            "multipart/mixed;deferSpec=20220824, application/json",
        ],
    )
    def test_header_leads_to_the_router(self, accept: str) -> None:
        assert not is_streamed(accept)


TYPES = st.sampled_from(
    [
        *JSON_TYPES,
        "text/event-stream",
        "multipart/mixed",
        "text/*",
        "image/png",
        "Text/Event-Stream",
    ]
)
PARAMETERS = st.sampled_from(
    [
        *(
            "subscriptionSpec=1.0",
            'subscriptionspec="1.0"',
            "subscriptionSpec=2.0",
            "charset=utf-8",
        ),
        *("q=0", "q=0.0", "Q=1", "q=0.5", "q=1.000", "q=x", "qs=1", 'x="a\\",b"', 'x="q=0;,"', ""),
        'x=",text/event-stream"',
    ]
)
RANGES = st.builds(
    lambda name, parameters, space: ";".join([name, *(space + p for p in parameters)]),
    TYPES,
    st.lists(PARAMETERS, max_size=3, unique_by=lambda p: p.lower().partition("=")[0]),
    st.sampled_from(["", " ", "\t"]),
)


class TestStreamsBehindTheEdge:
    @given(st.lists(RANGES | st.sampled_from(["nonsense", "", ";"]), max_size=4), st.booleans())
    def test_edge_and_streams_read_the_header_alike(self, ranges: list[str], spaced: bool) -> None:
        accept = (", " if spaced else ",").join(ranges)
        protocol = negotiate([accept])
        if is_streamed(accept):
            assert protocol is not None
        elif protocol is not None:
            assert protocol.transport == "sse"
            assert any(each.name in JSON_TYPES for each in media_ranges([accept]))


class TestHtml:
    @pytest.mark.parametrize(
        ("accept", "is_a_browsers"),
        [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
            ("Text/HTML", True),
            ("application/json, text/html;q=0.1", True),
            ("text/html;q=0, application/json", False),
            ("*/*", False),
            ("application/json", False),
            ("", False),
        ],
    )
    def test_header_of_a_link_names_html(self, accept: str, is_a_browsers: bool) -> None:
        assert (re.fullmatch(HTML, accept) is not None) is is_a_browsers
