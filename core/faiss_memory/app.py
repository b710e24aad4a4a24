"""Building things: settings become a store, an embedder, a service and a WSGI application. The only file that does."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from importlib import import_module
from itertools import chain
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import falcon
import msgspec

from faiss_memory import errors, openapi, schema
from faiss_memory.background import Problems
from faiss_memory.contracts.backups import Companion
from faiss_memory.contracts.comparing import metric_in
from faiss_memory.contracts.embedder import Embedder
from faiss_memory.contracts.http import Mount, Page, Route
from faiss_memory.contracts.store import KnownModel, Store
from faiss_memory.contracts.team import KeepsTeam
from faiss_memory.embedder import open_embedder, reopen_embedder
from faiss_memory.engine.engine import MemoryEngine
from faiss_memory.engine.models import ModelOpening
from faiss_memory.http import docs_page, pages
from faiss_memory.http.access import AccessControl, Proofs, address_of
from faiss_memory.http.metrics import Requests, metrics_route
from faiss_memory.http.responders import mounted, responder
from faiss_memory.http.routes import core_routes
from faiss_memory.http.sessions import Sessions, session_routes
from faiss_memory.http.uploads import Uploads
from faiss_memory.memory import Query, Ranking, SearchResult
from faiss_memory.plugin_host import PluginHost, our_packages
from faiss_memory.project_name.owners import OwnersFile
from faiss_memory.proving import PATH
from faiss_memory.rights import STRANGER
from faiss_memory.secrets.masking import masked
from faiss_memory.service.assistant_files import AssistantFiles
from faiss_memory.service.backups import Backups
from faiss_memory.service.memories import MemoryService
from faiss_memory.settings import Settings
from faiss_memory.store import EmbeddedStore
from faiss_memory.team.folder import FolderTables
from faiss_memory.team.revoked import RevokedTokens
from faiss_memory.team.team import Team

log = logging.getLogger("faiss_memory.http")

STATUS = {
    errors.InvalidRequest: falcon.HTTP_400,
    errors.NotAllowed: falcon.HTTP_403,
    errors.MemoryNotFound: falcon.HTTP_404,
    errors.Conflict: falcon.HTTP_409,
    errors.BackupCorrupt: falcon.HTTP_409,
    errors.DiskFull: falcon.HTTP_507,
    errors.NotSupported: falcon.HTTP_501,
    errors.MemoryServiceError: falcon.HTTP_503,
}
"""The nearest class counts: what is not the caller's fault passes with time or a restart."""


def build_service(
    settings: Settings,
    on_failure: Callable[[errors.StoreError], None],
    extra_plugins: Iterable[tuple[str, object]] = (),
) -> MemoryService:
    """Load the plugins and choose store and embedder; nothing is opened before `MemoryService.start`.

    Raises StoreLocked when another process owns the data folder, PluginError and ConfigError.
    """
    plugins, problems = PluginHost(settings.plugins.disabled, extra_plugins), Problems()

    def stop_writing(error: errors.StoreError) -> None:
        engine.stop_writing(error)
        on_failure(error)

    owners = OwnersFile(settings.data_folder)
    brought = chain.from_iterable(plugins.ask("register_companions", settings=settings))
    store = choose_store(settings, plugins, stop_writing, problems, [owners, *brought])

    def rank_memories(query: Query, k: int) -> Mapping[str, Ranking]:
        return dict(plugins.ask_each("rank_memories", query=query, k=k))

    def rerank_results(query: Query, results: list[SearchResult]) -> list[SearchResult]:
        reranked: list[list[SearchResult]] = plugins.ask("rerank_results", query=query, results=results)
        return reranked[0] if reranked else results

    engine = MemoryEngine(
        store,
        _model_opening(settings, plugins),
        settings.startup_wait,
        settings.cache_folder,
        rank_memories,
        rerank_results,
        problems,
        lambda: plugins.wants("rank_memories") or plugins.wants("rerank_results"),
    )
    tables = store.team if isinstance(store, KeepsTeam) else FolderTables(settings.data_folder)
    team = Team(tables, RevokedTokens(settings.data_folder))
    return MemoryService(settings, engine, plugins, team, owners)


def choose_store(
    settings: Settings,
    plugins: PluginHost,
    stop_writing: Callable[[errors.StoreError], None],
    problems: Problems,
    companions: Sequence[Companion] = (),
) -> Store:
    """Return the store that a plugin brings, or else the embedded one, with files that go along with its backups.

    It is not open yet.
    Raises StoreLocked when another process owns the data folder, PluginError and ConfigError.
    """
    store: Store | None = plugins.open_part(
        "open_store",
        Store,  # type: ignore[type-abstract]
        settings=settings,
        on_failure=stop_writing,
        problems=problems,
    )
    if store is not None:
        return store
    if settings.store:
        # (It is not quoted whole: it may hold a password.)
        scheme = settings.store.partition("://")[0] if "://" in settings.store else "?"
        raise errors.ConfigError(
            f"`store`: no plugin opens a store at `{scheme}://…`; there is `postgresql://…` (pip install "
            "'faiss-memory[postgres]'), and what other plugins bring. Leave it empty for the store in `data_dir`"
        )
    return embedded_store(settings, stop_writing, problems, companions)


