"""From a file to the parts that become memories; which kind of file is read in which way."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from faiss_memory import SHARED_FOLDER
from faiss_memory_plugins.ingest.formats import asciidoc, code, markdown, notebook, org, plain, shared
from faiss_memory_plugins.ingest.parts import Document

_MARKDOWN = (".md", ".markdown", ".mdown", ".mkd", ".mdx")
_PLAIN = (".txt", ".text")
_CODE = tuple(
    f".{suffix}"
    for suffixes in (
        "astro bash c cc cfg clj cljs conf cpp cs css cu cxx dart erl ex exs f90 fish fs gd go gradle graphql groovy",
        "h hcl hpp hrl hs hxx ini java jl js jsx kt kts less lisp lua m mjs ml mli mm nim nix php pl pm proto ps1",
        "pxd py pyi pyx r rb rs sass scala scm scss sh sol sql svelte swift tcl tf toml ts tsx v vb vhd vim vue",
        "yaml yml zig zsh",
    )
    for suffix in suffixes.split()
)
_BY_NAME = {
    **dict.fromkeys(
        ("makefile", "dockerfile", "containerfile", "justfile", "jenkinsfile", "vagrantfile"), code.read
    ),
    **dict.fromkeys(("cmakelists.txt", "gemfile", "rakefile", "procfile"), code.read),
    **dict.fromkeys(
        ("readme", "license", "licence", "copying", "changelog", "changes", "history"), plain.read
    ),
    **dict.fromkeys(("contributing", "authors", "notes", "todo", "install", "news"), plain.read),
}
_Reader = Callable[[str], Document]
_BY_SUFFIX: Mapping[str, _Reader] = {
    **dict.fromkeys(_MARKDOWN, markdown.read),
    **dict.fromkeys(_PLAIN, plain.read),
    **dict.fromkeys((".rst", ".rest"), plain.read_restructured),
    **dict.fromkeys((".adoc", ".asciidoc"), asciidoc.read),
    ".org": org.read,
    ".ipynb": notebook.read,
    **dict.fromkeys(_CODE, code.read),
}


def is_known(name: str) -> bool:
    """Return whether a file of this name is read without being asked for."""
    return _reader(name) is not None


def is_shared(path: str) -> bool:
    """Return whether a file lies in a folder by which memories are shared."""
    return os.path.basename(os.path.dirname(path)) == SHARED_FOLDER


def read_document(name: str, text: str) -> Document:
    """Cut what a file says into parts; a file of an unknown kind is taken for plain text."""
    if is_shared(name) and name.lower().endswith(_MARKDOWN):
        return shared.read(os.path.basename(name), text)
    return (_reader(name) or plain.read)(text)


def _reader(name: str) -> _Reader | None:
    lowered = os.path.basename(name).lower()
    return _BY_NAME.get(lowered) or _BY_SUFFIX.get(os.path.splitext(lowered)[1])
