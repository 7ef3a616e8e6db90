"""gql for Python: httpx for queries and mutations, a WebSocket for subscriptions."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from typing import Any

import httpx
from gql import Client, gql
from gql.transport.exceptions import TransportConnectionFailed
from gql.transport.httpx import HTTPXAsyncTransport
from gql.transport.websockets import WebsocketsTransport
from websockets.exceptions import ConnectionClosed

REFRESH = """mutation ($token: String!) { refreshSession(refreshToken: $token) {
    ... on SignedIn { accessToken refreshToken } ... on Error { message } } }"""
FEED = gql("""subscription ($after: String) { tweetFeed(after: $after) {
    cursor kind actor { username } tweet { id text retweetCount } } }""")


class Session(httpx.Auth):
    """Sends the access token; when it has expired, refreshes it and asks once more."""

    requires_response_body = True

    def __init__(self, url: str, access_token: str, refresh_token: str) -> None:
        self._url = url
        self.access_token = access_token
        self._refresh_token = refresh_token

    @property
    def authorization(self) -> str:
        return f"Bearer {self.access_token}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        request.headers["authorization"] = self.authorization
        response = yield request
        if response.status_code == 401 and '"EXPIRED"' in response.text:
            yield from self.refresh()
            request.headers["authorization"] = self.authorization
            yield request

    def refresh(self) -> Generator[httpx.Request, httpx.Response]:
        body = {"query": REFRESH, "variables": {"token": self._refresh_token}}
        answer = (yield httpx.Request("POST", self._url, json=body)).json()
        signed_in = answer["data"]["refreshSession"]
        if "message" in signed_in:
            raise PermissionError(signed_in["message"])  # sign in again
        self.access_token = signed_in["accessToken"]
        self._refresh_token = signed_in["refreshToken"]


def client(url: str, session: Session) -> Client:
    return Client(transport=HTTPXAsyncTransport(url=url, auth=session))


async def follow(
    url: str, session: Session, after: str | None = None
) -> AsyncGenerator[dict[str, Any]]:
    """The events of the feed after a cursor, whatever ends a subscription in between."""
    while True:
        transport = WebsocketsTransport(
            url=url.replace("http", "ws", 1),
            init_payload={"authorization": session.authorization},
            subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
        )
        try:
            async with Client(transport=transport) as socket:
                async for data in socket.subscribe(FEED, variable_values={"after": after}):
                    after = data["tweetFeed"]["cursor"]
                    yield data["tweetFeed"]
        except TransportConnectionFailed as error:
            match close_code(error):
                case 4401:
                    raise  # the session has ended: sign in again
                case 4403:
                    async with client(url, session) as http:
                        await http.execute(gql("{ me { id } }"))  # refreshes
                case _:
                    await asyncio.sleep(1)


def close_code(error: BaseException | None) -> int | None:
    """The code with which the server closed the socket."""
    while error is not None:
        if isinstance(error, ConnectionClosed):
            return error.rcvd.code if error.rcvd else None
        error = error.__cause__
    return None
