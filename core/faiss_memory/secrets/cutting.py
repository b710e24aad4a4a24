"""Cutting texts where no secret is: half a secret has no shape, so nothing would know it again and mask it."""

from __future__ import annotations

from collections.abc import Sequence

from faiss_memory.secrets.shapes import find_secrets

_AHEAD = 8192
"""Characters behind the cut that are looked at: what goes on for longer has its shape already."""


def cut_before_secret(text: str, most: int) -> str:
    """Return the beginning of a text, at most so many characters; before a secret that would be cut it ends."""
    if len(text) <= most:
        return text
    for one in find_secrets(text[: most + _AHEAD]):
        if one.shape_start < most < one.shape_end:
            return text[: one.shape_start].rstrip()
    return text[:most]


def outside_secrets(text: str, places: Sequence[int]) -> list[int]:
    """Return those of some ascending places in a text at which it may be cut, since no secret goes over them."""
    secrets = sorted(find_secrets(text), key=lambda one: one.shape_start)
    kept, number, reached = [], 0, 0
    for place in places:
        while number < len(secrets) and secrets[number].shape_start < place:
            reached = max(reached, secrets[number].shape_end)
            number += 1
        if place >= reached:
            kept.append(place)
    return kept
