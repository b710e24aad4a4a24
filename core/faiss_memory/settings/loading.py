"""Filling the settings from defaults < yaml file < environment < command line.

The environment name of a setting is `FAISS_MEMORY_` and its path in capitals, dots written as underscores:
`limits.text_bytes` is `FAISS_MEMORY_LIMITS_TEXT_BYTES`. Four settings also have the short names of the first release:
`PORT`, `MODEL_NAME`, `DATA_DIR`, `MAX_BACKUPS`.

A plugin's own settings stand under `plugins.NAME` and keep the same rules. Which there are is known only once the
plugins are loaded, and which of those to load is a setting itself: so everything is read twice where that is asked for.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, Literal, TypeAlias, get_args, get_origin

import msgspec
import yaml
from msgspec import Struct
from msgspec.structs import replace

from faiss_memory.errors import ConfigError
from faiss_memory.memory import PROJECT_NAME_IN_WORDS
from faiss_memory.safe_files import is_file, located, read_file
from faiss_memory.settings.environment import NOT_SETTINGS, user_config_file, variables
from faiss_memory.settings.sections import Settings
from faiss_memory.yaml_errors import YAML_ERRORS

PREFIX = "FAISS_MEMORY_"
SHORT_NAMES = {
    "PORT": "port",
    "MODEL_NAME": "model_name",
    "DATA_DIR": "data_dir",
    "MAX_BACKUPS": "max_backups",
}


SectionTypes: TypeAlias = Mapping[str, type[Struct]]
"""The settings that plugins have of their own, by the plugin's name."""


@dataclass(frozen=True, slots=True)
class Origin:
    """One effective setting: its path, its value, where the value came from, and whether nobody may be shown it."""

    key: str
    value: Any
    origin: str
    is_secret: bool = False


@dataclass(frozen=True, slots=True)
class Loaded:
    """The effective settings, with the origin of each."""

    settings: Settings
    origins: tuple[Origin, ...]


def load(
    config: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    section_types: Callable[[Sequence[str]], SectionTypes] | None = None,
) -> Loaded:
    """Read the settings from every source.

    `config` is the file named on the command line, `overrides` the other command line options by dotted key.
    `section_types` loads the plugins but those whose names it is given, and returns their settings; without it, what
    stands under `plugins.NAME` is passed over.
    Raises ConfigError with the source, the key and, for an unknown key, the nearest known one.
    """
    environ = variables() if environ is None else environ
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    sources = _Sources(config_path(config, environ), environ, given)
    types: SectionTypes = {}
    # The first of two readings only asks which plugins take part: what is unknown to it may be one of theirs.
    values, origins = sources.read(types, passed_over=["plugins." if section_types is None else ""])
    if section_types is not None:
        disabled = values.get("plugins.disabled", ())
        types = section_types(disabled)
        values, origins = sources.read(types, passed_over=[f"plugins.{name}." for name in disabled])
    settings = _settings(values, types)
    return Loaded(settings, effective(settings, types, origins))


def effective(settings: Settings, types: SectionTypes, origins: Mapping[str, str]) -> tuple[Origin, ...]:
    """List every setting with its value, in order of key; what no origin is given for is a default."""
    found = known_keys(types)
    return tuple(
        Origin(key, _value(settings, types, key), origins.get(key, "default"), _is_secret(found[key]))
        for key in sorted(found)
    )


def load_settings() -> Settings:
    """Return the settings in force where no plugin's are needed, as for a command. Raises ConfigError."""
    return load().settings


class _Sources:
    """A configuration file, the environment and the command line, as they were written."""

    def __init__(self, path: Path | None, environ: Mapping[str, str], overrides: Mapping[str, Any]) -> None:
        self._path = path
        self._content = {} if path is None else _read_yaml(path)
        self._environ = environ
        self._overrides = overrides

    def read(self, types: SectionTypes, passed_over: Sequence[str]) -> tuple[dict[str, Any], dict[str, str]]:
        """Return the value of each key that is given, checked, and where it was given; the last source wins.

        Keys that begin as one of `passed_over` may be unknown, and are then left out.
        """
        keys = known_keys(types)
        file = _flatten(self._content, f"{self._path}", keys)
        layers = [
            ({key: f"{self._path}" for key in file}, file),
            _from_environment(self._environ, keys, passed_over),
            ({key: "command line" for key in self._overrides}, self._overrides),
        ]
        values, origins = {}, {}
        for names, layer in layers:
            for key, value in layer.items():
                if key in keys or not key.startswith(tuple(passed_over)):
                    values[key] = _typed(key, value, names[key], keys)
                    origins[key] = names[key]
        return values, origins


def _settings(values: Mapping[str, Any], types: SectionTypes) -> Settings:
    nested = _nest(values)
    of_plugins = nested.get("plugins", {})
    try:
        sections = [msgspec.convert(of_plugins.pop(name, {}), kind) for name, kind in types.items()]
        settings = msgspec.convert(nested, Settings)
    except msgspec.ValidationError as error:
        raise ConfigError(_without_path(str(error))) from None
    return replace(settings, plugins=replace(settings.plugins, sections=tuple(sections)))


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


