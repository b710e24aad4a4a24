"""A .gitignore means what git takes it for, and costs no more than it is long."""

from __future__ import annotations

import os
import random
import subprocess

import pytest

from faiss_memory_plugins.ingest import ignoring
from faiss_memory_plugins.ingest.ignoring import Patterns
from tests.ingest.conftest import reasons

NAMES = ["a", "b", "ab", "a.md", "b.md", "ab.md", "c d", "a]", "!a", "#a", "ä.md"]
PIECES = [
    "a",
    "b",
    "*",
    "?",
    "**",
    "/",
    "/",
    ".md",
    "[ab]",
    "[!a]",
    "[a-c]",
    "\\",
    " ",
    "!",
    "#",
    "[]]",
    "ä",
    "[",
]
WRITTEN = [
    "**/a", "a/**", "a/**/b", "/a", "a/", "!a/b", "*", "!*.md", "\\!a", "\\#a", "#a", "a\\ ", "a ", "a/*", "**", "**/",
    "a/**/", "[!a]*", "*.[mM]d", "a\\", "[ab", "/", "//", "a//b", "!", "! a", "a**b", "**a", "a/**b", "c d", "\\a",
]  # fmt: skip


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A repository three folders deep, in which each name is a file or a folder."""
    top = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q", top], check=True)
    for path in _paths():
        folder = top / path[:-1] if path.endswith("/") else (top / path).parent
        folder.mkdir(parents=True, exist_ok=True)
        if not path.endswith("/"):
            (top / path).touch()
    return top


def _paths():
    folders = ["", "a/", "b/", "a/b/", "b/a/", "a/b/a/", "ab/"]
    return [
        f"{folder}{name}" for folder in folders for name in NAMES if f"{folder}{name}/" not in folders
    ] + [folder for folder in folders if folder]


def ignored_by_git(top, lines):
    (top / ".git/info/exclude").write_text("\n".join(lines) + "\n")
    asked = subprocess.run(
        ["git", "-c", "core.excludesFile=", "check-ignore", "-z", "--no-index", "--stdin"],
        cwd=top,
        input="\0".join(path.rstrip("/") for path in _paths()).encode(),
        capture_output=True,
        env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull},
    )
    return {path.rstrip("/") for path in asked.stdout.decode().split("\0") if path}


def ignored_by_us(top, lines):
    (top / ".git/info/exclude").write_text("\n".join(lines) + "\n")
    patterns = Patterns.of_file(str(top / ".git/info/exclude"), str(top))
    found = set()
    for path in _paths():
        names = path.rstrip("/").split("/")
        verdicts = (
            patterns.verdict(names[:depth], is_folder=depth < len(names) or path.endswith("/"))[0]
            for depth in range(1, len(names) + 1)
        )
        if any(verdicts):
            found.add(path.rstrip("/"))
    return found


def test_a_gitignore_means_what_git_takes_it_for(tree):
    draw = random.Random(7)
    files = [[line] for line in WRITTEN]
    files += [["*", f"!{line}"] for line in WRITTEN]
    files += [
        ["".join(draw.choices(PIECES, k=draw.randrange(1, 6))) for _ in range(draw.randrange(1, 4))]
        for _ in range(60)
    ]
    for lines in files:
        assert ignored_by_us(tree, lines) == ignored_by_git(tree, lines), lines


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("a\n" * 6000, "holds more than 5,000 patterns"),
        ("#" + "x" * ignoring.LONGEST_FILE, "is larger than 128 kB"),
    ],
)
@pytest.mark.parametrize("place", ["", "inner/"])
def test_a_gitignore_that_is_too_large_to_be_heeded_leaves_its_folder_out(shelf, content, reason, place):
    shelf.write(f"{place}.gitignore", content)
    shelf.write(f"{place}secret.md", "Ignored, who knows.")
    told = reasons(shelf.build())
    assert len(told) == 1
    assert f"its .gitignore {reason}; shorten it, or set plugins.ingest.git_ignored to true" in " ".join(
        told.values()
    )
    assert shelf.texts() == []


def too_much(shelf):
    """Build, and give the reasons why folders were left out."""
    return [why for name, why in reasons(shelf.build()).items() if not name.endswith(".gitignore")]


def test_many_gitignores_that_are_too_much_together_leave_the_folder_out_where_they_become_so(shelf):
    for depth in range(1, 5):
        shelf.write(f"{'a/' * depth}.gitignore", "".join(f"x{number}\n" for number in range(1500)))
        shelf.write(f"{'a/' * depth}one.md", f"At depth {depth}.")
    (told,) = too_much(shelf)
    assert "hold more than 5,000 patterns; shorten them" in told
    assert sorted(shelf.texts()) == ["At depth 1.", "At depth 2.", "At depth 3."]


def test_patterns_of_many_names_leave_out_what_lies_too_deep_for_them(shelf):
    """Each is followed along the whole path of each file: patterns and depth together are bounded."""
    shelf.write(".gitignore", "**/x/**/y/**/z\n" * 900)
    shelf.write(f"{'a/' * 20}one.md", "Not too deep.")
    shelf.write(f"{'a/' * 50}two.md", "Too deep.")
    (told,) = too_much(shelf)
    assert "it lies so deep that the patterns of many names" in told
    assert shelf.texts() == ["Not too deep."]


def test_a_line_of_very_many_names_is_too_much_at_any_depth(shelf):
    shelf.write("a/.gitignore", "**/x/" * 20_000)
    shelf.write(f"{'a/' * 8}one.md", "One.")
    (told,) = too_much(shelf)
    assert "would take too long" in told
    assert shelf.texts() == []
