"""Hook program, command line and relay tell nothing to what is not the person's own service."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import faiss_memory_hook
from faiss_memory import address, proving
from faiss_memory.cli.doctor import trial
from faiss_memory.cli.doctor.endpoints import try_mcp
from faiss_memory.cli.doctor.entries import Entry
from faiss_memory.cli.doctor.trial import NotRecalled, ask
from faiss_memory.settings import load
from tests.cli.conftest import environment
from tests.cli.terminals import CommandLine
from tests.mcp.conftest import Piped
from tests.running import RunningService
from tests.users.parts import SECRET, leave, run_hook, squatting

PROMPT = "The launch is on the fourth of May."
TOKEN = "a-token-that-nobody-guesses"

needs_root = pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0, reason="only root can act as another user"
)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A service of this user with a token."""
    with RunningService(tmp_path_factory.mktemp("own") / "data", fake=True, token=TOKEN) as service:
        yield service


def everybody(home, url="", **given):
    """Let each of the three speak to the service with PROMPT, as far as it is found."""
    given |= {"FAISS_MEMORY_URL": url} if url else {}
    folder = home / "folder"
    folder.mkdir(exist_ok=True)
    command = CommandLine(folder, environment(home, home))
    hook = run_hook(home, PROMPT, **given)
    added = command("add", PROMPT, **given)
    with Piped(folder, {**environment(home, home), **given}) as relay:
        relayed = relay.call("memory_search", query=PROMPT)
    return hook, added, relayed


def told_nothing(squatter, ended):
    hook, added, relayed = ended
    assert hook.returncode == 0
    assert hook.stdout == b""
    assert added.code == 4
    assert relayed["isError"]
    assert b"fourth of May" not in squatter.told
    assert TOKEN.encode() not in squatter.told
    assert SECRET.encode() not in squatter.told
    assert b"POST" not in squatter.told


def try_an_mcp_entry(entry):
    try_mcp(entry, trial.TestMemory(1, "text", "default"), "", TOKEN)


# Whose service it is.


def test_the_users_own_need_no_token(own):
    home = own.data.parent
    hook, added, relayed = everybody(home)
    assert hook.returncode == 0
    assert "the service answers" not in hook.stderr.decode()
    assert added.code == 0, added.err
    assert "fourth of May" in relayed["content"][0]["text"]


def test_a_token_that_is_set_proves_as_well(own, tmp_path):
    url = f"http://127.0.0.1:{own.port}"
    hook, added, _ = everybody(tmp_path, url, FAISS_MEMORY_TOKEN=TOKEN)
    assert b"does not prove" not in hook.stderr
    assert added.code == 0, added.err
    wrong = everybody(tmp_path, url, FAISS_MEMORY_TOKEN="another")
    assert b"does not prove" in wrong[0].stderr
    assert "is not its token" in wrong[1].failure(4)


def test_a_squatted_port_is_told_nothing_whatever_is_left_or_set(own, tmp_path):
    with squatting() as squatter:
        leave(tmp_path, url=squatter.url)
        told_nothing(squatter, everybody(tmp_path))
        told_nothing(squatter, everybody(tmp_path, FAISS_MEMORY_TOKEN=TOKEN))
        told_nothing(squatter, everybody(tmp_path, squatter.url, FAISS_MEMORY_TOKEN=TOKEN))


@pytest.mark.long
@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "127.0.0.1", "[::ffff:127.0.0.1]"])
def test_an_address_by_another_name_of_this_machine_has_to_prove_the_same(own, tmp_path, name):
    with squatting() as squatter:
        leave(tmp_path, url=squatter.url)
        told_nothing(squatter, everybody(tmp_path, squatter.url.replace("127.0.0.1", name)))
    _, added, _ = everybody(own.data.parent, f"http://{name}:{own.port}/")
    assert added.code == 0 or "::ffff" in name, added.err


