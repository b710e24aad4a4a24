"""The settings: one typed object, filled from defaults < yaml file < environment < command line.

This is the only file that reads the environment. The environment name of a setting is `FAISS_MEMORY_` and its
path in capitals, dots written as underscores: `limits.text_bytes` is `FAISS_MEMORY_LIMITS_TEXT_BYTES`. Four
settings also have the short names of the first release: `PORT`, `MODEL_NAME`, `DATA_DIR`, `MAX_BACKUPS`.
"""

from __future__ import annotations

import contextlib
import ctypes
import difflib
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
import platformdirs
import yaml
from msgspec import Meta, Struct

from faiss_memory.errors import ConfigError

PREFIX = "FAISS_MEMORY_"
SHORT_NAMES = {
    "PORT": "port",
    "MODEL_NAME": "model_name",
    "DATA_DIR": "data_dir",
    "MAX_BACKUPS": "max_backups",
}
NOT_SETTINGS = {"FAISS_MEMORY_CONFIG", "FAISS_MEMORY_URL", "FAISS_MEMORY_BIND"}
"""Names with our prefix that say where something is rather than what it should be."""

_M_ARENA_MAX = -8
LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")

Positive = Annotated[int, Meta(ge=1)]
Project = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}(?!\n)$")]


class Limits(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The largest request that is accepted."""

    body_bytes: Positive = 8 * 1024 * 1024
    text_bytes: Positive = 64 * 1024
    batch: Positive = 1000
    k: Positive = 100
    tags: Positive = 32
    metadata_bytes: Positive = 16 * 1024


class Ingest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which files a build may read, and which of them it leaves out."""

    roots: tuple[str, ...] = ("~",)
    max_file_bytes: Positive = 4 * 1024 * 1024
    git_ignored: bool = False
    skip: tuple[str, ...] = (
        ".*",
        "node_modules/",
        "bower_components/",
        "venv/",
        "__pycache__/",
        "*.egg-info/",
        "*.min.js",
        "pnpm-lock.yaml",
    )
    secrets: tuple[str, ...] = (
        ".env",
        ".env.*",
        "!.env.example",
        ".ssh/",
        ".gnupg/",
        ".aws/",
        ".netrc",
        ".pypirc",
        ".npmrc",
        ".htpasswd",
        ".git-credentials",
        "id_rsa",
        "id_dsa",
        "id_ecdsa",
        "id_ed25519",
        "*.pem",
        "*.key",
        "*.p12",
        "*.pfx",
        "*.jks",
        "*.keystore",
        "*.kdbx",
        "*.ppk",
    )


class Plugins(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which plugins and adapters take part."""

    disabled: tuple[str, ...] = ()


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that can be set. `config/faiss-memory.yaml` says what each is for."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8900
    threads: Positive = 16
    data_dir: str = ""
    cache_dir: str = ""
    log_file: str = ""
    model_name: Annotated[str, Meta(min_length=1)] = "all-MiniLM-L6-v2"
    startup_wait: Annotated[float, Meta(ge=0, le=600)] = 10.0
    max_backups: Positive = 10
    token: str = ""
    allowed_hosts: tuple[str, ...] = ()
    published_on: str = ""
    published_port: Annotated[int, Meta(ge=0, le=65535)] = 0
    public_url: str = ""
    public_token: str = ""
    read_projects: tuple[str, ...] = ("*",)
    write_project: Project = "default"
    limits: Limits = Limits()
    ingest: Ingest = Ingest()
    plugins: Plugins = Plugins()

    def __post_init__(self) -> None:
        """Refuse what the types cannot: an address that leaves the machine without a token, and the like."""
        if self.public_url:
            _check_public(self)
        exposed = self.published_on or self.host
        if exposed not in LOOPBACK and not self.token:
            name = "published_on" if self.published_on else "host"
            raise ValueError(
                f"`{name}` is {exposed}, which other machines can reach, so a token is required: set `token` "
                f"(or FAISS_MEMORY_TOKEN), or set `{name}` to 127.0.0.1"
            )

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


SECRETS = frozenset({"token", "public_token"})


@dataclass(frozen=True, slots=True)
class Origin:
    """One effective setting: its path, its value and where the value came from."""

    key: str
    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """The effective settings, with the origin of each."""

    settings: Settings
    origins: tuple[Origin, ...]


def load(
    config: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Loaded:
    """Read the settings from every source.

    `config` is the file named on the command line, `overrides` the other command line options by dotted key.
    Raises ConfigError with the source, the key and, for an unknown key, the nearest known one.
    """
    environ = os.environ if environ is None else environ
    path = config_path(config, environ)
    layers: list[tuple[dict[str, str], dict[str, Any]]] = []
    if path is not None:
        values = _flatten(_read_yaml(path), f"{path}")
        layers.append(({key: f"{path}" for key in values}, values))
    layers.append(_from_environment(environ))
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    layers.append(({key: "command line" for key in given}, given))

    values, origins = {}, {}
    for names, layer in layers:
        for key, value in layer.items():
            values[key] = _typed(key, value, names[key])
            origins[key] = names[key]
    try:
        settings = msgspec.convert(_nest(values), Settings)
    except msgspec.ValidationError as error:
        raise ConfigError(_without_path(str(error))) from None
    return Loaded(
        settings,
        tuple(Origin(key, _read(settings, key), origins.get(key, "default")) for key in sorted(known_keys())),
    )


def config_path(given: Path | None = None, environ: Mapping[str, str] | None = None) -> Path | None:
    """Find the configuration file: the given one, `FAISS_MEMORY_CONFIG`, the user's, or None.

    A file in the current folder is never used: a cloned repository must not configure the service.
    Raises ConfigError when a file was named and is not there.
    """
    environ = os.environ if environ is None else environ
    named = given or (Path(environ["FAISS_MEMORY_CONFIG"]) if environ.get("FAISS_MEMORY_CONFIG") else None)
    if named is not None:
        if not named.is_file():
            raise ConfigError(
                f"{named}: there is no such configuration file; check --config or FAISS_MEMORY_CONFIG"
            )
        return named
    users = user_config_file()
    return users if users.is_file() else None


def user_config_file() -> Path:
    """Say where the user's configuration file is, whether it is there or not."""
    return Path(platformdirs.user_config_dir("faiss-memory")) / "faiss-memory.yaml"


def runtime_folder() -> Path:
    """Say where the running service leaves its address for the command line and the hooks.

    Without a runtime folder of the session it is the user's state folder, and never one below /tmp, where anybody
    could leave the address of a service of their own.
    """
    if sys.platform != "linux":
        return Path(platformdirs.user_runtime_dir("faiss-memory"))
    session = os.environ.get("XDG_RUNTIME_DIR")
    return Path(session) / "faiss-memory" if session else Path(platformdirs.user_state_dir("faiss-memory"))


def address_in_environment() -> str:
    """Give `FAISS_MEMORY_URL`, which says where the service answers; empty if it is not set."""
    return os.environ.get("FAISS_MEMORY_URL", "")


def environment_with(changes: Mapping[str, str]) -> dict[str, str]:
    """Make the environment of a child process: this one's, changed."""
    return {**os.environ, **changes}


def hub_cache_folder() -> str | None:
    """Say where sentence-transformers keeps downloaded models; None means the hub's own default."""
    return os.environ.get("SENTENCE_TRANSFORMERS_HOME")


def prepare_process() -> None:
    """Set what libraries look for when they are imported, and how memory is kept; call before importing faiss."""
    # One query is faster and steadier on one OpenMP thread, and omp_set_num_threads does not reach the other
    # threads of this process: the variable, set before the import, does.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # glibc gives every thread a heap of its own, and none of them shrinks: with two for all, a process that took in
    # 10,000 memories stays 40 to 90 MB smaller, and nothing was measured to be slower.
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


def known_keys() -> dict[str, Any]:
    """Give every setting's dotted key with its type."""
    return dict(_fields(Settings))


def environment_name(key: str) -> str:
    """Give the environment name of a dotted key."""
    return PREFIX + key.upper().replace(".", "_")


def _fields(struct: type[Struct], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for field in msgspec.structs.fields(struct):
        if isinstance(field.type, type) and issubclass(field.type, Struct):
            yield from _fields(field.type, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name, field.type


class _Loader(yaml.SafeLoader):
    """Refuses a key that is there twice: the second would win silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if str(key.value) in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"`{key.value}` is there twice", key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: is not valid YAML: {' '.join(str(error).split())}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: must hold `key: value` lines, not {type(content).__name__}")
    return content


def _flatten(content: Mapping[Any, Any], origin: str, prefix: str = "") -> dict[str, Any]:
    sections = {key.rsplit(".", 1)[0] for key in known_keys() if "." in key}
    flat: dict[str, Any] = {}
    for name, value in content.items():
        key = f"{prefix}{name}"
        if key in sections:
            if value is not None and not isinstance(value, dict):
                raise ConfigError(f"{origin}: `{key}` is a section and must hold `key: value` lines")
            flat |= _flatten(value or {}, origin, f"{key}.")
        else:
            flat[key] = value
    return flat


def _from_environment(environ: Mapping[str, str]) -> tuple[dict[str, str], dict[str, Any]]:
    by_name = {environment_name(key): key for key in known_keys()}
    names: dict[str, str] = {}
    values: dict[str, Any] = {}
    for name, key in {**SHORT_NAMES, **by_name}.items():  # the long name wins, being the more deliberate one
        if name in environ:
            names[key], values[key] = f"environment {name}", environ[name]
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in by_name and name not in NOT_SETTINGS:
            near = difflib.get_close_matches(name, by_name, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(f"environment: {name} is not a setting{hint}")
    return names, values


def _typed(key: str, value: Any, origin: str) -> Any:
    """Check one value against its setting's type; text from environment and command line is read as that type."""
    keys = known_keys()
    if key not in keys:
        near = difflib.get_close_matches(key, keys, n=1, cutoff=0.5)
        hint = f"; did you mean `{near[0]}`?" if near else ""
        raise ConfigError(f"{origin}: `{key}` is not a setting{hint}")
    expected = keys[key]
    loose = isinstance(value, str) and origin.startswith(("environment", "command line"))
    if loose and expected == tuple[str, ...]:
        value = [part.strip() for part in value.split(",") if part.strip()]
    elif isinstance(value, Path):
        value = str(value)
    try:
        return msgspec.convert(value, expected, strict=not loose)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{origin}: `{key}`: {_without_path(str(error))}") from None


def _nest(values: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for key, value in values.items():
        *sections, name = key.split(".")
        place = nested
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = value
    return nested


def _read(settings: Settings, key: str) -> Any:
    value: Any = settings
    for name in key.split("."):
        value = getattr(value, name)
    return value


def _without_path(message: str) -> str:
    return message.split(" - at `$")[0]


def _check_public(settings: Settings) -> None:
    parts = urlsplit(settings.public_url)
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError("`public_url` must be an https address, such as https://memory.example.com")
    if not settings.public_token:
        raise ValueError(
            "`public_url` needs a token of its own: set `public_token` (or FAISS_MEMORY_PUBLIC_TOKEN)"
        )
    if settings.public_token == settings.token:
        raise ValueError("`public_token` must differ from `token`: the public way opens less")
