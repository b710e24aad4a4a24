"""A browser for the tests: Debian's Chromium, driven by Playwright, that notes all that a page should never do."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.running import ROOT, RunningService

NAMES = ("chromium", "chromium-browser", "google-chrome")
AXE = ROOT / ".venv" / "web" / "node_modules" / "axe-core" / "axe.min.js"
SCREENS = (
    "memories",
    "recall",
    "review",
    "projects",
    "analytics",
    "assistants",
    "backups",
    "inout",
    "settings",
    "add",
    "start",
)
MISSING = "no Chromium: `make web-check` installs it"


@contextmanager
def chromium() -> Iterator[Any]:
    """Start the browser; skips, by the name of what is missing, where there is none."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="no Playwright: `make web-check` installs it"
    )
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip(MISSING)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """A page that is looked at; `wrong` has what the console said, and what was asked of others."""

    def __init__(self, browser: Any, service: RunningService, **options: Any) -> None:
        self.service = service
        self.origin = f"http://127.0.0.1:{service.port}"
        options.setdefault("viewport", {"width": 1440, "height": 900})
        options.setdefault("reduced_motion", "reduce")
        self.context = browser.new_context(permissions=["clipboard-write"], **options)
        self.context.set_default_timeout(10_000)
        if AXE.is_file():
            self.context.add_init_script(path=AXE)
        self.wrong: list[str] = []
        self.page = self.tab()

    def tab(self) -> Any:
        page = self.context.new_page()
        page.on("console", lambda said: said.type in ("error", "warning") and self.wrong.append(said.text))
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("dialog", lambda dialog: (self.wrong.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda asked: self._check(asked.url))
        return page

    def _check(self, url: str) -> None:
        if not url.startswith((self.origin, "data:")):
            self.wrong.append(f"asked {url}")

    def go(self, address: str = "memories", page: Any = None) -> None:
        """Go to a screen, as from a link, and wait until it is there."""
        page = page or self.page
        page.goto(f"{self.origin}/#/{address}")
        page.reload()
        page.wait_for_selector("main h1")
        page.wait_for_load_state("networkidle")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def said(self, text: str | re.Pattern[str]) -> None:
        """Wait until the page says what was done."""
        self.page.locator(".toast").get_by_text(text).wait_for()

    def add(self, text: str, **given: Any) -> int:
        status, answer = self.service.call("POST", "/memory/add", {"text": text, **given})
        assert status == 201, answer
        number: int = answer["id"]
        return number

    def findings(self) -> list[str]:
        """Return what axe finds."""
        found = self.page.evaluate(
            "async () => (await axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa',"
            " 'best-practice']})).violations.map(one => one.id + ': ' + one.nodes.map(node => node.html + ' '"
            " + node.failureSummary).join('\\n'))"
        )
        return list(found)

    def is_wide(self) -> bool:
        """Return whether one would have to scroll sideways."""
        return bool(self.page.evaluate("() => document.documentElement.scrollWidth > innerWidth"))

    def close(self) -> None:
        self.context.close()
        assert not self.wrong, "\n".join(self.wrong)


@contextmanager
def visited(browser: Any, data: Path, **settings: Any) -> Iterator[Visit]:
    """Look at a service of one's own, on the stand-in model."""
    options = settings.pop("options", {})
    with RunningService(data, fake=True, **settings) as service:
        visit = Visit(browser, service, **options)
        yield visit
        visit.close()
