"""Loading plugins and adapters, and calling their hooks."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy
from msgspec import Struct

from faiss_memory import hookspecs
from faiss_memory.adapter import Adapter
from faiss_memory.errors import ConfigError, PluginError

log = logging.getLogger("faiss_memory.plugins")


class PluginHost:
    """The plugins that take part, and `hook`, through which they are asked.

    Raises PluginError with the plugin's name and the yaml lines that disable it when one cannot be loaded, and
    ConfigError when a disabled name is not a plugin.
    """

    def __init__(self, disabled: Sequence[str] = (), extra: Iterable[tuple[str, object]] = ()) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self.hook = self._manager.hook
        found = sorted(entry_points(group=hookspecs.PROJECT), key=lambda point: point.name)
        _check_disabled(disabled, [point.name for point in found])
        for name, plugin in extra:
            self._register(name, plugin)
        for point in found:
            if point.name not in disabled:
                self._register(point.name, _load(point))

    def _register(self, name: str, plugin: object) -> None:
        try:
            self._manager.register(plugin, name=name)
            self._manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            raise PluginError(f"plugin `{name}` does not fit: {error}. {_how_to_disable(name)}") from None

    @property
    def names(self) -> list[str]:
        """The plugins that take part, in order of name."""
        return sorted(name for name, plugin in self._manager.list_name_plugin() if plugin is not None)

    @property
    def plugins(self) -> list[tuple[str, object]]:
        """Every plugin with its name, in order of name."""
        return sorted(self._manager.list_name_plugin(), key=lambda pair: pair[0])

    @property
    def adapters(self) -> dict[str, Adapter]:
        """The adapters among them, by the assistant's name."""
        return {one.name: one for _, one in self.plugins if isinstance(one, Adapter)}

    def section_types(self) -> dict[str, type[Struct]]:
        """Return the settings that plugins have of their own, by the plugin's name. Raises PluginError."""
        found: dict[str, type[Struct]] = {}
        for implementation in self.hook.register_settings.get_hookimpls():
            name = implementation.plugin_name
            kind: Any = implementation.function()
            if kind is not None:
                _check_section(name, kind)
                found[name] = kind
        return found

    def notify(self, hook: str, **arguments: Any) -> None:
        """Tell every plugin that something has happened. It is done and safe, so an error is only logged."""
        self.ask(hook, **arguments)

    def ask(self, hook: str, **arguments: Any) -> list[Any]:
        """Collect every plugin's answer; a plugin that fails is logged by its name and left out."""
        answers = []
        for implementation in reversed(getattr(self.hook, hook).get_hookimpls()):  # in pluggy's own order
            given = {name: arguments[name] for name in implementation.argnames}
            try:
                answers.append(implementation.function(**given))
            except Exception:  # the plugin's own fault must not undo what was acknowledged
                log.exception("plugin `%s` failed in %s", implementation.plugin_name, hook)
        return [answer for answer in answers if answer is not None]


def _load(point: EntryPoint) -> object:
    try:
        return point.load()
    except Exception as error:  # whatever an import may raise, the person needs the plugin's name
        package = point.dist.name if point.dist is not None else "an unknown package"
        raise PluginError(
            f"plugin `{point.name}` of {package} cannot be loaded: {type(error).__name__}: {error}. "
            f"{_how_to_disable(point.name)}"
        ) from error


def section_types(disabled: Sequence[str]) -> dict[str, type[Struct]]:
    """Load the installed plugins but the disabled ones, and return their settings by the plugin's name.

    Raises PluginError and ConfigError as `PluginHost` does.
    """
    return PluginHost(disabled).section_types()


def _check_section(name: str, kind: Any) -> None:
    try:
        kind()
        fits = issubclass(kind, Struct) and name != "disabled"
    except TypeError:
        fits = False
    if not fits:
        raise PluginError(
            f"plugin `{name}` does not fit: its `register_settings` must give a msgspec.Struct class in which every "
            f"field has a default, not {kind!r}. {_how_to_disable(name)}"
        )


def _how_to_disable(name: str) -> str:
    return f"To start without it, put this into the configuration file:\nplugins:\n  disabled: [{name}]"


def _check_disabled(disabled: Sequence[str], known: Sequence[str]) -> None:
    for name in disabled:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"; did you mean `{near[0]}`?" if near else f"; there are {', '.join(known)}"
            raise ConfigError(f"`plugins.disabled`: there is no plugin `{name}`{hint}")
