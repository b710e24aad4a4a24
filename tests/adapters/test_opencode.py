"""OpenCode's plugin is run by node, as OpenCode would, with a hook program or an address behind it."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from faiss_memory import InstallContext, OwnFile
from faiss_memory.cli.doctor.entries import entries
from faiss_memory_adapters.opencode import adapter

HOOK = "/adapters/opencode/hook?project=shop"
DRIVER = """
const { FaissMemory } = await import(process.argv[2])
const hooks = await FaissMemory({ directory: "/home/jo/website" })
const parts = [
  { id: "prt_1", type: "text", text: "How is money kept?" },
  { id: "prt_2", type: "text", text: "a file's content", synthetic: true },
]
await hooks["chat.message"]({ sessionID: "s" }, { message: { id: "msg_1" }, parts })
const change = hooks["experimental.chat.system.transform"]
const system = ["You are a coder"]
await change({ sessionID: "s" }, { system })
await change({ sessionID: "s" }, { system })
const title = ["You are a title generator. …"]
await change({ sessionID: "s" }, { system: title })
await hooks.event({ event: { type: "session.compacted", properties: { sessionID: "s" } } })
console.log(JSON.stringify({ parts, system, title }))
"""
STAND_IN = """#!{python}
import json, sys
event = json.load(sys.stdin)
open({log!r}, "a").write(json.dumps([sys.argv[1:], event]) + "\\n")
if {answers}:
    print(json.dumps({{"context": event["hook_event_name"] + "!"}}))
"""


def plugin(**given):
    context = InstallContext(url="http://127.0.0.1:8900", project="shop", **given)
    (file,) = [
        file for file in adapter.files(context) if isinstance(file, OwnFile) and file.path.endswith(".js")
    ]
    return file


def run(folder, text):
    (folder / "faiss-memory.mjs").write_text(text)
    (folder / "driver.mjs").write_text(DRIVER)
    command = ["node", folder / "driver.mjs", folder / "faiss-memory.mjs"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def stand_in(folder, answers):
    program, log = folder / "faiss-memory-hook", folder / "log"
    program.write_text(STAND_IN.format(python=sys.executable, log=str(log), answers=answers))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program, log


@pytest.fixture(autouse=True)
def _needs_node():
    if not shutil.which("node"):
        pytest.skip("node is not installed")


def test_memories_come_with_the_prompt_and_the_beginning_with_each_request(tmp_path):
    program, log = stand_in(tmp_path, True)
    seen = run(tmp_path, plugin(hook_command=str(program)).text)
    (brought,) = seen["parts"][2:]
    assert brought["text"] == "chat.message!"
    assert brought["synthetic"] is True
    assert (brought["sessionID"], brought["messageID"]) == ("s", "msg_1")
    assert brought["id"] > "prt_2", "it stands behind what was written"
    assert seen["system"] == ["You are a coder", "session.created!", "session.created!"]
    assert seen["title"] == ["You are a title generator. …"]
    calls = [json.loads(line) for line in log.read_text().splitlines()]
    assert all(words[:3] == ["opencode", "--project", "shop"] for words, _ in calls)
    begun, asked, compacted = (event for _, event in calls)
    assert (begun["source"], compacted["source"]) == ("startup", "compact")
    assert asked["prompt"] == "How is money kept?"
    assert asked["cwd"] == "/home/jo/website"


@pytest.mark.parametrize("program", ["silent", "missing"])
def test_with_the_service_or_the_program_away_nothing_is_added_and_nothing_said(tmp_path, program):
    given = stand_in(tmp_path, False)[0] if program == "silent" else tmp_path / "missing"
    seen = run(tmp_path, plugin(hook_command=str(given)).text)
    assert len(seen["parts"]) == 2
    assert seen["system"] == ["You are a coder"]


@contextmanager
def answering(context):
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append((self.path, self.headers.get("Authorization"), event))
            body = json.dumps({"context": context} if context else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1], asked
    finally:
        server.shutdown()
        server.server_close()


def test_beside_a_container_it_asks_the_address(tmp_path, monkeypatch):
    monkeypatch.setenv("FAISS_MEMORY_TOKEN", "secret")
    text = plugin(command="", hook_command="", has_token=True).text
    assert "spawn" not in text
    with answering("noted") as (port, asked):
        seen = run(tmp_path, text.replace(":8900", f":{port}"))
    assert [part["text"] for part in seen["parts"][2:]] == ["noted"]
    assert asked[0][:2] == ("/adapters/opencode/hook?project=shop&within_ms=250", "Bearer secret")
    assert len(run(tmp_path, text.replace(":8900", ":9"))["parts"]) == 2


def test_the_doctor_reads_what_the_plugin_starts_or_asks(tmp_path):
    for given in ({}, {"command": "", "hook_command": "", "has_token": True}):
        file = plugin(**given)
        (tmp_path / "faiss-memory.js").write_text(file.text)
        (entry,) = entries({str(tmp_path / "faiss-memory.js"): [file]})
        assert (entry.kind, entry.project, entry.event) == ("hook", "shop", "faiss-memory.js")
        assert entry.headers == ((("Authorization", "Bearer ${FAISS_MEMORY_TOKEN}"),) if given else ())


def test_what_stands_apart_is_whole_whenever_a_session_is_taken_up_again_and_no_prompt_is_answered_twice(
    client,
):
    for text, tags in (("Answer in British spelling", ["pinned"]), ("Money is kept in integer cents", [])):
        client.post("/memory/add", {"text": text, "project": "shop", "tags": tags})

    def fire(name, **more):
        return client.post(HOOK, {"hook_event_name": name, "session_id": "1", **more}).json.get("context", "")

    for _ in range(2):  # the second time in another process
        assert "British" in fire("session.created", source="startup")
    assert "integer cents" in fire("chat.message", prompt="Money is kept in integer cents")
    assert "British" in fire("session.created", source="startup")
    assert fire("chat.message", prompt="Money is kept in integer cents") == ""
    assert "British" in fire("session.created", source="compact")
    assert "integer cents" in fire("chat.message", prompt="Money is kept in integer cents")
