"""Stands in for systemctl and launchctl: `stand_in.py STATE TOOL ARGUMENT …`.

STATE is a folder. `calls` there gets a line for each call, and these files steer what happens: `fail` (a line for
each call to refuse), `dies` (the service ends as soon as it is started), `silent` (it starts, and leaves no address).
"""

import json
import os
import sys
from pathlib import Path

STATE = Path(sys.argv[1])
TOOL, WORDS = sys.argv[2], sys.argv[3:]
LINE = " ".join([TOOL, *WORDS])
UNIT = "faiss-memory.service"


def has(name):
    return (STATE / name).exists()


def put(name, text="1"):
    (STATE / name).write_text(text)


def drop(name):
    (STATE / name).unlink(missing_ok=True)


def address():
    return Path(os.environ["XDG_RUNTIME_DIR"]) / "faiss-memory" / "service.json"


def start():
    if has("running"):
        return
    if has("dies"):
        put("failed")
        return
    pid = (STATE / "pid").read_text()  # of a process that is there
    put("running", pid)
    if not has("silent"):
        address().parent.mkdir(parents=True, exist_ok=True)
        left = {
            "url": "http://127.0.0.1:8900",
            "pid": int(pid),
            "secret": "known",
            "started": "2026-02-14T10:00:00+00:00",
        }
        address().touch(0o600)
        address().write_text(json.dumps(left))


def stop():
    drop("running")
    address().unlink(missing_ok=True)


def systemctl(words):
    assert words.pop(0) == "--user"
    verb, *rest = words
    if verb == "show" and UNIT in rest:
        state = "active" if has("running") else "failed" if has("failed") else "inactive"
        print(
            f"ActiveState={state}\nSubState=x\nMainPID={(STATE / 'running').read_text() if has('running') else 0}"
        )
        print(f"UnitFileState={'enabled' if has('enabled') else ''}")
        print("Result=exit-code\nExecMainStatus=2" if has("failed") else "Result=success\nExecMainStatus=0")
    elif verb == "daemon-reload":
        put("reloaded")
    elif verb in ("enable", "disable"):
        assert rest == ["--now", UNIT]
        assert has("reloaded")
        (put if verb == "enable" else drop)("enabled")
        start() if verb == "enable" else stop()
    elif verb in ("start", "stop", "restart"):
        assert rest == [UNIT]
        if verb != "start":
            stop()
        if verb != "stop":
            start()
    elif verb == "reset-failed":
        drop("failed")


def launchctl(words):
    verb, target, *rest = words
    if verb == "print" and target.count("/") == 1:
        return 0
    if verb == "print":
        if not has("loaded"):
            return 113
        pid = f"\tpid = {(STATE / 'running').read_text()}\n" if has("running") else ""
        print(f"{target} = {{\n\tactive count = 1\n\tstate = x\n{pid}\tlast exit code = 0\n}}")
    elif verb == "bootstrap":
        waiting = int((STATE / "stopping").read_text()) if has("stopping") else 0
        if has("loaded") or waiting:
            put("stopping", str(waiting - 1))
            print("Bootstrap failed: 5: Input/output error", file=sys.stderr)
            return 5
        assert Path(rest[0]).is_file()
        put("loaded")
        start()
    elif verb == "bootout":
        drop("loaded")
        stop()
    elif verb == "kickstart":
        if target == "-k":
            stop()
        start()
    return 0


def main():
    with (STATE / "calls").open("a") as calls:
        calls.write(LINE + "\n")
    refused = (STATE / "fail").read_text().splitlines() if has("fail") else []
    if any(line in LINE for line in refused):
        print(f"refused:\n {LINE}", file=sys.stderr)
        return 1
    return {"systemctl": systemctl, "launchctl": launchctl}[TOOL](WORDS) or 0


if __name__ == "__main__":
    sys.exit(main())
