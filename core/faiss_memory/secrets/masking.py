"""Texts with their secrets masked and what is private left out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from faiss_memory.secrets.shapes import FoundSecret, find_secrets

OWN_TOKEN = "FAISS Memory token"
_PRIVATE = re.compile(r"</?private>", re.IGNORECASE)


def without_private(text: str) -> str:
    """Leave out what stands between `<private>` and `</private>`, or up to the end where that is missing."""
    if "<" not in text:
        return text
    kept, depth, start = [], 0, 0
    for tag in _PRIVATE.finditer(text):
        if depth == 0:
            kept.append(text[start : tag.start()])
        depth = max(0, depth - 1) if tag[0].startswith("</") else depth + 1
        start = tag.end()
    return "".join(kept) + (text[start:] if depth == 0 else "")


class Masker:
    """Masks the secrets of one memory, and counts them by kind."""

    def __init__(self, own: Collection[str] = ()) -> None:
        """`own` are the service's own tokens, which have no shape."""
        self._own = [token for token in own if token]
        self.kinds: Counter[str] = Counter()
        """How many of each kind were masked."""

    def found(self, text: str) -> list[FoundSecret]:
        """Return the secrets in a text."""
        found = find_secrets(text)
        for token in self._own:
            start = text.find(token)
            while start >= 0:
                found.append(FoundSecret(OWN_TOKEN, start, start + len(token)))
                start = text.find(token, start + len(token))
        return sorted(found, key=lambda one: one.start)

    def text(self, text: str) -> str:
        """Return a text with what kind of secret it was where each stood."""
        parts, end = [], 0
        for secret in self.found(text):
            if secret.start < end:
                continue
            self.kinds[secret.kind] += 1
            parts += [text[end : secret.start], f"[masked: {secret.kind}]"]
            end = secret.end
        return "".join(parts) + text[end:] if parts else text

    def value(self, value: Any) -> Any:
        """Return a value of metadata, or a list or mapping of such, with its texts masked."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(part) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.value(part) for part in value)
        return value


def masked(text: str) -> str:
    """Return a text without its secrets, such as a prompt that is kept for the person."""
    return Masker().text(without_private(text))
