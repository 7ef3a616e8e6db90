"""The explorer's files, their headers and their caching."""

import gzip
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from chassis.settings import SettingsError
from chassis.shutdown import Shutdown
from chassis.topology import declared
from explorer.app import create_app
from explorer.files import NotBuiltError
from explorer.settings import Settings

SCRIPT = "/assets/index-Ab3_-xYz.js"
CODE = b"console.log('hello');" * 20


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """A folder as the build writes it; its brotli files are never decoded here."""
    files = {
        "index.html": b"<!doctype html>",
        "favicon.svg": b"<svg/>",
        SCRIPT[1:]: CODE,
        f"{SCRIPT[1:]}.br": b"brotli",
        f"{SCRIPT[1:]}.gz": gzip.compress(CODE),
        "assets/inter-Dx4kXJAl.woff2": b"font",
        ".sources": b"digest",
        ".vite/manifest.json": b"{}",
    }
    for name, content in files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return tmp_path


@pytest.fixture
async def client(dist: Path) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(Shutdown(), dist))
    headers = {"accept-encoding": "identity"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://test", headers=headers
    ) as client:
        yield client


class TestSchema:
    @pytest.mark.parametrize(("introspection", "status"), [(True, 200), (False, 404)])
    async def test_schema_is_served_where_introspection_is_allowed(
        self, dist: Path, introspection: bool, status: int
    ) -> None:
        app = create_app(Shutdown(), dist, introspection=introspection)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            answer = await client.get("/schema.graphql")
        assert answer.status_code == status
        assert ("type Query {" in answer.text) is introspection


