"""Install, an edit by a formatter, the client or a person, uninstall: nothing is lost, and nothing stays unsaid."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from faiss_memory.install import Owner, json_text, toml_text, yaml_text
from faiss_memory.install.data import canonical
from faiss_memory.install.formats import Content, put, state
from faiss_memory.install.merging import Merged, with_owner, without_owner
from faiss_memory.install.record import as_recorded
from faiss_memory.install.words import words
from tests.install.shapes import Shape, shapes

OWNER = Owner("one", "personal", "/x")
FEW, MANY = shapes(3), shapes(22)
assert len(MANY) >= 300


def read(shape: Shape, raw: bytes) -> object:
    """What a file says."""
    text = raw.decode("utf-8-sig")
    if shape.suffix == "md":
        return words(text)
    if shape.suffix in ("json", "jsonc"):
        return canonical(json_text.read(text, comments=shape.suffix == "jsonc"))
    data = toml_text.read(text) if shape.suffix == "toml" else yaml_text.read(text)
    if isinstance(data.get("read"), str):  # the same to aider
        data = {**data, "read": [data["read"]]}
    return canonical(data)


def installed(shape: Shape) -> Merged:
    return with_owner(Content(shape.raw), None, OWNER, as_recorded(shape.parts), force=False)


def check(shape: Shape, merged: Merged, before: bytes, now: bytes) -> None:
    """Hold what an edit has made of a file with us, and an uninstall of that, to the same edit of it without us."""
    parts, content = as_recorded(shape.parts), Content(now)
    assert [state(content, part) for part in parts] == ["same"] * len(parts)
    for part in parts:
        assert put(content, part) == content
    again = with_owner(content, merged.record, OWNER, parts, force=False)
    assert (again.content, again.edited) == (content, [])
    left = without_owner(content, merged.record, OWNER, parts, force=False)
    assert (left.record, left.edited) == (None, [])
    assert without_defaults(shape, left.content.raw or b"", before) == read(shape, before)
    ours = re.findall(r"faiss-memory(?:-hook)?\b(?!-2)", (left.content.raw or b"").decode())
    assert len(ours) == len(re.findall(r"faiss-memory(?:-hook)?\b(?!-2)", before.decode()))


def without_defaults(shape: Shape, raw: bytes, before: bytes) -> object:
    """What a file says, but for members that ours needed, and that stay in a file which is the person's now."""
    found = read(shape, raw)
    there = read(shape, before)
    if shape.suffix == "md" or found == there:
        return found
    (kind, pairs), (_, first) = found, there
    names = {("str", repr(key)) for key in ("version", "$schema", "name", "schema")}
    return kind, [pair for pair in pairs if pair[0] not in names or pair in first]


def by_person(shape: Shape, raw: bytes) -> bytes:
    """Somebody adds something of their own, by hand."""
    text = raw.decode("utf-8-sig")
    newline = "\r\n" if "\r\n" in text else "\n"
    if shape.suffix == "md":
        return f"Mine first.{newline}{newline}{text}{newline}And last.{newline}".encode()
    if shape.suffix == "toml":
        return f"mine = 1 # first{newline}{text}{newline}{newline}[last]{newline}x = 1{newline}".encode()
    if shape.suffix == "yaml":
        flow = text.strip().startswith("{")
        return (
            raw if flow or "---" in text or not text.strip() else f"mine: 1 # first{newline}{text}".encode()
        )
    at = len(_BEFORE.match(text)[0])
    if at == len(text):
        text = f"{text}{newline}{{}}"
        at = len(text) - 2
    comma = "" if re.match(r"\{(\s|//[^\n]*+|/\*.*?\*/)*+\}", text[at:], re.DOTALL) else ","
    return f'{text[: at + 1]} "mine": [1]{comma}{text[at + 1 :]}'.encode()


_BEFORE = re.compile(r"(\s|//[^\n]*+|/\*.*?\*/)*+", re.DOTALL)


def by_client(shape: Shape, raw: bytes) -> bytes:
    """A client reads its file and writes it anew, as Claude Code and Codex do."""
    text = raw.decode("utf-8-sig")
    if shape.suffix == "json":
        data = json.loads(text) if text.strip() else {}
        written = json.dumps(data, indent=2, ensure_ascii=False)
        return re.sub(r'("tim\w+": \d+)(?=[,\n])', r"\1.0", written).encode()
    if shape.suffix == "yaml":
        data = yaml.load(text, yaml.BaseLoader) if "{{" not in text else None
        return raw if data is None else yaml.safe_dump(yaml.safe_load(text), width=30).encode()
    if shape.suffix == "toml":
        return re.sub(r"(_sec = \d+)$", r"\1.0", text, flags=re.MULTILINE).replace("\r\n", "\n").encode()
    return text.replace("\r\n", "\n").encode()


