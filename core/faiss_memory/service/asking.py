"""Asking the plugins before something is stored: they may change it or refuse it, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from faiss_memory.errors import InvalidRequest
from faiss_memory.memory import Change, Draft
from faiss_memory.plugin_host import PluginHost


def ask_before_add(plugins: PluginHost, drafts: list[Draft]) -> None:
    """Let the plugins change drafts in their list. Raises InvalidRequest if one refuses them, or drops some."""
    given = len(drafts)
    plugins.hook.before_add(drafts=drafts)
    if len(drafts) != given:
        raise InvalidRequest("a plugin changed the number of memories in before_add; nothing was stored")


def ask_before_change(plugins: PluginHost, changes: Mapping[int, Change]) -> dict[int, Change]:
    """Return corrections as the plugins have them. Raises InvalidRequest if one refuses them, or names others."""
    asked = dict(changes)
    plugins.hook.before_change(changes=asked)
    if asked.keys() != changes.keys():
        raise InvalidRequest(
            "a plugin changed which memories are changed in before_change; nothing was stored"
        )
    return asked