@pytest.mark.parametrize("way", [lambda entry: ask(entry, "POST", entry.url, b"{}", TOKEN), try_an_mcp_entry])
def test_the_doctor_sends_its_token_to_nobody_who_proves_nothing(tmp_path, way):
    """What it tries is what a file names, and an assistant would send the token there."""
    with squatting() as squatter:
        entry = Entry("hook", "", url=f"{squatter.url}/x", headers=(("Authorization", f"Bearer {TOKEN}"),))
        with pytest.raises(NotRecalled, match="does not prove that it is your FAISS Memory"):
            way(entry)
        assert b"GET /proof" in squatter.told
        assert TOKEN.encode() not in squatter.told


@pytest.mark.long
def test_who_hands_the_question_on_to_the_service_is_told_nothing(own, tmp_path):
    left = json.loads((own.data.parent / "faiss-memory" / "service.json").read_text())
    with squatting(behind=own.port) as squatter:
        leave(tmp_path, url=squatter.url, secret=left["secret"])
        told_nothing(squatter, everybody(tmp_path))
        told_nothing(squatter, everybody(tmp_path, squatter.url, FAISS_MEMORY_TOKEN=TOKEN))
        assert b"GET /proof" in squatter.told


@pytest.mark.long
def test_not_on_another_address_of_the_machine_either(own, tmp_path):
    left = json.loads((own.data.parent / "faiss-memory" / "service.json").read_text())
    with squatting(behind=own.port, host="127.0.0.2", port=own.port) as squatter:
        url = f"http://127.0.0.2:{own.port}"
        leave(tmp_path, url=url, secret=left["secret"])
        told_nothing(squatter, everybody(tmp_path))
        told_nothing(squatter, everybody(tmp_path, url, FAISS_MEMORY_TOKEN=TOKEN))


