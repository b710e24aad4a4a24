"""A stranger's package, found by its entry points alone, brings every kind of part; what is wrong with one is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.conftest import environment
from tests.cli.terminals import CommandLine
from tests.running import RunningService

HERE = Path(__file__).parent
POINTS = """\
[faiss_memory]
shelf = shelf_store
stranger = stranger:plugin
parrot = stranger:adapter

[faiss_memory.commands]
shout = stranger_command:shout
"""


def install(site, **changed):
    """Lay the package down as pip would; `changed` replaces words in a module."""
    described = site / "faiss_memory_stranger-1.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: faiss-memory-stranger\nVersion: 1\n")
    (described / "entry_points.txt").write_text(POINTS)
    for module in ("shelf_store", "stranger", "stranger_command"):
        text = (HERE / f"{module}.py").read_text(encoding="utf-8")
        before, after = changed.get(module, ("", ""))
        assert before in text
        (site / f"{module}.py").write_text(text.replace(before, after), encoding="utf-8")


def person(tmp_path, site, runtime):
    """A command line that finds the package."""
    folder = tmp_path / "folder"
    folder.mkdir()
    return CommandLine(folder, environment(tmp_path, runtime) | {"PYTHONPATH": str(site)})


def test_every_part_of_it_is_used_by_the_public_surface(tmp_path, monkeypatch):
    site, data = tmp_path / "site", tmp_path / "data"
    install(site)
    monkeypatch.setenv("PYTHONPATH", str(site))
    shouting = {"plugins.stranger.times": "2"}
    with RunningService(data, fake=True, **shouting) as service:
        cli = person(tmp_path, site, data.parent)
        # The store: it keeps what is added, and nothing of ours does.
        assert cli("add", "the parrot eats nuts").code == 0
        assert "the parrot eats nuts" in cli("search", "what does the parrot eat?").out
        assert [path.name for path in data.glob("**/memory.db")] == []
        # The settings and the call, with the command that makes it.
        assert service.call("GET", "/shout") == (200, {"said": "hello hello"})
        assert "/shout" in service.call("GET", "/openapi.json")[1]["paths"]
        assert cli("shout").out == "HELLO HELLO\n"
        assert re.search(r"^  shout +Shout as the service does\.$", cli("--help").out, re.MULTILINE)
        assert cli("config", "--set", "plugins.stranger.greeting=hi").out.count("plugins.stranger.") == 2
        # The adapter.
        assert "Parrot" in [one["title"] for one in service.call("GET", "/adapters")[1]["adapters"]]
        told = f"Ask http://127.0.0.1:{service.port} about {cli.folder.name} before you squawk.\n"
        assert cli("install", "parrot", "--yes").code == 0
        assert (cli.folder / ".parrot" / "faiss-memory.md").read_text() == told
        assert "before you squawk" in cli("prompt", "parrot").out
        assert cli("uninstall", "parrot").code == 0
        assert list(cli.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("changed", "given", "told"),
    [
        (
            {"shelf_store": ("    def history(", "    def histroy(")},
            (),
            "plugin `shelf` failed in open_store: TypeError: Can't instantiate abstract class ShelfStore with abstract "
            "method history",
        ),
        (
            {"stranger": ("    def register_routes(", "    def register_ruotes(")},
            (),
            "plugin `stranger` does not fit: unknown hook 'register_ruotes'",
        ),
        ({}, ("--set", "plugins.stranger.tiems=2"), "did you mean `plugins.stranger.times`"),
        ({}, ("--set", "plugins.stranger.times=0"), "plugins.stranger.times"),
    ],
    ids=["a missing method", "a misspelt hook", "a misspelt setting", "a wrong setting"],
)  # fmt: skip
def test_what_is_wrong_with_a_part_stops_the_start_and_is_named(tmp_path, changed, given, told):
    install(tmp_path / "site", **changed)
    said = person(tmp_path, tmp_path / "site", tmp_path)("serve", "--port", "0", *given).failure(2)
    assert told in said
    assert not changed or "To start without it, put this into the configuration file" in said
