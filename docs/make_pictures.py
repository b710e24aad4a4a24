"""Make README's pictures from the real thing: `python docs/make_pictures.py [FOLDER]`, or `make pictures`.

A service with the real model, in a folder that is thrown away, is given some notes. The page is taken in Chromium; what
an assistant is given with a prompt is asked of the call that Claude Code's hook makes.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

PROJECT = "web-shop"
NOTES = [
    ("Postgres 16 is the only database. MongoDB was ruled out because reporting needs joins.", "decision"),
    ("API calls go through React Query, because it caches and retries by itself.", "convention"),
    (
        "Users log in with JWT access tokens of 15 minutes, and refresh tokens in an http-only cookie.",
        "decision",
    ),
    ("Deployments go out on Tuesdays and Thursdays, never on Fridays.", "convention"),
    (
        "Uploads fail with 413 when nginx's client_max_body_size is left at its default of 1m; we set 20m.",
        "fix",
    ),
    ("Feature flags live in Unleash; a flag is removed two weeks after it is fully on.", "convention"),
    ("Money is kept in integer cents. Floats gave totals that were off by one cent.", "decision"),
    ("Health checks ask 127.0.0.1, because localhost is ::1 on some of the build machines.", "fix"),
]
QUERY = "which database do we use"
PROMPT = "users say that uploading a large photo fails, can you look into it?"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
WIDTH, HEIGHT = 1280, 760
PATIENCE = 60.0
"""Seconds that the service may take to be ready, and the page to show what was found."""


class Service:
    """A service of its own, with the notes."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        program = Path(sys.executable).with_name("faiss-memory")
        command = [program, "serve", "--port", self.url.rpartition(":")[2], "--data-dir", folder / "data"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self) -> Service:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                if self.call("GET", "/health")["model_ready"]:
                    break
            except OSError:
                time.sleep(0.1)
        notes = [
            {"text": text, "tags": [tag], "project": PROJECT, "source": "decisions.md"} for text, tag in NOTES
        ]
        self.call("POST", "/memory/add-batch", {"memories": notes})
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Return the service's answer to a call."""
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)


def take_page(service: Service, picture: Path) -> None:
    """Search for something on the page, open what was found first, and take a picture."""
    browser = next(path for name in CHROMIUM if (path := shutil.which(name)))
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = started.new_page(viewport={"width": WIDTH, "height": HEIGHT}, reduced_motion="reduce")
        page.goto(f"{service.url}/#/memories?project={PROJECT}")
        page.get_by_text("Postgres 16").first.wait_for(timeout=PATIENCE * 1000)
        page.keyboard.press("/")
        with page.expect_response(lambda answer: QUERY in (answer.request.post_data or "")):
            page.keyboard.type(QUERY)
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.get_by_text("Why it matched").first.wait_for(timeout=PATIENCE * 1000)
        page.wait_for_load_state("networkidle")
        page.screenshot(path=picture)
        started.close()


def draw_recalled(service: Service, picture: Path) -> None:
    """Draw a prompt, and what is given to the assistant with it."""
    events = (
        {
            "hook_event_name": "SessionStart",
            "source": "startup",
        },  # (else its first prompt brings that as well)
        {"hook_event_name": "UserPromptSubmit", "prompt": PROMPT},
    )
    for event in events:
        call = f"/adapters/claude-code/hook?project={PROJECT}"
        answer = service.call("POST", call, {**event, "session_id": "picture"})
    given = answer["hookSpecificOutput"]["additionalContext"]
    console = Console(record=True, width=96, file=open("/dev/null", "w", encoding="utf-8"))  # noqa: SIM115
    console.print(Text(f"> {PROMPT}", style="bold"))
    console.print()
    console.print(Text("given with it by FAISS Memory:", style="green"))
    console.print(Text(given, style="dim"))
    # Rich's own form asks for a font of another site.
    form = CONSOLE_SVG_FORMAT
    while "@font-face" in form:
        before, _, after = form.partition("@font-face")
        form = before.rstrip() + after.partition("}}")[2]
    picture.write_text(
        console.export_svg(title="Claude Code", code_format=form, unique_id="recalled"), "utf-8"
    )


def main() -> None:
    """Make both pictures, in the folder that is named or beside this file."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
    with tempfile.TemporaryDirectory() as temporary, Service(Path(temporary)) as service:
        draw_recalled(service, folder / "recalled.svg")
        take_page(service, folder / "page.png")


if __name__ == "__main__":
    main()