def test_the_port_of_the_settings_is_told_nothing_that_it_cannot_prove(own, tmp_path, monkeypatch):
    with squatting() as squatter:
        port = squatter.url.rpartition(":")[2]
        folder = tmp_path / "folder"
        folder.mkdir()
        command = CommandLine(folder, environment(tmp_path, tmp_path))
        assert "nothing tells that it is yours" in command("add", PROMPT, PORT=port).failure(4)
        assert "does not prove" in command("add", PROMPT, PORT=port, FAISS_MEMORY_TOKEN=TOKEN).failure(4)
        assert b"POST" not in squatter.told
    monkeypatch.delenv("FAISS_MEMORY_URL", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("FAISS_MEMORY_TOKEN", raising=False)
    assert faiss_memory_hook.addresses() == []
    monkeypatch.setenv("FAISS_MEMORY_TOKEN", TOKEN)
    assert faiss_memory_hook.addresses() == [("http://127.0.0.1:8900", TOKEN, TOKEN)]


def test_in_its_container_nobody_else_is_there(own, tmp_path):
    command = CommandLine(tmp_path, environment(tmp_path, tmp_path))
    given = {"PORT": str(own.port), "FAISS_MEMORY_PUBLISHED_ON": "127.0.0.1"}
    assert "wants a token" in command("list", **given).failure(1)
    assert command("list", **given, FAISS_MEMORY_TOKEN=TOKEN).code == 0


def test_a_published_port_is_a_place_of_the_service(tmp_path):
    given = {"token": TOKEN, "published_on": "127.0.0.1", "published_port": "12345"}
    with RunningService(tmp_path / "data", fake=True, **given) as service:
        nonce = proving.new_nonce()
        proofs = service.call("GET", f"/proof?nonce={nonce}")[1]["proofs"]
        assert proving.proof(TOKEN, nonce, "127.0.0.1:12345") in proofs
        assert proving.proof(TOKEN, nonce, f"127.0.0.1:{service.port}") in proofs
        assert proving.proof(TOKEN, nonce, "127.0.0.1:8900") not in proofs


# Which file is believed.


def believed(home, monkeypatch):
    """Ask both readers, which must agree."""
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home))
    for name in ("FAISS_MEMORY_URL", "FAISS_MEMORY_TOKEN", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    found = address.service_address(load(None, None, {}).settings)
    hooks = faiss_memory_hook.addresses()
    assert [url for url, _, _ in hooks] == ([] if found.is_guess else [found.url])
    return not found.is_guess


def test_a_private_file_of_a_running_process_is_believed(tmp_path, monkeypatch):
    leave(tmp_path, url="http://127.0.0.1:1")
    assert believed(tmp_path, monkeypatch)


@pytest.mark.parametrize("mode", [0o640, 0o644, 0o620, 0o606, 0o666])
def test_a_file_that_others_can_reach_is_not(tmp_path, monkeypatch, mode):
    leave(tmp_path, mode, url="http://127.0.0.1:1")
    assert not believed(tmp_path, monkeypatch)


def test_a_link_is_not(tmp_path, monkeypatch):
    file = leave(tmp_path, url="http://127.0.0.1:1")
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    assert not believed(tmp_path, monkeypatch)


def test_what_is_no_file_is_not_waited_for(tmp_path, monkeypatch):
    file = leave(tmp_path, url="http://127.0.0.1:1")
    file.unlink()
    os.mkfifo(file, 0o600)
    assert not believed(tmp_path, monkeypatch)


def test_one_whose_process_has_ended_is_not(tmp_path, monkeypatch):
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    leave(tmp_path, url="http://127.0.0.1:1", pid=int(ended.stdout))
    assert not believed(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    "content",
    [
        {"secret": ""},
        {"secret": None},
        {"pid": 0},
        {"pid": -1},
        {"pid": "x"},
        {"url": None},
        {"pid": 1 << 70},
    ],
)
def test_one_that_lacks_something_is_not(tmp_path, monkeypatch, content):
    leave(tmp_path, **{"url": "http://127.0.0.1:1", **content})
    assert not believed(tmp_path, monkeypatch)


@needs_root
def test_nor_one_of_another_user(tmp_path, monkeypatch):
    os.chown(leave(tmp_path, url="http://127.0.0.1:1"), 12345, 12345)
    assert not believed(tmp_path, monkeypatch)


@needs_root
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells root whose a process is")
def test_nor_one_whose_number_another_users_process_has_now(tmp_path, monkeypatch):
    process = subprocess.Popen(["sleep", "60"], user=12345)
    try:
        leave(tmp_path, url="http://127.0.0.1:1", pid=process.pid)
        assert not believed(tmp_path, monkeypatch)
    finally:
        process.kill()
        process.wait()


# The proof itself.


def test_both_programs_make_the_same_proof():
    nonce = proving.new_nonce()
    for secret in (SECRET, "ä" * 100, "x"):
        for peer in (("127.0.0.1", 8900), ("::1", 8900)):
            made = proving.proof(secret, nonce, proving.place_of(*peer))
            assert made == faiss_memory_hook.proof(secret, nonce, peer)


@pytest.mark.parametrize("query", ["", "?nonce=", "?nonce=12", "?nonce=" + "z" * 32, "?nonce=" + "0" * 129])
def test_a_proof_needs_a_fresh_nonce(own, query):
    status, answer = own.call("GET", f"/proof{query}")
    assert (status, answer["field"]) == (400, "nonce")


def test_a_proof_tells_no_secret(own):
    left = json.loads((own.data.parent / "faiss-memory" / "service.json").read_text())
    said = json.dumps(own.call("GET", f"/proof?nonce={proving.new_nonce()}"))
    assert TOKEN not in said
    assert left["secret"] not in said


@needs_root
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is not told apart")
def test_a_process_that_has_ended_and_that_nobody_waits_for_does_not_run():
    """As it is under a container's first process; and only root's still seems to be root's own."""
    with subprocess.Popen(["sleep", "60"]) as process:
        assert address.is_ours(process.pid)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not address.is_ours(process.pid)
