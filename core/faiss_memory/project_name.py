"""Which project a folder belongs to: that of the git repository around it, else `default`. Git itself is not run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from faiss_memory.names import fitted
from faiss_memory.safe_files import located, open_file

DEFAULT = "default"
_LONGEST_PATH = 4096
"""Characters; no system opens a longer one."""
_MOST_BYTES = 1024 * 1024
"""A `.git/config` is a few hundred bytes; of what is much larger only the beginning is read."""


@dataclass(frozen=True, slots=True)
class Repository:
    """The folder a repository is checked out in, and the folder of git's own files, which worktrees share."""

    top: Path
    shared: Path


def project_of(folder: Path) -> str:
    """Name the project of a folder: `owner.repo` of the remote, else the name of the repository's top folder.

    `default` outside any repository, for the home folder and `/`, in a repository that has one of these as its top, and
    for what cannot be a folder.
    """
    if len(str(folder)) > _LONGEST_PATH:
        return DEFAULT
    try:
        folder = folder.resolve()
    except (OSError, RuntimeError, ValueError):  # links in a circle, a null character
        return DEFAULT
    repository = find_repository(folder)
    if repository is None or _is_nobodys(folder) or _is_nobodys(repository.top):
        return DEFAULT
    remote = remote_address(repository)
    named = name_of_remote(remote) if remote else ""
    return named or fitted(_checkout_name(repository))


def find_repository(folder: Path) -> Repository | None:
    """Find the repository around a folder, or None."""
    for top in (folder, *folder.parents):
        own = _git_folder(top / ".git")
        if own is not None:
            return Repository(top, _shared_folder(own))
    return None


def remote_address(repository: Repository) -> str:
    """Read the address of the remote `origin`, else of the first one that has an address, else an empty text."""
    found: dict[str, str] = {}
    for section, name, key, value in read_config(_text(repository.shared / "config")):
        if section == "remote" and key == "url" and value:
            found.setdefault(name, value)
    return found.get("origin") or next(iter(found.values()), "")


def name_of_remote(address: str) -> str:
    """Make a project's name of a remote's address: `git@host:Owner/Repo.git` gives `owner.repo`.

    Of a folder's path only the last part counts. An empty text where nothing of the address is a name.
    """
    path = _remote_path(address.strip())
    parts = [part for part in unquote(path).split("/") if part.strip(" .~")]
    if not parts:
        return ""
    parts[-1] = parts[-1].removesuffix(".git")
    local = _is_local(address.strip())
    return fitted(".".join(parts[-1:] if local else parts)) if parts[-1] else ""


def read_config(text: str) -> Iterator[tuple[str, str, str, str]]:
    """Read git's configuration: section, subsection, key and value of each entry; other files are not included."""
    section = subsection = ""
    for line in _CONTINUED.sub(r"\1", text).split("\n"):
        rest = line.strip(_SPACE)
        header = _HEADER.match(rest)
        if header:
            section, subsection = header["section"].lower(), _unquoted(header["quoted"] or "")
            if header["dotted"]:
                subsection = header["dotted"].lower()
            rest = rest[header.end() :].strip(_SPACE)
        entry = _ENTRY.match(rest)
        if entry:
            yield section, subsection, entry["key"].lower(), _value(entry["value"])


_CONTINUED = re.compile(r"(?<!\\)((?:\\\\)*)\\\r?\n")
_SPACE = " \t\r\f\v"
_HEADER = re.compile(
    r'\[\s*(?P<section>[A-Za-z0-9-]+)(?:\.(?P<dotted>[^\]"\s]*)|\s+"(?P<quoted>(?:\\.|[^"\\])*)")?\s*\]'
)
_ENTRY = re.compile(r"(?P<key>[A-Za-z][A-Za-z0-9-]*)[ \t]*=[ \t]*(?P<value>.*)", re.DOTALL)
_VALUE_PART = re.compile(
    r'"(?P<quoted>(?:\\.|[^"\\])*)"?|(?P<comment>[#;].*)|(?P<plain>(?:\\.|[^"#;\\])+)|\\'
)


def _value(raw: str) -> str:
    value = ""
    for part in _VALUE_PART.finditer(raw):
        if part["comment"] is not None:
            return value.rstrip(_SPACE)
        value += _unquoted(part["quoted"] if part["quoted"] is not None else part["plain"] or "")
    return value if raw.endswith('"') else value.rstrip(_SPACE)


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: {"n": "\n", "t": "\t"}.get(match[1], match[1]), text)


def _git_folder(path: Path) -> Path | None:
    """Follow `.git`: a folder, or a file of a worktree or submodule that says where the folder is."""
    try:
        if path.is_file():
            found = re.match(r"gitdir:\s*(.+)", _text(path, _LONGEST_PATH))
            path = (path.parent / found[1].strip()).resolve() if found else path
        return path if (path / "HEAD").is_file() else None
    except (OSError, ValueError):
        return None


def _shared_folder(own: Path) -> Path:
    shared = _text(own / "commondir", _LONGEST_PATH).strip()
    try:
        return (own / shared).resolve() if shared else own
    except (OSError, ValueError):
        return own


def _checkout_name(repository: Repository) -> str:
    """Name the folder of the first checkout: worktrees of one repository belong to one project."""
    shared = repository.shared
    if shared.is_relative_to(repository.top) or not (shared / "worktrees").is_dir():
        return repository.top.name
    return shared.parent.name if shared.name == ".git" else shared.name.removesuffix(".git")


def _remote_path(address: str) -> str:
    with_scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]*://[^/]*(/.*)?$", address)
    if with_scheme:
        return with_scheme[1] or ""
    as_ssh = re.match(r"[^/:]+:(.*)$", address)
    return as_ssh[1] if as_ssh else address


def _is_local(address: str) -> bool:
    return address.startswith("file:") or not re.match(r"[^/:]+:", address)


def _is_nobodys(folder: Path) -> bool:
    try:
        home = Path.home().resolve()
    except (RuntimeError, OSError):
        home = None
    return folder in (home, Path(folder.anchor))


def _text(path: Path, most: int = _MOST_BYTES) -> str:
    """Return the beginning of a file; an empty text where there is none, or where it leads out of its folder."""
    try:
        with open_file(located(path, within=path.parent)) as file:
            return file.read(most).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""