@pytest.mark.parametrize("edit", [by_person, by_client])
def test_an_edit_between_install_and_uninstall_costs_nothing(edit: Callable[[Shape, bytes], bytes]) -> None:
    for shape in FEW:
        merged = installed(shape)
        check(shape, merged, edit(shape, shape.raw), edit(shape, merged.content.raw))


# With the real programs, in `make installs`.

TOOLS = {
    "prettier": "prettier@3",
    "biome": "@biomejs/biome@2",
    "taplo": "@taplo/cli",
    "codex": "@openai/codex",
}
FOLDER = Path(os.environ.get("TEST_FORMATTERS", ".venv/formatters")).absolute()


def program(name: str) -> str:
    """Find a program, or install it; else the test is skipped, and says which one is missing."""
    there = FOLDER / "node_modules/.bin" / name
    if name not in TOOLS or (not there.exists() and not shutil.which("npm")):
        found = shutil.which(name)
        return found or pytest.skip(f"{name} is not there")
    if not there.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        asked = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(FOLDER), TOOLS[name]]
        if subprocess.run(asked, capture_output=True, timeout=600).returncode:
            pytest.skip(f"{name} cannot be installed")
    return str(there)


def through(folder: Path, files: dict[str, bytes], *command: str) -> dict[str, bytes]:
    """Let a formatter loose on a folder of files."""
    folder.mkdir()
    for name, raw in files.items():
        (folder / name).write_bytes(raw)
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    found = {name: (folder / name).read_bytes() for name in files}
    assert found != files, ended.stderr
    return found


FORMATTERS = {
    "prettier": (["--write", "."], ("json", "jsonc", "yaml", "md")),
    "prettier-wrapping": (
        ["--write", ".", "--prose-wrap=always", "--tab-width=4", "--single-quote", "--end-of-line=auto"],
        ("json", "jsonc", "yaml", "md"),
    ),
    "biome": (["format", "--write", "--indent-style=tab", "."], ("json", "jsonc")),
    "taplo": (
        ["format", "--option", "reorder_keys=true", "--option", "indent_tables=true", "*.toml"],
        ("toml",),
    ),
}


@pytest.mark.installs
@pytest.mark.parametrize("name", FORMATTERS)
def test_formatters_leave_ours_ours(tmp_path: Path, name: str) -> None:
    arguments, kinds = FORMATTERS[name]
    command = [program(name.partition("-")[0]), *arguments]
    chosen = [shape for shape in MANY if shape.suffix in kinds]
    merged = {shape.name: installed(shape) for shape in chosen}
    before = through(tmp_path / "before", {shape.name: shape.raw for shape in chosen}, *command)
    now = through(tmp_path / "now", {name: one.content.raw for name, one in merged.items()}, *command)
    for shape in chosen:
        check(shape, merged[shape.name], before[shape.name], now[shape.name])


@pytest.mark.installs
@pytest.mark.parametrize("arguments", [["."], ["-S", "--tab", "."], ["-c", "."]])
def test_jq_leaves_ours_ours(arguments: list[str]) -> None:
    command = [program("jq"), *arguments]

    def through_jq(raw: bytes) -> bytes:
        plain = raw.removeprefix(b"\xef\xbb\xbf") if raw.strip(b"\xef\xbb\xbf \r\n") else b"{}"
        return subprocess.run(command, input=plain, capture_output=True, check=True).stdout

    for shape in MANY:
        if shape.suffix == "json":
            merged = installed(shape)
            check(shape, merged, through_jq(shape.raw), through_jq(merged.content.raw))


@pytest.mark.installs
def test_codex_writes_its_file_anew_and_ours_is_still_ours(tmp_path: Path) -> None:
    codex = program("codex")

    def through_codex(raw: bytes) -> bytes:
        (tmp_path / "config.toml").write_bytes(raw)
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CODEX_HOME": str(tmp_path)}
        asked = [codex, "mcp", "add", "added", "--", "echo", "hi"]
        ended = subprocess.run(asked, env=environment, capture_output=True, text=True, timeout=60)
        now = (tmp_path / "config.toml").read_bytes()
        return now if b"added" in now else pytest.fail(ended.stderr)

    for shape in MANY:
        if shape.suffix == "toml" and b"developer" not in shape.raw:
            merged = installed(shape)
            check(shape, merged, through_codex(shape.raw), through_codex(merged.content.raw))


@pytest.mark.installs
@pytest.mark.parametrize("edit", [by_person, by_client])
def test_edits_of_many_files_cost_nothing(edit: Callable[[Shape, bytes], bytes]) -> None:
    for shape in MANY:
        merged = installed(shape)
        check(shape, merged, edit(shape, shape.raw), edit(shape, merged.content.raw))
