"""What can be set: every setting with its type and default. `config/faiss-memory.yaml` says what each is for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit

import platformdirs
from msgspec import Meta, Struct

from faiss_memory.memory import PROJECT_NAME

LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")
Secret = Annotated[str, Meta(extra={"secret": True})]
"""A setting whose value is shown to nobody, and written into no file of ours."""
Section = TypeVar("Section", bound=Struct)

Positive = Annotated[int, Meta(ge=1)]
Project = Annotated[str, Meta(pattern=rf"^{PROJECT_NAME}(?!\n)$")]
Scope = Annotated[str, Meta(pattern=rf"^(\*|{PROJECT_NAME})(?!\n)$")]


class Limits(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The largest request that is accepted."""

    body_bytes: Positive = 8 * 1024 * 1024
    text_bytes: Positive = 64 * 1024
    batch: Positive = 1000
    k: Positive = 100
    tags: Positive = 32
    cues: Positive = 8
    metadata_bytes: Positive = 16 * 1024
    archive_bytes: Positive = 32 * 1024**3


class Plugins(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which plugins and adapters take part, and what those that do have set for themselves."""

    disabled: tuple[str, ...] = ()
    sections: tuple[Struct, ...] = ()
    """The settings under `plugins.NAME`, one struct for each plugin that has some; see `Settings.of`."""


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that can be set. `config/faiss-memory.yaml` says what each is for."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8900
    threads: Positive = 16
    data_dir: str = ""
    store: Secret = ""
    cache_dir: str = ""
    log_file: str = ""
    model_name: Annotated[str, Meta(min_length=1)] = "all-MiniLM-L6-v2"
    metric: Literal["", "cosine", "dot", "euclidean"] = ""
    startup_wait: Annotated[float, Meta(ge=0, le=600)] = 10.0
    max_backups: Positive = 10
    token: Secret = ""
    others_need_token: bool = False
    allowed_hosts: tuple[str, ...] = ()
    published_on: str = ""
    published_port: Annotated[int, Meta(ge=0, le=65535)] = 0
    public_url: str = ""
    public_token: Secret = ""
    oauth_issuer: str = ""
    oauth_jwks: str = ""
    oauth_audience: str = ""
    read_projects: tuple[Scope, ...] = ("*",)
    write_project: Project = "default"
    min_relevance: Annotated[float, Meta(ge=0, le=1)] = 0.2
    secrets: Literal["mask", "reject", "off"] = "mask"
    limits: Limits = Limits()
    plugins: Plugins = Plugins()

    def __post_init__(self) -> None:
        """Refuse what the types cannot: an address that leaves the machine without a token, and the like."""
        if self.public_url:
            _check_public(self)
        if self.oauth_issuer or self.oauth_jwks or self.oauth_audience:
            _check_oauth(self)
        if not self.read_projects:
            raise ValueError("`read_projects` names no project: name at least one, or `*` for all")
        exposed = self.published_on or self.host
        if exposed not in LOOPBACK and not self.token:
            name = "published_on" if self.published_on else "host"
            raise ValueError(
                f"`{name}` is {exposed}, which other machines can reach, so a token is required: set `token` "
                f"(or FAISS_MEMORY_TOKEN), or set `{name}` to 127.0.0.1"
            )

    def of(self, kind: type[Section]) -> Section:
        """Return a plugin's own settings: the one section of this type, which `register_settings` has handed in.

        A plugin whose settings were not loaded, as one that a test brings, has its defaults.
        """
        return next((section for section in self.plugins.sections if type(section) is kind), kind())

    @property
    def own_tokens(self) -> tuple[str, ...]:
        """The service's own tokens, which have no shape by which they would be known as secrets."""
        return tuple(token for token in (self.token, self.public_token) if token)

    @property
    def data_folder(self) -> Path:
        """Where the memories live."""
        return (
            Path(self.data_dir).expanduser()
            if self.data_dir
            else Path(platformdirs.user_data_dir("faiss-memory"))
        )

    @property
    def cache_folder(self) -> Path:
        """Where compiled models live; safe to delete."""
        given = self.cache_dir
        return Path(given).expanduser() if given else Path(platformdirs.user_cache_dir("faiss-memory"))


def _check_oauth(settings: Settings) -> None:
    if not settings.public_url:
        raise ValueError(
            "`oauth_issuer` is about the public address: set `public_url`, by which clients sign in"
        )
    for name in ("oauth_issuer", "oauth_jwks"):
        parts = urlsplit(getattr(settings, name))
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
        if not parts.hostname or not is_safe:
            raise ValueError(
                f"`{name}` must be an https address: `oauth_issuer` is what the tokens name as `iss`, such as "
                "https://login.example.com/, and `oauth_jwks` where the issuer has its keys"
            )


def _check_public(settings: Settings) -> None:
    parts = urlsplit(settings.public_url)
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError("`public_url` must be an https address, such as https://memory.example.com")
    if not settings.public_token:
        raise ValueError(
            "`public_url` needs a token of its own: set `public_token` (or FAISS_MEMORY_PUBLIC_TOKEN)"
        )
    if not settings.token:
        raise ValueError(
            "`public_url` needs a token for this machine too, because a proxy that adds no headers looks like it: set "
            "`token` (or FAISS_MEMORY_TOKEN), such as to what `openssl rand -hex 24` prints"
        )
    if settings.public_token == settings.token:
        raise ValueError("`public_token` must differ from `token`: the public way opens less")
