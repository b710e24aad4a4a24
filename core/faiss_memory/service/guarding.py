"""What must not be stored: secrets are masked or refused, and what is marked private is left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Literal, TypeVar

from faiss_memory.errors import InvalidRequest
from faiss_memory.memory import Change, Draft, Memory
from faiss_memory.schema.limits import is_blank
from faiss_memory.secrets.masking import Masker, without_private
from faiss_memory.settings import Settings

P = TypeVar("P", Draft, Change)
FIELDS = ("text", "source", "tags", "cues", "metadata")
OF_A_DRAFT = (*FIELDS, "by", "actor")
"""Who has written it, and which way, are names that others give themselves; no correction changes them."""
Wish = Literal["keep"] | None
"""What a person may say of the secrets of one memory."""


class Guard:
    """Keeps out of what is written what the setting `secrets` says. Plugins have had their turn before."""

    def __init__(self, settings: Settings) -> None:
        self._mode = settings.secrets
        self._own = settings.own_tokens

    def __call__(self, part: P, wish: Wish, prefix: str = "") -> tuple[P, Counter[str]]:
        """Return a draft or a change as it may be written, and how many secrets of which kinds were masked in it.

        Raises InvalidRequest, with the field's name, for a secret where these are refused, and for a text of which
        nothing is left.
        """
        part = self._without_private(part, prefix)
        if self._mode == "off" or wish == "keep":
            return part, Counter()
        if part.project is not None:
            self.check_name(part.project, f"{prefix}project")
        if part.origin is not None:
            self.check_name(part.origin.file, f"{prefix}origin")
        masked, kinds = self.masked(part)
        if kinds and self._mode == "reject":
            self._refuse(part, prefix)
        return masked, kinds

    def masked(self, part: P) -> tuple[P, Counter[str]]:
        """Return a draft or a change with its secrets masked, whatever the setting says, and how many of each kind."""
        masker = Masker(self._own)
        if part.origin is not None:
            part = replace(part, origin=replace(part.origin, place=masker.text(part.origin.place)))
        fields = masker.fields({name: getattr(part, name) for name in _fields_of(part)})
        return (replace(part, **fields), masker.kinds) if masker.kinds else (part, Counter())

    def check_name(self, name: str, field: str) -> None:
        """Raise InvalidRequest for a name that looks like a secret: masked it would be another name."""
        if self._mode != "off" and (found := Masker(self._own).found(name)):
            kinds = ", ".join(sorted({one.kind for one in found}))
            raise InvalidRequest(
                f"`{field}` is what looks like a secret ({kinds}); give it another name", field
            )

    def _without_private(self, part: P, prefix: str) -> P:
        if part.text is None or "<" not in part.text:
            return part
        text = without_private(part.text)
        if text == part.text:
            return part
        if is_blank(text):
            raise InvalidRequest(
                f"`{prefix}text` is private from beginning to end (<private>), so there is nothing to store",
                f"{prefix}text",
            )
        return replace(part, text=text)

    def _refuse(self, part: Draft | Change, prefix: str) -> None:
        for name in _fields_of(part):
            masker = Masker(self._own)
            masker.value(getattr(part, name))
            if masker.kinds:
                raise InvalidRequest(
                    f"`{prefix}{name}` holds what looks like a secret ({', '.join(sorted(masker.kinds))}); leave it "
                    'out, or send "secrets": "keep" to store it as it is (setting secrets)',
                    f"{prefix}{name}",
                )

    def found(self, memory: Memory) -> tuple[list[str], list[str]]:
        """Return which fields of a memory hold secrets, and of which kinds they are."""
        masker = Masker(self._own)
        there = {name: getattr(memory, name) for name in OF_A_DRAFT}
        masked = masker.fields(there)
        return [name for name in there if masked[name] != there[name]], sorted(masker.kinds)


def _fields_of(part: Draft | Change) -> tuple[str, ...]:
    return OF_A_DRAFT if isinstance(part, Draft) else FIELDS
