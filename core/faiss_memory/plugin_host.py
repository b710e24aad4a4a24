"""Loading plugins and adapters, and calling their hooks."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import FunctionType, ModuleType
from typing import Any, TypeVar, cast

import pluggy
from msgspec import Struct

from faiss_memory.adapter.adapter import Adapter
from faiss_memory.contracts import hooks
from faiss_memory.errors import ConfigError, MemoryServiceError, PluginError

log = logging.getLogger("faiss_memory.plugins")

T = TypeVar("T")


class PluginHost:
    """The plugins that take part, and `hook`, through which they are asked.

    Raises PluginError with the plugin's name and the yaml lines that disable it when one cannot be loaded, and
    ConfigError when a disabled name is not a plugin.
    """

    def __init__(self, disabled: Sequence[str] = (), extra: Iterable[tuple[str, object]] = ()) -> None:
        self._manager = _Manager(hooks.PROJECT)
        self._manager.add_hookspecs(hooks)
        self.hook = self._manager.hook
        found = _installed()
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

    @property
    def marks(self) -> list[str]:
        """The files by which adapters know a folder that their assistant works in."""
        return [mark for adapter in self.adapters.values() for mark in adapter.marks]

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

    def wants(self, hook: str) -> bool:
        """Return whether a plugin implements a hook."""
        return bool(getattr(self.hook, hook).get_hookimpls())

    def notify(self, hook: str, **arguments: Any) -> None:
        """Tell every plugin that something has happened. It is done and safe, so an error is only logged."""
        self.ask(hook, **arguments)

    def ask(self, hook: str, **arguments: Any) -> list[Any]:
        """Collect every plugin's answer; a plugin that fails is logged by its name and left out."""
        return [answer for _, answer in self.ask_each(hook, **arguments)]

    def ask_each(self, hook: str, **arguments: Any) -> list[tuple[str, Any]]:
        """Collect every plugin's answer with the plugin's name; one that fails is logged and left out."""
        answers = []
        for implementation in reversed(getattr(self.hook, hook).get_hookimpls()):  # in pluggy's own order
            given = {name: arguments[name] for name in implementation.argnames}
            try:
                answers.append((implementation.plugin_name, implementation.function(**given)))
            except Exception:  # the plugin's own fault must not undo what was acknowledged
                log.exception("plugin `%s` failed in %s", implementation.plugin_name, hook)
        return [(name, answer) for name, answer in answers if answer is not None]

    def open_part(
        self, hook: str, contract: type[T], *, only: str | None = None, **arguments: Any
    ) -> T | None:
        """Return what the first plugin brings that brings something, such as a store; None if none does.

        With `only`, that plugin alone is asked.

        Raises PluginError, which names the plugin, for one that fails, and for what does not keep the contract.
        """
        for implementation in reversed(getattr(self.hook, hook).get_hookimpls()):
            given = {name: arguments[name] for name in implementation.argnames}
            name = implementation.plugin_name
            if only not in (None, name):
                continue
            try:
                part = implementation.function(**given)
            except MemoryServiceError:
                raise
            except Exception as error:
                raise PluginError(
                    f"plugin `{name}` failed in {hook}: {type(error).__name__}: {error}. {_how_to_disable(name)}"
                ) from error
            if part is None:
                continue
            if missing := missing_of(part, contract):
                raise PluginError(
                    f"what plugin `{name}` gives in {hook}, a `{type(part).__qualname__}`, is no "
                    f"{contract.__name__}: it lacks {', '.join(missing)}. {_how_to_disable(name)}"
                )
            return cast(T, part)
        return None


class _Manager(pluggy.PluginManager):
    """Looks only at what is marked as a hook: most names of an object are Python's own, and each look costs time."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        mark = f"{self.project_name}_impl"
        if isinstance(plugin, ModuleType):
            given = vars(plugin).get(name)
            unmarked = not (isinstance(given, FunctionType) and hasattr(given, mark))
        else:
            of_class = getattr(type(plugin), name, None)
            unmarked = isinstance(of_class, FunctionType) and not hasattr(of_class, mark)
        if name.startswith("__") or unmarked:
            return None
        return super().parse_hookimpl_opts(plugin, name)


@cache
def _installed() -> Sequence[EntryPoint]:
    """Return what is installed, in order of name. Read once: each package is opened for it."""
    return sorted(entry_points(group=hooks.PROJECT), key=lambda point: point.name)


@cache
def our_packages() -> frozenset[str]:
    """Return the names of the packages that come with this one, and so are tried by the same tests."""
    names = cache(lambda distribution: distribution.name)  # each time that it is asked for, a file is read
    ours = __package__.partition(".")[0]
    brought = {
        point.module.partition(".")[0]
        for point in _installed()
        if point.dist is not None and names(point.dist).replace("-", "_") == ours
    }
    return frozenset({ours, *brought})


def missing_of(part: object, contract: type[object]) -> list[str]:
    """Return the names that a contract promises and a part of a guest's does not have, in order of name."""
    promised = {
        name
        for kind in contract.__mro__
        for name in vars(kind)
        if not name.startswith("_") and kind is not object
    }
    return sorted(name for name in promised if not hasattr(part, name))


def _load(point: EntryPoint) -> object:
    try:
        loaded = point.load()
        return (
            loaded() if isinstance(loaded, type) else loaded
        )  # a class: each service has a plugin of its own
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
