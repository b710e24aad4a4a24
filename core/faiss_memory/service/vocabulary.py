"""Which projects and tags there are: what a name that is nearly right means, and what to say of an unknown one."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Sequence

import msgspec

from faiss_memory import schema
from faiss_memory.contracts.store import Store
from faiss_memory.errors import InvalidRequest
from faiss_memory.memory import DEFAULT_PROJECT, Filter, Memory
from faiss_memory.rights import Projects, Rights
from faiss_memory.schema.names import fitted_name, likeness

_MOST_NEAR = 3
_NEAR = 0.5
"""How alike two names are, as difflib has it, that one may be written for the other."""


class Vocabulary:
    """The names in use, as one who asks may know them."""

    def __init__(self, store: Callable[[], Store]) -> None:
        self._store = store

    def project(self, written: str, must_exist: bool, rights: Rights) -> str:
        """Return which project is meant by a name that has not the form of one, such as `Acme/Web_App`.

        That is the known one that differs in case, accents and separators alone, else, unless it must exist, what the
        name becomes when it is made to fit. Raises InvalidRequest if two known ones fit.
        """
        name = fitted_name(written)
        if name == written:
            return written  # there is nothing of a name in it
        fits = [known for known in self._projects(rights) if likeness(known) == likeness(written)]
        if len(fits) > 1:
            both = " and ".join(f"`{one}`" for one in fits)
            raise InvalidRequest(f"`project`: `{written}` fits {both}: name one of them", "project")
        return fits[0] if fits else written if must_exist else name

    def tags(self, written: Sequence[str], projects: Projects, rights: Rights) -> list[str]:
        """Return the tags that are meant: `#Decision` is `decision`, and `a,b` two, unless a tag is spelt so."""
        if not any("," in tag or tag.lstrip().startswith("#") for tag in written):
            return list(written)
        known = self._tags(projects, rights)
        return [part for tag in written for part in _parts(tag, known)]

    def with_tags(self, memory: schema.NewMemory, rights: Rights) -> schema.NewMemory:
        """Return a memory that is to be stored with the tags that are meant."""
        tags = self.tags(memory.tags, (memory.project or rights.usual_write,), rights)
        return memory if tags == memory.tags else msgspec.structs.replace(memory, tags=tags)

    def hint(
        self,
        asked: str | Sequence[str] | None,
        where: Filter,
        rights: Rights,
        found: Sequence[Memory],
    ) -> str:
        """Return what to say of projects and tags that are asked for and that no memory has; empty if all are known.

        `found` are the memories in the answer: what stands there need not be looked up.
        """
        names = [asked] if isinstance(asked, str) else list(asked or ())
        unknown = set(names) - {"*", DEFAULT_PROJECT} - {memory.project for memory in found}
        missing = set(where.tags) - {tag for memory in found for tag in memory.tags}
        said = []
        if unknown:
            projects_there = self._projects(rights)
            said += [
                _unknown(f"there is no project `{name}`", name, projects_there)
                for name in names
                if name in unknown and name not in projects_there
            ]
        if missing:
            tags_there = self._tags(where.projects, rights)
            said += [
                _unknown(f"no memory here has the tag `{tag}`", tag, tags_there)
                for tag in where.tags
                if tag in missing and tag not in tags_there
            ]
        return "; ".join(said)

    def _projects(self, rights: Rights) -> list[str]:
        return [one.name for one in self._store().projects() if rights.may_read(one.name)]

    def _tags(self, projects: Projects, rights: Rights) -> Collection[str]:
        readable = (
            rights.reads if projects is None else tuple(one for one in projects if rights.may_read(one))
        )
        if readable == ():
            return ()
        return self._store().tags(Filter(projects=readable, include_superseded=True))


def _parts(tag: str, known: Collection[str]) -> list[str]:
    written = tag.strip()
    if written in known:
        return [written]
    parts = [part.strip() for part in written.split(",")]
    return [_bare(part, known) for part in parts if part] or [tag]


def _bare(tag: str, known: Collection[str]) -> str:
    """Return a tag without the sign that marks it in a text; such tags know no case."""
    bare = tag.lstrip("#").strip()
    if tag in known or not tag.startswith("#") or not bare:
        return tag
    return bare if bare in known else bare.lower()


def _unknown(said: str, name: str, known: Collection[str]) -> str:
    by_fold = {one.casefold(): one for one in sorted(known, reverse=True)}
    near = difflib.get_close_matches(name.casefold(), by_fold, n=_MOST_NEAR, cutoff=_NEAR)
    near += [one for one in sorted(by_fold) if name.casefold() in one and one not in near]
    names = ", ".join(f"`{by_fold[one]}`" for one in near[:_MOST_NEAR])
    return f"{said}; there is {names}" if names else said
