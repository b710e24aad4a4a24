"""Filling the settings from defaults < yaml file < environment < command line.

The environment name of a setting is `FAISS_MEMORY_` and its path in capitals, dots written as underscores:
`limits.text_bytes` is `FAISS_MEMORY_LIMITS_TEXT_BYTES`. Four settings also have the short names of the first release:
`PORT`, `MODEL_NAME`, `DATA_DIR`, `MAX_BACKUPS`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_origin

import msgspec
import yaml
from msgspec import Struct

from faiss_memory.errors import ConfigError
from faiss_memory.safe_files import is_file, located, read_file
from faiss_memory.settings.environment import NOT_SETTINGS, user_config_file, variables
from faiss_memory.settings.sections import Settings

PREFIX = "FAISS_MEMORY_"
SHORT_NAMES = {
    "PORT": "port",
    "MODEL_NAME": "model_name",
    "DATA_DIR": "data_dir",
    "MAX_BACKUPS": "max_backups",
}


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
    environ = variables() if environ is None else environ
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
    environ = variables() if environ is None else environ
    named = given or (Path(environ["FAISS_MEMORY_CONFIG"]) if environ.get("FAISS_MEMORY_CONFIG") else None)
    if named is not None:
        if not is_file(named):
            raise ConfigError(
                f"{named}: there is no such configuration file; check --config or FAISS_MEMORY_CONFIG"
            )
        return named
    users = user_config_file()
    return users if is_file(users) else None


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
        content = yaml.load(read_file(located(path)).decode(), Loader=_Loader)
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
    if loose and get_origin(expected) is tuple:
        value = [part.strip() for part in value.split(",") if part.strip()]
    elif isinstance(value, Path):
        value = str(value)
    try:
        return msgspec.convert(value, expected, strict=not loose)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{origin}: `{key}`: {_in_words(str(error))}") from None


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


def _in_words(message: str) -> str:
    if "matching regex" in message:
        return "a project's name is at most 64 characters out of a-z, 0-9, `.`, `_` and `-`"
    return _without_path(message)


def _without_path(message: str) -> str:
    return message.split(" - at `$")[0]
