"""Applications of plugins: pages and files of their own, at `/` and below a path."""

from __future__ import annotations

import json

import pytest

from faiss_memory import Answer, Mount, PluginError, Route, hookimpl

TOKEN = "tok-3f9a1c"
LED_HERE = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


class Hello(Answer):
    """An answer."""

    hello: str


class Web:
    """A plugin with a page at `/`, files below `/page`, and a call that lies there too."""

    @hookimpl
    def register_routes(self):
        return [
            Route(
                method="GET", path="/page/hello", summary="Say hello", answer=Hello, handler=lambda: Hello(hello="x")
            )
        ]  # fmt: skip

    @hookimpl
    def register_mounts(self):
        def files(environ, start_response):
            said = [environ["SCRIPT_NAME"], environ["PATH_INFO"]]
            if environ.get("HTTP_IF_NONE_MATCH") == '"1"':
                start_response("304 Not Modified", [("ETag", '"1"')])
                return []
            headers = [("Content-Type", "text/x-file"), ("ETag", '"1"'), ("Cache-Control", "max-age=60")]
            start_response("200 OK", headers)
            return [json.dumps(said).encode()]

        shown = {"app": files, "methods": ("GET",), "static": True}
        return [Mount(path="/", **shown), Mount(path="/page", below=True, **shown)]


@pytest.fixture
def client(make_service, client_of):
    return client_of(
        make_service(
            Web(),
            token=TOKEN,
            public_url="https://memory.example.com",
            public_token="p",
            **{"plugins.disabled": ["web"]},
        )
    )


def test_a_plugin_serves_its_page_and_its_files_to_whoever_asks_here(client):
    places = {
        "/": ["", "/"],
        "/page": ["/page", ""],
        "/page/": ["/page", "/"],
        "/page/a.js": ["/page", "/a.js"],
        "/page/a/b%20c.js": ["/page", "/a/b c.js"],
    }
    for path, said in places.items():
        answer = client.get(path)
        assert (answer.status_code, answer.json) == (200, said), path
        assert answer.headers["cache-control"] == "max-age=60"
        assert answer.headers["etag"] == '"1"'
        assert answer.headers["x-frame-options"] == "DENY"
        assert client.get(path, headers=LED_HERE).status_code == 200
        assert client.get(path, headers={"Host": "evil.com"}).status_code == 421
        assert client.get(path, headers={"Origin": "https://evil.com"}).status_code == 403
        assert client.get(path, headers={"Host": "memory.example.com"}).status_code == 404
        assert client.get(path, headers={"If-None-Match": '"1"'}).status_code == 304
        assert client.post(path).status_code in (401, 405)
    for path in ("/pages", "/pag", "/elsewhere"):
        assert client.get(path).status_code == 401, path


def test_a_call_below_a_mount_stays_what_it_is(client):
    assert client.get("/page/hello").status_code == 401
    assert client.get("/page/hello", headers={"Authorization": f"Bearer {TOKEN}"}).json == {"hello": "x"}


def test_where_no_plugin_has_one_there_is_a_plain_page_that_states_its_address(make_service, client_of):
    client = client_of(make_service(**{"plugins.disabled": ["web"]}))
    for path in ("/", "/docs"):
        for host in ("localhost:1234", "127.0.0.1:8900"):
            text = client.get(path, headers={"Host": host}).text
            assert f"http://{host}" in text
            assert "localhost:8900" not in text.replace(f"http://{host}", "")


def _bringing(*mounts):
    class Plugin:
        @hookimpl
        def register_mounts(self):
            return list(mounts)

    return Plugin()


def _nothing(environ, start_response):
    start_response("204 No Content", [])
    return []


@pytest.mark.parametrize(
    "mounts",
    [
        [Mount(path="/search", app=_nothing)],
        [Mount(path="/docs", app=_nothing, methods=("GET",))],
        [Mount(path="/x", app=_nothing), Mount(path="/x", app=_nothing)],
        [Mount(path="/", app=_nothing, below=True)],
    ],
)
def test_a_mount_that_would_hide_something_stops_the_start(make_service, client_of, mounts):
    service = make_service(_bringing(*mounts))
    with pytest.raises(PluginError):
        client_of(service)
