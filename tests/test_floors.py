"""How the house is built: imports go down, files stay small, exceptions to a rule are listed here with their reason."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.every import every

ROOT = Path(__file__).parent.parent
CORE = ROOT / "core" / "faiss_memory"

HOUSES = {
    "faiss_memory": [
        {
            "errors",
            "background",
            "globs",
            "memory",
            "proving",
            "rights",
            "safe_files",
            "secrets",
            "settings",
            "schema",
            "tokens",
            "uids",
            "yaml_errors",
        },
        {
            "analyzer",
            "contracts",
            "novelty",
            "framing",
            "project_name",
            "private",
            "peers",
            "address",
            "logs",
            "log_tail",
        },
        {"adapter", "embedder", "store", "openapi", "team"},
        {"plugin_host", "tools", "engine", "migrating"},
        {"install"},
        {"service"},
        {"http"},
        {"app", "serve", "autostart"},
        {"cli", "__main__"},
    ],
    "faiss_memory.store": [
        {"filesystem", "lock", "busy", "worker", "reserve"},
        {"records"},
        {"index", "backup"},
        {"committer", "opening"},
        {"purge", "fsck", "swapping"},
        {"copies"},
        {"embedded"},
    ],
    "faiss_memory.cli": [
        {"docstrings", "failures", "writing", "records"},
        {"lazy"},
        {
            "output",
            "terminal",
            "client",
            "downloads",
            "here",
            "progress",
            "views",
            "options",
            "settings_options",
            "session",
        },
        {"memories", "overview", "backups", "assistants", "host", "team"},
        {"doctor"},
        {"setup"},
    ],
}
"""The floors of each package whose files have floors of their own: what stands in one room imports from below alone."""
FLOOR = {
    f"{house}.{name}": floor
    for house, floors in HOUSES.items()
    for floor, names in enumerate(floors)
    for name in names
}
MOST_IN_A_FOLDER = 25

INLINE_IMPORTS = {
    "cli/": "--help must not pay for numpy and faiss",
    "embedder/": "torch and onnxruntime are loaded only where they are needed",
    "__init__.py": "the front door loads a name when it is first used",
    "postgres/plugin.py": "the driver is loaded only where a store is on PostgreSQL",
    "formats/markdown.py": "a service that builds nothing does without the parser",
    "/command.py": "nor must that of a guest's command pay for what the command uses",
}
"""By how a file's name begins, or ends."""
LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS = {
    "embedder/compile.py _export": "one model, one export: a class inside needs what is around it"
}
BROAD_EXCEPTS = {
    "store/backup/companions.py take_over": "a guest's fault is in the log and the answer: the records are restored",
    "http/uploads.py not_let_in": "it is logged, and who asks is told to come again: a thread that dies answers nobody",
    "background.py _run": "whoever waits for the thread must be told, whatever has ended it",
    "team/team.py note": "what is noted is done: an answer is not lost by it",
    "team/team.py refused": "it is refused all the same",
    "serve.py _run": "what is written and closed is so all the same, and the exit code tells",
    "engine/engine.py close": "what is left is to be closed all the same",
    "store/purge/purge.py finish": "the memories can be used, and the next start tries again",
    "store/worker.py _keep": "it is told, and tried again",
    "engine/models.py _again": "a plugin that fails at an earlier model must not keep the wanted one from answering",
    "plugin_host.py ask_each": "a plugin's own fault must not undo what was acknowledged",
    "store/committer.py _read": "it is raised in the caller's thread",
    "store/committer.py _attempt": "it is raised in the caller's thread",
    "plugins/faiss_memory_plugins/schedules/keeper.py _outcome": "a plugin's job must not end the others",
    "plugins/faiss_memory_plugins/mcp/calls.py call": "a model can go on without a memory, and is told so",
    "cli/doctor/endpoints.py try_mcp": "whatever the client library raises, the person needs a word about it",
    "store/index/follower.py publish": "the write is safe: a derived file may only cost its own rebuild",
}
"""Those that end by raising need no reason."""

