"""What `setup` has done, so that `setup --undo` takes exactly that back."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from faiss_memory.contracts.config_files import Scope
from faiss_memory.errors import ConfigError
from faiss_memory.safe_files import located, read_file, remove_file, write_file
from faiss_memory.settings import state_folder


class Place(Struct, frozen=True):
    """Assistants that were connected: for a project's folder, or an empty one for the user's own files."""

    assistants: list[str]
    scope: Scope
    folder: str = ""


class SetUp(Struct):
    """What was done by any `setup` before, together."""

    places: list[Place] = []
    at_login: bool = False
    """Whether the service was installed to start at login."""
    process: int | None = None
    """The service that was started in the background instead."""

    def connected(self, place: Place) -> None:
        """Add assistants of a place to those that were connected there before."""
        same = [one for one in self.places if (one.scope, one.folder) == (place.scope, place.folder)]
        names = dict.fromkeys(name for one in (*same, place) for name in one.assistants)
        rest = [one for one in self.places if one not in same]
        self.places = [*rest, Place([*names], place.scope, place.folder)]


def _file() -> Path:
    return located(state_folder() / "setup.json")


def load_set_up() -> SetUp:
    """Return what was done; nothing where there is no record. Raises ConfigError for one that cannot be read."""
    try:
        return msgspec.json.decode(read_file(_file()), type=SetUp)
    except FileNotFoundError:
        return SetUp()
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(f"{_file()} cannot be read ({error}): remove it, and run setup again") from None


def save_set_up(done: SetUp) -> None:
    """Keep what was done, or that nothing is left of it. Raises OSError."""
    if done == SetUp():
        remove_file(_file())
    else:
        write_file(_file(), msgspec.json.encode(done), private=True)
