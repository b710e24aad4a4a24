"""Which project a folder belongs to: that of the git repository around it, else of the folder that is marked as one.

Git itself is not run. What is said here of a folder is the same on every machine, but for the names of its owners: that
no two of them share a name, the service sees to, which knows them all (`service.claims`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from faiss_memory.safe_files import located, open_file
from faiss_memory.schema.names import fitted, suffixed
from faiss_memory.settings.environment import temporary_folder

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


@dataclass(frozen=True, slots=True)
class Place:
    """What a folder belongs to: a project's name, and who it is that should have it."""

    name: str
    owner: str = ""
    """The remote without its scheme, as `github.com/owner/repo`, or a path; empty for what is nobody's."""
    former: tuple[str, ...] = ()
    """Names that earlier versions gave it."""


NOWHERE = Place(DEFAULT)


def project_of(folder: Path) -> str:
    """Name the project of a folder: `owner.repo` of the remote, else the name of the repository's top folder.

    `default` outside any repository, for the home folder and `/`, in a repository that has one of these as its top, and
    for what cannot be a folder. See `place_of` for folders that are marked, and the service for names that two want.
    """
    return place_of(folder).name


def place_of(folder: Path, marks: Collection[str] = (), *, is_root: bool = False) -> Place:
    """Return what a folder belongs to.

    Outside any repository that is the nearest folder, upwards, that holds one of the `marks` (names of files or
    folders), else, with `is_root`, the folder itself: the client works there. The home folder, `/` and the folders for
    temporary files are nobody's.
    """
    if len(str(folder)) > _LONGEST_PATH:
        return NOWHERE
    try:
        folder = folder.resolve()
    except (OSError, RuntimeError, ValueError):  # links in a circle, a null character
        return NOWHERE
    repository = find_repository(folder)
    if repository is not None:
        return NOWHERE if _is_nobodys(folder) or _is_nobodys(repository.top) else _place_of(repository)
    marked = _marked(folder, marks)
    if marked is None and is_root and may_be_a_project(folder):
        marked = folder
    if marked is not None:
        return _own(fitted(marked.name), str(marked))
    return NOWHERE


def may_be_a_project(folder: Path) -> bool:
    """Return whether a folder is one that somebody may work in: not home, `/`, or one for temporary files."""
    return not (_is_nobodys(folder) or _is_temporary(folder)) and folder.is_dir()


def is_gone(owner: str) -> bool:
    """Return whether an owner was a folder of this machine that is no longer there, such as one that was moved."""
    return Path(owner).is_absolute() and not Path(owner).exists() and not Path(f"{owner}.git").exists()


def _place_of(repository: Repository) -> Place:
    remote = remote_address(repository)
    named = name_of_remote(remote) if remote else ""
    if not named:
        return _own(fitted(_checkout_name(repository)), _path_of(repository.shared))
    former = _dotted(_remote_path(remote.strip()))
    owner = _owner_of_remote(remote.strip(), repository.top)
    return _own(named, owner, () if former == named else (former,))


def _own(name: str, owner: str, former: tuple[str, ...] = ()) -> Place:
    # What everybody shares is nobody's own.
    return Place(suffixed(name, owner) if name == DEFAULT else name, owner, former)


def _marked(folder: Path, marks: Collection[str]) -> Path | None:
    """Return the nearest folder, upwards, that holds one of some files or folders."""
    for above in (folder, *folder.parents):
        if _is_nobodys(above):
            return None
        try:
            if any((above / mark).exists() for mark in marks):
                return above
        except OSError:
            return None
    return None


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
    return _dotted(_repository_path(address.strip()), is_local=_is_local(address.strip()))


def _dotted(path: str, *, is_local: bool = False) -> str:
    parts = [part for part in unquote(path).split("/") if part.strip(" .~")]
    if not parts:
        return ""
    parts[-1] = parts[-1].removesuffix(".git")
    return fitted(".".join(parts[-1:] if is_local else parts)) if parts[-1] else ""


def _owner_of_remote(address: str, top: Path) -> str:
    """Return what an address names, in whichever way it is reached: `host/owner/repo`, or the path of a folder."""
    path = unquote(_repository_path(address)).strip("/").removesuffix(".git").strip("/")
    if not _is_local(address):
        return f"{_service_of(_host(address))}/{path}".casefold()
    try:
        return _path_of((top / unquote(address.removeprefix("file://"))).resolve())
    except (OSError, RuntimeError, ValueError):
        return path


def _path_of(git_folder: Path) -> str:
    """Return a repository's path, be it that of its checkout, of git's own folder in it, or of a bare one."""
    return str(git_folder.parent if git_folder.name == ".git" else git_folder).removesuffix(".git")


def _repository_path(address: str) -> str:
    """Return the path of a remote's address; Azure DevOps has a form for each way, here they are one."""
    path = _remote_path(address)
    if _service_of(_host(address)) != _AZURE or _is_local(address):
        return path
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["v3"]:
        return "/".join(parts[1:])
    organization, ends, _ = _host(address).partition(".visualstudio.com")
    if ends and organization != "vs-ssh":
        parts = [organization, *(part for part in parts if part.casefold() != "defaultcollection")]
    if "_git" in parts:
        place = parts.index("_git")
        # A project's first repository is called like it, and its address names it once.
        parts = [*parts[:place], *(parts[place + 1 :] * (2 if place == 1 else 1))]
    return "/".join(parts)


_AZURE = "dev.azure.com"


def _host(address: str) -> str:
    if "://" in address:
        try:
            return (urlsplit(address).hostname or "").casefold()
        except ValueError:
            return ""
    return address.partition(":")[0].rpartition("@")[2].casefold()


def _service_of(host: str) -> str:
    """Return a host by the name that it has for every way to it."""
    if host in ("ssh.dev.azure.com", "vs-ssh.visualstudio.com") or host.endswith(".visualstudio.com"):
        return _AZURE
    return re.sub(r"^(www|ssh|altssh)\.(?=[^.]+\.)", "", host)


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
    return folder in (home, Path(folder.anchor)) or folder in _temporary_folders()


def _is_temporary(folder: Path) -> bool:
    """Return whether a folder was made to be thrown away: it lies where such folders are made."""
    return folder.parent in _temporary_folders()


def _temporary_folders() -> Collection[Path]:
    return {Path(one).resolve() for one in (temporary_folder(), "/tmp", "/var/tmp")}


def _text(path: Path, most: int = _MOST_BYTES) -> str:
    """Return the beginning of a file; an empty text where there is none, or where it leads out of its folder."""
    try:
        with open_file(located(path, within=path.parent)) as file:
            return file.read(most).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""


def read_config(text: str) -> Iterator[tuple[str, str, str, str]]:
    """Read git's configuration: section, subsection, key and value of each entry."""
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
