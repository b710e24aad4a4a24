"""The names of projects: which text makes which name, and which names are alike."""

from __future__ import annotations

import hashlib
import re
import unicodedata

LONGEST = 64
_LONGEST_READ = 4096


def fitted(text: str) -> str:
    """Make a text a project's name: lower case, no accents, everything else that does not fit a `-`.

    What is too long, or of letters that a name cannot have, ends in a digest, so that two of them stay apart.
    """
    beginning = text[:_LONGEST_READ]  # the order of many accents takes the square of their number
    plain = "".join(
        character
        for character in unicodedata.normalize("NFKD", beginning).casefold()
        if not unicodedata.combining(character)
    )
    name = re.sub(r"[^a-z0-9._-]+", "-", plain).strip("._-")
    if name and len(name) <= LONGEST and beginning == text:
        return name
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return f"{name[: LONGEST - 9].rstrip('._-') or 'project'}-{digest}"


def fitted_name(written: str) -> str:
    """Return the name that is meant by one which is only written otherwise: in capitals, with accents, `/` or spaces.

    What is not written as the name of anything, such as a path or a list, stays as it was given.
    """
    plain = "".join(_plain_letter(character) for character in written.strip(" "))
    if len(plain) > LONGEST or not _LIKE_A_NAME.fullmatch(plain):
        return written
    return fitted(plain)


_LIKE_A_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9._ -]*(/[A-Za-z0-9][A-Za-z0-9._ -]*)*")


def _plain_letter(character: str) -> str:
    """Return a letter without its accents; other characters, also those that only look like a letter, stay."""
    parts = unicodedata.normalize("NFD", character)
    return parts[0] if len(parts) > 1 else "" if unicodedata.combining(character) else character


def suffixed(name: str, owner: str) -> str:
    """Return a name that is one owner's alone: with a short digest of who it is."""
    digest = hashlib.blake2b(owner.encode("utf-8", "surrogatepass"), digest_size=2).hexdigest()
    return f"{name[: LONGEST - 5].rstrip('._-')}-{digest}"


def likeness(name: str) -> str:
    """Return what names have in common that differ in case, accents and what joins their parts alone."""
    return re.sub("[^a-z0-9]+", "-", fitted(name))
