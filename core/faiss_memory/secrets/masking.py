"""Texts with their secrets masked and what is private left out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any

from faiss_memory.secrets.shapes import FoundSecret, find_secrets

OWN_TOKEN = "FAISS Memory token"
_LEAST_OF_A_REST = 8
"""Characters of a secret by which it is known again elsewhere in the same memory, where nothing says what it is."""
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
        self._known: dict[str, str] = {}
        self.kinds: Counter[str] = Counter()
        """How many of each kind were masked."""

    def fields(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of one memory with their texts masked, and with what one of them repeats of another.

        A title, say, is often the beginning of the text, cut in the middle of a secret.
        """
        once = {name: self.value(value) for name, value in values.items()}
        return {name: self._without_known(value) for name, value in once.items()} if self._known else once

    def found(self, text: str) -> list[FoundSecret]:
        """Return the secrets in a text."""
        found = find_secrets(text)
        for token in self._own:
            start = text.find(token)
            while start >= 0:
                end = start + len(token)
                found.append(FoundSecret(OWN_TOKEN, start, end, start, end))
                start = text.find(token, end)
        return sorted(found, key=lambda one: one.start)

    def text(self, text: str) -> str:
        """Return a text with what kind of secret it was where each stood."""
        parts, end = [], 0
        for secret in self.found(text):
            if secret.start < end:
                continue
            self.kinds[secret.kind] += 1
            self._known[text[secret.start : secret.end]] = secret.kind
            parts += [text[end : secret.start], f"[masked: {secret.kind}]"]
            end = secret.end
        return "".join(parts) + text[end:] if parts else text

    def value(self, value: Any) -> Any:
        """Return a value of metadata, or a list or mapping of such, with its texts masked."""
        return _each_text(value, self.text)

    def _without_known(self, value: Any) -> Any:
        """Return a value without the secrets that were met, and without the beginning of one at a text's end."""
        return _each_text(value, self._text_without_known)

    def _text_without_known(self, text: str) -> str:
        for secret, kind in self._known.items():
            if len(secret) < _LEAST_OF_A_REST:
                continue
            mask = f"[masked: {kind}]"
            if secret in text:
                self.kinds[kind] += text.count(secret)
                text = text.replace(secret, mask)
            end = text.rstrip(_CUT_MARKS)
            start = end.rfind(secret[:_LEAST_OF_A_REST])
            if start >= 0 and secret.startswith(end[start:]):
                self.kinds[kind] += 1
                text = f"{text[:start]}{mask}{text[len(end) :]}"
        return text


_CUT_MARKS = " .\u2026"
"""What stands behind a text that was cut."""


def _each_text(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(str(key)): _each_text(part, change) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_each_text(part, change) for part in value)
    return value


def masked(text: str, own: Collection[str] = ()) -> str:
    """Return a text without its secrets, such as a prompt that is kept for the person."""
    return Masker(own).text(without_private(text))