CORE_FILES = sorted(CORE.rglob("*.py"))
GUEST_FILES = sorted([*(ROOT / "adapters").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")])
FILES = [*CORE_FILES, *GUEST_FILES]


def _name(path: Path) -> str:
    return str(path.relative_to(CORE if path.is_relative_to(CORE) else ROOT))


def _path(name: str) -> Path:
    return CORE / name if (CORE / name).exists() else ROOT / name


def _module(path: Path) -> str:
    """`faiss_memory.store.truth`, as it is imported; a package is its folder."""
    parts = path.relative_to(CORE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_module(path) for path in CORE_FILES}


def _walk(node: ast.AST, inside: str = "") -> Iterator[tuple[ast.AST, str]]:
    """Every node with the name of the function around it, what is for type checkers only included."""
    for child in ast.iter_child_nodes(node):
        yield child, inside
        is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        yield from _walk(child, child.name if is_function else inside)


@cache
def _nodes(path: Path) -> list[tuple[ast.AST, str]]:
    return list(_walk(ast.parse(path.read_text(encoding="utf-8"))))


def _imported(node: ast.AST) -> list[str]:
    """The modules an import statement loads: `from faiss_memory import schema` loads faiss_memory.schema."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        deeper = [f"{node.module}.{alias.name}" for alias in node.names]
        found = [name for name in deeper if name in MODULES]
        return found if len(found) == len(deeper) else [str(node.module), *found]
    return []


def _imports(path: Path) -> list[str]:
    return [name for node, _ in _nodes(path) for name in _imported(node)]


def _room(house: str, module: str) -> str | None:
    """The file or package of a house that a module is, or is in."""
    inside = module.removeprefix(f"{house}.")
    return None if inside == module else f"{house}.{inside.split('.')[0]}"


def _arrows(house: str) -> set[tuple[str, str]]:
    """Which room of a house imports from which other."""
    arrows = set()
    for path in CORE_FILES:
        for name in _imports(path):
            room, other = _room(house, _module(path)), _room(house, name)
            if room is not None and other is not None and room != other:
                arrows.add((room, other))
    return arrows


@pytest.mark.parametrize("house", HOUSES)
def test_every_room_has_a_floor(house):
    rooms = {_room(house, module) for module in MODULES} - {None}
    assert rooms == {room for room in FLOOR if room.rpartition(".")[0] == house}


@every([path for path in CORE_FILES if path != CORE / "__init__.py"], _name)
def test_the_core_uses_its_own_modules_and_knows_no_guest(path):
    for name in _imports(path):
        assert name != "faiss_memory"
        assert name.split(".")[0] not in ("faiss_memory_adapters", "faiss_memory_plugins")


@pytest.mark.parametrize("house", HOUSES)
def test_imports_only_go_down(house):
    assert [arrow for arrow in sorted(_arrows(house)) if FLOOR[arrow[0]] < FLOOR[arrow[1]]] == []


@pytest.mark.parametrize("house", HOUSES)
def test_no_two_rooms_need_each_other(house):
    graph: dict[str, set[str]] = {}
    for room, other in _arrows(house):
        graph.setdefault(room, set()).add(other)
    TopologicalSorter(graph).prepare()


def test_no_imports_go_in_circles():
    # A package's __init__ takes part as its folder's name; a module of its own folder does not import it.
    graph = {
        _module(path): {name for name in _imports(path) if name in MODULES and name != "faiss_memory"}
        for path in CORE_FILES
        if path != CORE / "__init__.py"
    }
    for module, names in graph.items():
        package = module.rpartition(".")[0]
        assert package == "faiss_memory" or package not in names, f"{module} imports its own package"
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("folder", sorted({path.parent for path in FILES}), ids=_name)
def test_no_folder_is_a_flat_hall(folder):
    assert len([path for path in folder.iterdir() if path.is_file()]) <= MOST_IN_A_FOLDER


@every(GUEST_FILES, _name)
def test_guests_come_in_by_the_front_door(path):
    ours = [name for name in _imports(path) if name.split(".")[0] == "faiss_memory"]
    assert set(ours) <= {"faiss_memory"}


def test_the_front_door_imports_nothing_of_ours_by_itself():
    loaded = (
        "import sys, faiss_memory; print(*(name for name in sys.modules if name.startswith('faiss_memory.')))"
    )
    ran = subprocess.run([sys.executable, "-c", loaded], check=True, capture_output=True, text=True)
    assert ran.stdout.split() == []


@every(FILES, _name)
def test_imports_stand_at_the_top(path):
    if any(_name(path).startswith(place) or _name(path).endswith(place) for place in INLINE_IMPORTS):
        return
    assert [ast.unparse(node) for node, inside in _nodes(path) if inside and _imported(node)] == []


@every(FILES, _name)
def test_the_environment_is_read_in_one_place(path):
    ends = {"environ", "getenv", "putenv", "environb"}
    nodes = [node for node, _ in _nodes(path) if {getattr(node, "attr", ""), getattr(node, "id", "")} & ends]
    if {ast.unparse(node) for node in nodes} & {"os.environ", "os.getenv", "os.putenv", "environb"}:
        # The front door switches off what libraries would send, before any of them is imported.
        assert _name(path) in ("settings/environment.py", "__init__.py")


@every(FILES, _name)
def test_files_and_functions_stay_small(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= 400 or _name(path) in LONG_FILES, lines
    for node, _ in _nodes(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= 40 or f"{_name(path)} {node.name}" in LONG_FUNCTIONS, (node.name, length)


@every(FILES, _name)
def test_broad_excepts_are_listed_with_their_reason(path):
    for node, inside in _nodes(path):
        if isinstance(node, ast.ExceptHandler):
            caught = "" if node.type is None else ast.unparse(node.type)
            broad = (
                node.type is None or "Exception" in re.findall(r"\w+", caught) or "BaseException" in caught
            )
            goes_on = isinstance(node.body[-1], ast.Raise)
            assert not broad or goes_on or f"{_name(path)} {inside}" in BROAD_EXCEPTS, (inside, node.lineno)


@every(FILES, _name)
def test_a_docstring_says_what_is_returned_by_that_word(path):
    # As PEP 257 has it. A command's docstring is its help.
    for node, _ in _nodes(path):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if any("command" in ast.unparse(decorator) for decorator in node.decorator_list):
            continue
        gives = node.returns is not None and ast.unparse(node.returns) != "None"
        begins = (ast.get_docstring(node) or " ").split()[:1]
        assert not gives or begins not in (["Give"], ["Say"], ["Tell"]), (node.name, node.lineno)


@pytest.mark.parametrize("listed", [LONG_FILES, LONG_FUNCTIONS, BROAD_EXCEPTS], ids=len)
def test_the_lists_name_what_is_there(listed):
    for entry in listed:
        name, _, function = entry.partition(" ")
        assert (
            f"def {function}(" in _path(name).read_text(encoding="utf-8")
            if function
            else _path(name).exists()
        )
