"""A data folder checked and mended from the command line."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from tests.cli.conftest import environment
from tests.cli.stub import stub
from tests.cli.terminals import CommandLine
from tests.running import RunningService


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A data folder with a memory, whose service was stopped."""
    data = tmp_path_factory.mktemp("verified") / "data"
    with RunningService(data, fake=True) as service:
        service.call("POST", "/memory/add", {"text": "kept"})
        service.stop()
    return data


def damage(data):
    with closing(sqlite3.connect(data / "memory.db")) as connection, connection:
        connection.execute("UPDATE memories SET text = 'wrong'")


def test_a_sound_folder_is_said_to_be_well(alone, folder):
    ended = alone("verify", "--data-dir", str(folder))
    assert (ended.code, ended.out) == (0, f"All is well in {folder}\n"), ended.err
    answer = json.loads(alone("verify", "--data-dir", str(folder), "--quick", "--json").out)
    assert answer == {"findings": [], "count": 0, "repaired": False, "left": [], "set_aside": []}


def test_where_the_memories_lie_in_a_database_no_folder_is_said_to_be_well(alone, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("store: postgresql://user:hunter2@host/db\n")
    ended = alone("verify", "--config", str(config))
    assert (ended.code, ended.out, "lie in a database" in ended.err) == (1, "", True)
    shown = alone("config", "--config", str(config), "--json")
    assert "hunter2" not in ended.err + shown.out + shown.err
    assert json.loads(shown.out)


def test_damage_is_listed_then_mended_then_gone(alone, folder):
    damage(folder)
    ended = alone("verify", "--data-dir", str(folder))
    assert ended.code == 1
    (row,) = [line.split("\t") for line in ended.out.splitlines()]
    assert (row[0], "checksum" in row[1], "taken from the log" in row[2]) == ("memory.db", True, True)
    assert "--repair" in ended.err
    ended = alone("verify", "--data-dir", str(folder), "--repair")
    assert (ended.code, "all of it mended" in ended.err) == (0, True), ended.err
    assert alone("verify", "--data-dir", str(folder)).code == 0
    with RunningService(folder, fake=True) as service:
        assert service.call("GET", "/memory/1")[1]["text"] == "kept"
        service.stop()


def test_at_a_terminal_it_is_a_table(alone, folder):
    damage(folder)
    seen = alone.seen("verify", "--data-dir", str(folder))
    assert (seen.code, "what is wrong" in seen.shown) == (1, True)
    seen = alone.seen("verify", "--data-dir", str(folder), "--repair")
    assert (seen.code, "mended" in seen.shown) == (0, True)


def test_a_folder_in_use_or_not_there_is_left_alone(alone, running, tmp_path):
    ended = alone("verify", "--data-dir", str(running.data), "--repair")
    assert (ended.code, "Stop that service" in ended.err) == (3, True)
    ended = alone("verify", "--data-dir", str(tmp_path / "nowhere"))
    assert (ended.code, "there is no data folder" in ended.err) == (1, True)
    assert not (tmp_path / "nowhere").exists()


def test_a_memory_is_said_to_be_true_or_not(tmp_path):
    states = {"/memory/1": "fresh", "/memory/2": "changed", "/memory/3": None}

    def answer(method, path, body):
        told = {} if states[path] is None else {"state": states[path]}
        return 200, {
            "id": int(path[-1]),
            "project": "default",
            "source": "a.md",
            "text": "the ledger",
            **told,
        }

    with stub(answer) as service:
        alone = CommandLine(tmp_path, {**environment(tmp_path, tmp_path), "FAISS_MEMORY_URL": service.url})
        assert alone("verify", "1", "3").rows == [
            ["1", "fresh", "default", "a.md", "the ledger"], ["3", "", "default", "a.md", "the ledger"],
        ]  # fmt: skip
        ended = alone("verify", "1", "2", "--json")
        assert (ended.code, [one.get("state") for one in json.loads(ended.out)["memories"]]) == (
            1,
            ["fresh", "changed"],
        )
        assert "its file says something else now" in " ".join(alone.seen("verify", "2").shown.split())
        assert alone("verify", "1", "--repair").code == 2