class TestFiles:
    async def test_page_is_revalidated_for_each_request(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["cache-control"] == "no-cache"

    @pytest.mark.parametrize(
        ("path", "kind"),
        [
            (SCRIPT, "text/javascript; charset=utf-8"),
            ("/assets/inter-Dx4kXJAl.woff2", "font/woff2"),
        ],
    )
    async def test_hashed_name_is_cached_forever(
        self, client: httpx.AsyncClient, path: str, kind: str
    ) -> None:
        answer = await client.get(path)
        assert answer.headers["content-type"] == kind
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"

    async def test_other_names_are_revalidated(self, client: httpx.AsyncClient) -> None:
        assert (await client.get("/favicon.svg")).headers["cache-control"] == "no-cache"

    @pytest.mark.parametrize(
        ("accepted", "encoding"),
        [
            ("gzip, deflate, br, zstd", "br"),
            ("gzip", "gzip"),
            ("br;q=0, gzip;q=0.5", "gzip"),
            ("br;q=0.0", None),
            ("", None),
            ("*", None),
        ],
    )
    async def test_smallest_accepted_encoding_is_sent(
        self, client: httpx.AsyncClient, accepted: str, encoding: str | None
    ) -> None:
        answer = await client.head(SCRIPT, headers={"accept-encoding": accepted})
        assert answer.headers.get("content-encoding") == encoding
        assert answer.headers["vary"] == "accept-encoding"

    async def test_gzip_response_has_the_same_content(self, client: httpx.AsyncClient) -> None:
        answer = await client.get(SCRIPT, headers={"accept-encoding": "gzip"})
        assert answer.content == CODE
        assert int(answer.headers["content-length"]) < len(CODE)

    async def test_matching_etag_is_not_modified(self, client: httpx.AsyncClient) -> None:
        first = await client.get("/")
        for tag in (first.headers["etag"], f'"other", W/{first.headers["etag"]}'):
            again = await client.get("/", headers={"if-none-match": tag})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["cache-control"] == "no-cache"
        assert (await client.get("/", headers={"if-none-match": '"other"'})).status_code == 200

    async def test_each_encoding_has_its_own_etag(self, client: httpx.AsyncClient) -> None:
        tags = {
            (await client.head(SCRIPT, headers={"accept-encoding": name})).headers["etag"]
            for name in ("br", "gzip", "identity")
        }
        assert len(tags) == 3

    @pytest.mark.parametrize(
        "path",
        [
            *("/nothing", "/assets", "/assets/", "/assets/gone-12345678.js", "/index.html"),
            *("/.sources", "/.vite/manifest.json", f"{SCRIPT}.br", f"{SCRIPT}.gz"),
            *("/%2e%2e/pyproject.toml", "/assets/%2e%2e/%2e%2e/settings.py"),
        ],
    )
    async def test_other_paths_are_not_found(self, client: httpx.AsyncClient, path: str) -> None:
        answer = await client.get(path)
        assert answer.status_code == 404
        assert answer.json()["errors"][0]["extensions"]["code"] == "NOT_FOUND"

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    async def test_page_of_a_tweet_is_the_explorer(
        self, client: httpx.AsyncClient, method: str
    ) -> None:
        path = "/tweets/01a203fc-0000-7000-8000-00000000abcd"
        answer = await client.request(method, path)
        page = await client.request(method, "/")
        assert (answer.status_code, answer.content) == (200, page.content)
        assert answer.headers["content-security-policy"] == page.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-cache"
        assert (await client.post(path)).status_code == 405

    @pytest.mark.parametrize(
        "path",
        ["/tweets", "/tweets/", "/tweets/x", "/tweets/01a203fc-0000-7000-8000-00000000abcd/x"],
    )
    async def test_path_without_a_tweet_id_is_not_found(
        self, client: httpx.AsyncClient, path: str
    ) -> None:
        assert (await client.get(path)).status_code == 404

    async def test_other_methods_are_not_allowed(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/", content=b"{}")
        assert answer.status_code == 405
        assert answer.headers["allow"] == "GET, HEAD"
        assert (await client.post("/nothing")).status_code == 404


class TestPolicy:
    async def test_only_scripts_of_the_same_origin_are_allowed(
        self, client: httpx.AsyncClient
    ) -> None:
        policy = dict(
            part.strip().split(" ", 1)
            for part in (await client.get("/")).headers["content-security-policy"].split(";")
        )
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["connect-src"] == policy["worker-src"] == "'self'"
        assert policy["frame-ancestors"] == "'none'"

    async def test_every_file_has_the_policy(self, client: httpx.AsyncClient) -> None:
        for path in ("/", SCRIPT):
            headers = (await client.get(path)).headers
            assert re.search("script-src 'self';", headers["content-security-policy"])
            assert headers["x-content-type-options"] == "nosniff"


class TestProbes:
    async def test_probes_succeed(self, client: httpx.AsyncClient) -> None:
        assert (
            (await client.get("/livez")).status_code
            == (await client.get("/readyz")).status_code
            == 200
        )

    def test_missing_build_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(NotBuiltError):
            create_app(Shutdown(), tmp_path)


class TestServices:
    async def test_services_script_lists_the_declared_services(
        self, client: httpx.AsyncClient
    ) -> None:
        answer = await client.get("/services.js")
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
        assert answer.headers["cache-control"] == "no-cache"
        assert values(answer.text)["SERVICES"] == list(declared().services)

    @pytest.mark.parametrize("url", [None, 'https://traces.example/{trace_id}?"</script>'])
    async def test_services_script_has_the_address_of_traces(
        self, dist: Path, url: str | None
    ) -> None:
        app = create_app(Shutdown(), dist, trace_url=url)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            answer = await client.get("/services.js")
        assert values(answer.text)["TRACE_URL"] == url


def values(script: str) -> dict[str, object]:
    """Return the global values that a script sets."""
    lines = re.findall(r"^globalThis\.(\w+) = (.*);$", script, re.MULTILINE)
    return {name: json.loads(value) for name, value in lines}


class TestSettings:
    def test_trace_address_is_optional(self) -> None:
        assert Settings.from_env(SETTINGS).trace_url is None

    def test_trace_address_is_read(self) -> None:
        url = "http://localhost:16686/trace/{trace_id}"
        assert Settings.from_env({**SETTINGS, "EXPLORER_TRACE_URL": url}).trace_url == url

    @pytest.mark.parametrize("url", ["http://localhost:16686/", "javascript:alert('{trace_id}')"])
    def test_trace_address_must_be_a_web_address_with_the_id(self, url: str) -> None:
        with pytest.raises(SettingsError, match="EXPLORER_TRACE_URL"):
            Settings.from_env({**SETTINGS, "EXPLORER_TRACE_URL": url})


SETTINGS = {"EXPLORER_HOST": "127.0.0.1", "EXPLORER_PORT": "4104"}