def embedded_store(
    settings: Settings,
    stop_writing: Callable[[errors.StoreError], None],
    problems: Problems,
    companions: Sequence[Companion] = (),
) -> EmbeddedStore:
    """Return the store in the data folder, whatever plugins bring; it is not open yet. Raises StoreLocked."""
    return EmbeddedStore(
        settings.data_folder,
        stop_writing,
        settings.max_backups,
        problems,
        limits=settings.limits,
        companions=companions,
    )


def _model_opening(settings: Settings, plugins: PluginHost) -> ModelOpening:
    def brought_for(some: Settings) -> Embedder | None:
        try:
            return plugins.open_part("open_embedder", Embedder, settings=some)  # type: ignore[type-abstract]
        except errors.PluginError as error:
            raise errors.EmbedderError(str(error)) from error

    def wanted() -> Embedder:
        return brought_for(settings) or open_embedder(
            settings.model_name, settings.cache_folder, metric=settings.metric or None
        )

    def again(known: KnownModel) -> Embedder:
        identity, metric = metric_in(known.identity)
        as_it_was = msgspec.structs.replace(settings, model_name=known.name, metric=metric)
        brought = brought_for(as_it_was)
        if brought is not None and brought.identity != identity:
            brought.close()
            brought = None
        return brought or reopen_embedder(known.identity, known.name, settings.cache_folder)

    return ModelOpening(settings.model_name, wanted, again, settings.metric or None)


class Application(falcon.App[falcon.Request, falcon.Response]):
    """The WSGI application; the server asks `uploads` about a body before it reads it."""

    uploads: Uploads


def create_app(service: MemoryService, secret: str = "") -> Application:
    """Wire routes, access and errors into one WSGI application.

    `secret` is that of this run: who knows it is this user, and needs no token; empty means that there is none.
    """
    brought = [route for more in service.plugins.hook.register_routes(service=service) for route in more]
    routes = [*core_routes(service, Backups(service), AssistantFiles(service, brought)), *brought]
    mounts = [mount for more in service.plugins.hook.register_mounts(service=service) for mount in more]
    requests = Requests()
    routes.append(metrics_route(service, requests))
    sign_in = _sign_in(service.settings)
    routes += sign_in.routes() if sign_in else []
    sessions = Sessions([secret, service.settings.token], service.team)
    routes += session_routes(sessions)
    routes += _described(service, routes, has_home=any(part.path == "/" for part in (*brought, *mounts)))
    for route in routes:
        _check_rights(route)
    _check_mounts(mounts, {route.path for route in routes})
    app = Application()
    access = AccessControl(service.settings, [*routes, *mounts], secret, sessions, service.team, sign_in)
    app.uploads = Uploads(service.settings, {route.path for route in routes if route.upload}, access)
    app.add_middleware(requests)
    app.add_middleware(access)
    app.add_middleware(_RequestLog())
    app.set_error_serializer(_serialize_error)
    app.add_error_handler(errors.MemoryServiceError, _answer_error)
    app.add_error_handler(Exception, _answer_surprise)
    app.add_route(PATH, Proofs(service.settings, secret))
    for path in dict.fromkeys(route.path for route in routes):
        here = [route for route in routes if route.path == path]
        responders = {f"on_{route.method.lower()}": responder(route, service) for route in here}
        app.add_route(path, SimpleNamespace(**responders))
    for mount in mounts:
        respond = mounted(mount, service.settings.limits.body_bytes)
        responders = {f"on_{name.lower()}": respond for name in mount.methods}
        app.add_route(mount.path, SimpleNamespace(**responders))
        if mount.below:
            app.add_route(f"{mount.path}/{{_below:path}}", SimpleNamespace(**responders))
    return app


def _sign_in(settings: Settings) -> Any:
    """Return what checks the tokens of the OAuth issuer; its libraries are loaded only where one is set."""
    return import_module("faiss_memory.http.oauth").SignIn(settings) if settings.oauth_issuer else None


