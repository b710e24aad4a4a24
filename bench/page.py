"""The page in Chromium: how soon its first list is there, and what is found as one types. Left out without one."""

from __future__ import annotations

import shutil
import statistics
from typing import Any

from bench.measure import percentile
from bench.service import Service

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPENED = 5
TYPED = "amounts of money"
AIMS = ("≤ 300 ms", "≤ 100 ms")
WATCH = """
window.listed = 0;
window.drawn = [];
new MutationObserver(() => {
  const isListed = document.querySelector(".memory-row") !== null;
  requestAnimationFrame(() => {
    drawn.push(performance.now());
    if (isListed && !listed) listed = performance.now();
  });
}).observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
"""
"""Notes when the first row was drawn, and every frame that follows a change, in milliseconds since it was opened."""
AFTER_THE_ANSWER = """() => {
  const answers = performance.getEntriesByType("resource").filter((one) => one.name.endsWith("/search"));
  return answers.map((one) => drawn.find((frame) => frame >= one.responseEnd) - one.responseEnd);
}"""


def measure(service: Service) -> list[tuple[str, str, str]]:
    """Open the page several times, and type a question into it, a letter at a time."""
    names = ("page, opened to the first list, median", "page, found as one types: answer to list, p95")
    try:
        opened, typed = _measured(service.url)
    except LookupError as missing:
        return [(name, f"left out: {missing}", aim) for name, aim in zip(names, AIMS, strict=True)]
    values = (
        f"{statistics.median(opened):.0f} ms",
        f"{percentile([one / 1000 for one in typed], 0.95):.0f} ms",
    )
    return list(zip(names, values, AIMS, strict=True))


def _measured(url: str) -> tuple[list[float], list[float]]:
    """Return milliseconds. Raises LookupError, which says what is missing."""
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 (it comes with `make web-check` alone)
    except ImportError:
        raise LookupError("no Playwright, which `make web-check` installs") from None
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        raise LookupError("no Chromium, which `make web-check` installs")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            opened = [_opened(browser, url) for _ in range(OPENED)]
            return opened, _typed(browser, url)
        finally:
            browser.close()


def _page(browser: Any, url: str) -> Any:
    # (Its policy would not let the measuring ask anything of it.)
    page = browser.new_page(viewport={"width": 1440, "height": 900}, bypass_csp=True)
    page.add_init_script(WATCH)
    page.goto(f"{url}/#/memories")
    page.wait_for_function("listed > 0")
    return page


def _opened(browser: Any, url: str) -> float:
    page = _page(browser, url)
    took: float = page.evaluate("listed")
    page.close()
    return took


def _typed(browser: Any, url: str) -> list[float]:
    page = _page(browser, url)
    page.locator("#search").focus()
    for letter in TYPED:
        with page.expect_response("**/search"):  # (slower than one types: each letter is asked for)
            page.keyboard.type(letter)
        page.wait_for_timeout(50)
    page.wait_for_timeout(500)
    took: list[float] = page.evaluate(AFTER_THE_ANSWER)
    page.close()
    return took