def known_keys(types: SectionTypes | None = None) -> dict[str, Any]:
    """Return every setting's dotted key with its type, those of plugins included where their types are given."""
    own = {key: kind for key, kind in _fields(Settings).items() if key != "plugins.sections"}
    for name, section in (types or {}).items():
        own |= {f"plugins.{name}.{key}": kind for key, kind in _fields(section).items()}
    return own


def environment_name(key: str) -> str:
    """Return the environment name of a dotted key."""
    return PREFIX + key.upper().replace(".", "_").replace("-", "_")


@cache
def _fields(struct: type[Struct]) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(struct):
        if isinstance(field.type, type) and issubclass(field.type, Struct):
            found |= {f"{field.name}.{key}": kind for key, kind in _fields(field.type).items()}
        else:
            found[field.name] = field.type
    return found


def _is_secret(kind: Any) -> bool:
    notes = [note for note in get_args(kind) if isinstance(note, msgspec.Meta)]
    return any((note.extra or {}).get("secret") for note in notes)


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
    except YAML_ERRORS as error:
        raise ConfigError(f"{path}: is not valid YAML: {' '.join(str(error).split())}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: must hold `key: value` lines, not {type(content).__name__}")
    return content


def _flatten(
    content: Mapping[Any, Any], origin: str, keys: Mapping[str, Any], prefix: str = ""
) -> dict[str, Any]:
    sections = {
        ".".join(parts[:n]) for parts in (key.split(".") for key in keys) for n in range(1, len(parts))
    }
    flat: dict[str, Any] = {}
    for name, value in content.items():
        key = f"{prefix}{name}"
        is_plugins = prefix == "plugins." and key not in keys
        if key in sections or (is_plugins and isinstance(value, dict | NoneType)):
            if value is not None and not isinstance(value, dict):
                raise ConfigError(f"{origin}: `{key}` is a section and must hold `key: value` lines")
            flat |= _flatten(value or {}, origin, keys, f"{key}.")
        else:
            flat[key] = value
    return flat


def _from_environment(
    environ: Mapping[str, str], keys: Mapping[str, Any], passed_over: Sequence[str]
) -> tuple[dict[str, str], dict[str, Any]]:
    by_name = {environment_name(key): key for key in keys}
    ignored = tuple(environment_name(prefix) for prefix in passed_over)
    names: dict[str, str] = {}
    values: dict[str, Any] = {}
    for name, key in {**SHORT_NAMES, **by_name}.items():  # the long name wins, being the more deliberate one
        if name in environ:
            names[key], values[key] = f"environment {name}", environ[name]
    for name in sorted(environ):
        known = name in by_name or name in NOT_SETTINGS or name.startswith(ignored)
        if name.startswith(PREFIX) and not known:
            near = difflib.get_close_matches(name, by_name, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(f"environment: {name} is not a setting{hint}")
    return names, values


def _typed(key: str, value: Any, origin: str, keys: Mapping[str, Any]) -> Any:
    """Check one value against its setting's type; text from environment and command line is read as that type."""
    if key not in keys:
        near = _nearest(key, keys)
        hint = f"; did you mean `{near}`?" if near else ""
        raise ConfigError(f"{origin}: `{key}` is not a setting{hint}")
    expected = keys[key]
    loose = isinstance(value, str) and origin.startswith(("environment", "command line"))
    if loose and get_origin(expected) is tuple:
        value = _parts(value)
    elif isinstance(value, Path):
        value = str(value)
    elif value is False and get_origin(expected) is Literal and "off" in get_args(expected):
        value = "off"  # as YAML reads that word
    try:
        return msgspec.convert(value, expected, strict=not loose)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{origin}: `{key}`: {_in_words(str(error))}") from None


def _parts(text: str) -> list[str]:
    """Read a list that is written with commas, or in brackets as in the file."""
    if text.strip().startswith("[") and text.strip().endswith("]"):
        with suppress(*YAML_ERRORS):
            found = yaml.load(text, Loader=yaml.BaseLoader)  # (which takes every value for a text)
            if all(isinstance(part, str) for part in found):
                return list(found)
    return [part.strip() for part in text.split(",") if part.strip()]


def _nearest(key: str, keys: Mapping[str, Any]) -> str | None:
    """Return the known key most like one that is not; one that only lacks its section is the nearest."""
    same_end = [known for known in keys if known.endswith(f".{key}")]
    return next(iter([*same_end, *difflib.get_close_matches(key, keys, n=1, cutoff=0.5)]), None)


def _nest(values: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for key, value in values.items():
        *sections, name = key.split(".")
        place = nested
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = value
    return nested


def _value(settings: Settings, types: SectionTypes, key: str) -> Any:
    first, *rest = key.split(".")
    value: Any = settings
    if first == "plugins" and rest[0] in types:
        value = settings.of(types[rest[0]])
        rest = rest[1:]
    else:
        rest = [first, *rest]
    for name in rest:
        value = getattr(value, name)
    return value


def _in_words(message: str) -> str:
    if "matching regex" in message:
        return f"a project has {PROJECT_NAME_IN_WORDS}"
    return _without_path(message)


def _without_path(message: str) -> str:
    return message.split(" - at `$")[0]