def _described(service: MemoryService, routes: Sequence[Route], *, has_home: bool) -> Sequence[Route]:
    """Return the pages that describe the calls, and the one at `/` unless a plugin has one."""
    openapi.check(routes, our_packages())  # a guest's message that cannot be described is found at the start
    described = tuple(routes)
    home = Route(
        method="GET", path="/", summary="A page that says what runs", static=True, group="Pages",
        handler=lambda http_request: pages.home(address_of(http_request)),
    )  # fmt: skip

    @cache
    def document() -> dict[str, Any]:
        return openapi.document(described, service.settings, service.overview.version)

    @cache
    def written() -> bytes:
        return msgspec.json.encode(document())

    @lru_cache(maxsize=8)
    def described_page(address: str) -> Page:
        return docs_page.docs(document(), described, address)

    return (
        *(() if has_home else (home,)),
        Route(
            method="GET", path="/openapi.json", summary="The API as OpenAPI 3.1", group="Pages",
            handler=lambda rights: Page(written(), falcon.MEDIA_JSON),
        ),
        Route(
            method="GET", path="/docs", summary="The API as a readable page",
            handler=lambda http_request: described_page(address_of(http_request)),
            static=True, group="Pages",
        ),
    )  # fmt: skip


def _check_rights(route: Route) -> None:
    """Refuse a call for others than the person that does not ask for their rights. Raises PluginError."""
    if not (route.public or route.open):
        return
    if "{" in route.path:
        raise errors.PluginError(
            f"{route.method} {route.path} is public or open, so its path must be without variables"
        )
    given = [message for message in (route.params, route.body, route.upload) if message]
    try:
        inspect.signature(route.handler).bind(*given, **dict.fromkeys(route.wanted))
    except TypeError:
        raise errors.PluginError(
            f"{route.method} {route.path} is public or open, so its handler must take `rights` and hand it on"
        ) from None


def _check_mounts(mounts: Sequence[Mount], paths: set[str]) -> None:
    """Refuse what would hide something else. Raises PluginError."""
    for mount in mounts:
        if mount.path in paths:
            raise errors.PluginError(
                f"there are two at {mount.path}: disable one of the plugins that bring them"
            )
        if mount.below and mount.path == "/":
            raise errors.PluginError(
                "a mount at / cannot be everything below it: put its files below another path"
            )
        paths.add(mount.path)


def _answer_error(
    request: falcon.Request,
    response: falcon.Response,
    error: errors.MemoryServiceError,
    params: dict[str, Any],
) -> None:
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    if status == falcon.HTTP_503:
        response.set_header(
            "Retry-After", str(error.retry_after if isinstance(error, errors.NotReady) else 10)
        )
    _write_error(
        response,
        status,
        schema.ErrorAnswer(
            title=status.partition(" ")[2],
            description=getattr(request.context, "rights", STRANGER).told(error),
            field=getattr(error, "field", None) or msgspec.UNSET,
            details=getattr(error, "details", None) or msgspec.UNSET,
        ),
    )


def _answer_surprise(
    request: falcon.Request, response: falcon.Response, error: Exception, params: dict[str, Any]
) -> None:
    if isinstance(error, falcon.HTTPError):
        raise error
    log.exception("an error nobody foresaw, in %s %s", request.method, quote(request.path), exc_info=error)
    _write_error(
        response,
        falcon.HTTP_500,
        schema.ErrorAnswer(
            title="Internal Server Error",
            description="the service met an error nobody foresaw; its log says more",
        ),
    )


def _serialize_error(request: falcon.Request, response: falcon.Response, error: falcon.HTTPError) -> None:
    status = falcon.code_to_http_status(error.status)
    description = error.description or "there is nothing at this address; /docs lists what there is"
    if status == falcon.HTTP_405:
        description = (
            f"{request.method} is not possible here; {request.path} takes {response.get_header('Allow')}"
        )
    title = (error.title or status).removeprefix(f"{error.status_code} ")
    _write_error(response, status, schema.ErrorAnswer(title=title, description=description))


def _write_error(response: falcon.Response, status: str, answer: schema.ErrorAnswer) -> None:
    response.status = status
    response.content_type = falcon.MEDIA_JSON
    response.data = msgspec.json.encode(answer)


class _RequestLog:
    """One line a request, but for a healthy /health; never a memory's text."""

    def process_request(self, request: falcon.Request, response: falcon.Response) -> None:
        """Note when it began."""
        request.context.began = time.perf_counter()

    def process_response(
        self, request: falcon.Request, response: falcon.Response, resource: object, succeeded: bool
    ) -> None:
        """Write the line."""
        began = getattr(request.context, "began", None)
        took = 0.0 if began is None else (time.perf_counter() - began) * 1000
        # Whatever watches over the service asks every few seconds: only an answer that is not "ok" is news.
        level = logging.DEBUG if (request.path, response.status_code) == ("/health", 200) else logging.INFO
        path = request.path
        if path != request.uri_template:
            path = quote(masked(path))  # quoted again: a decoded path may hold line breaks, and forge lines
        log.log(level, "%s %s %s %.1f ms", request.method, path, response.status_code, took)
