"""What happens to memories before they are written: plugins see them, and then secrets are kept out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from faiss_memory.errors import InvalidRequest
from faiss_memory.memory import Change, Draft
from faiss_memory.plugin_host import PluginHost
from faiss_memory.rights import Rights
from faiss_memory.service.guarding import Guard, Wish

Masked: TypeAlias = Counter[str]
"""How many secrets of each kind were masked in one memory."""


class BeforeWriting:
    """Every way in passes here: requests, files, assistants."""

    def __init__(self, plugins: PluginHost, guard: Guard) -> None:
        self._plugins = plugins
        self._guard = guard

    def add(self, drafts: list[Draft], wish: Wish = None, prefixes: Sequence[str] = ()) -> list[Masked]:
        """Change drafts in place, or refuse them; returns how many secrets of which kinds were masked in each."""
        given = len(drafts)
        self._plugins.hook.before_add(drafts=drafts)
        if len(drafts) != given:
            raise InvalidRequest("a plugin changed the number of memories in before_add; nothing was stored")
        masked = []
        for place, draft in enumerate(drafts):
            drafts[place], kinds = self._guard(draft, wish, prefixes[place] if prefixes else "")
            masked.append(kinds)
        return masked

    def change(
        self, changes: Mapping[int, Change], wish: Wish = None
    ) -> tuple[dict[int, Change], list[Masked]]:
        """Return corrections as they may be written, by id, and how many secrets of which kinds were masked in each."""
        asked = dict(changes)
        self._plugins.hook.before_change(changes=asked)
        if asked.keys() != changes.keys():
            raise InvalidRequest(
                "a plugin changed which memories are changed in before_change; nothing was stored"
            )
        masked = []
        for memory_id, change in asked.items():
            asked[memory_id], kinds = self._guard(change, wish)
            masked.append(kinds)
        return asked, masked


def wish_of(secrets: Wish, rights: Rights) -> Wish:
    """Return what a caller may say of secrets: only the person may keep them. Raises InvalidRequest."""
    if secrets and not rights.is_person:
        raise InvalidRequest(
            '"secrets": "keep" is for the person on this machine alone; leave it out', "secrets"
        )
    return secrets


def kinds_of(masked: Sequence[Masked]) -> list[str]:
    """Return the kinds of secrets that were masked in any of some memories."""
    return sorted({kind for one in masked for kind in one})
