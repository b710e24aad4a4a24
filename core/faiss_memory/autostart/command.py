"""The command that starts the service in the background: what was set in this shell is written into it."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faiss_memory.errors import ConfigError
from faiss_memory.logs import default_log_file
from faiss_memory.plugin_host import section_types
from faiss_memory.settings import (
    Loaded,
    Origin,
    config_path,
    environment_name,
    environment_with,
    load,
    user_config_file,
)

_PATHS = ("data_dir", "cache_dir", "log_file")
_MOVED_BY = {"data_dir": "XDG_DATA_HOME", "cache_dir": "XDG_CACHE_HOME"}


@dataclass(frozen=True, slots=True)
class Command:
    """The words of a command line; the first is an absolute path."""

    words: tuple[str, ...]


def build_command(config: Path | None, overrides: Mapping[str, Any]) -> Command:
    """Build the command from the same settings that `serve` takes, and from this shell's environment.

    Nothing depends on the shell afterwards: what its environment says is written out, and paths are absolute.
    Raises ConfigError for a wrong setting, and for a secret that stands anywhere but in the configuration file.
    """
    environ = environment_with({})
    loaded = load(config, overrides, environ, section_types)
    named = config_path(config, environ)
    _refuse_secrets(loaded, named)
    # -P: a file in the folder where the service starts must not shadow a package.
    words = [sys.executable, "-P", "-m", "faiss_memory", "serve"]
    if named is not None and (config or {"FAISS_MEMORY_CONFIG", "XDG_CONFIG_HOME"} & environ.keys()):
        words += ["--config", str(named.absolute())]
    for origin in loaded.origins:
        value = _written(origin, loaded, environ)
        if value is not None:
            words += ["--set", f"{origin.key}={value}"]
    for word in words:
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in word):
            raise ConfigError(
                f"{word!r} has a character that a service's description cannot hold; choose another"
            )
    return Command(tuple(words))


def settings_of(command: Command) -> Loaded:
    """Load the settings with which a command starts the service. Raises ConfigError if they are wrong by now."""
    config, overrides = None, {}
    words = iter(command.words[command.words.index("serve") + 1 :])
    for option, value in zip(words, words, strict=False):
        if option == "--config":
            config = Path(value)
        else:
            key, _, text = value.partition("=")
            overrides[key] = text
    return load(config, overrides, {})


def _written(origin: Origin, loaded: Loaded, environ: Mapping[str, str]) -> str | None:
    """Return a setting as it stands in the command, or None if the service finds the same value without that."""
    key, value = origin.key, origin.value
    here = origin.origin == "command line" or origin.origin.startswith("environment ")
    if origin.is_secret:
        return None
    if key == "log_file" and not value:
        return str(default_log_file())
    if key in _PATHS:
        if not value:
            folders = {"data_dir": loaded.settings.data_folder, "cache_dir": loaded.settings.cache_folder}
            return str(folders[key].absolute()) if _MOVED_BY[key] in environ else None
        path = Path(value).expanduser()
        return str(path.absolute()) if here or not path.is_absolute() else None
    if not here:
        return None
    if key == "model_name" and (value.startswith((".", "~")) or Path(value).is_dir()):
        return str(Path(value).expanduser().absolute())
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _refuse_secrets(loaded: Loaded, named: Path | None) -> None:
    """The file that describes the service can be read by others, and stays in backups: no secret goes into it."""
    for origin in loaded.origins:
        if not origin.is_secret or not origin.value or origin.origin == str(named):
            continue
        if origin.origin != "command line" and _in_file(origin.key, named):
            continue
        where = named or user_config_file()
        name = "the command line" if origin.origin == "command line" else environment_name(origin.key)
        raise ConfigError(
            f"`{origin.key}` is given by {name}; a secret is not written into the service's description, and the "
            f"service does not see this shell's environment. Write `{origin.key}: …` into {where} "
            f"(chmod 600), and install again without it on the command line."
        )


def _in_file(key: str, named: Path | None) -> bool:
    if named is None:
        return False
    harmless = {"host": "127.0.0.1", "published_on": "", "public_url": ""}
    return any(origin.key == key and origin.value for origin in load(named, harmless, {}).origins)
