"""The pytest plugin: with its options, the checks are run beside the tests that are named, or alone."""

from __future__ import annotations

from pathlib import Path

import pytest

CHECKS = str(Path(__file__).with_name("checks.py"))
STORE_CHECKS = str(Path(__file__).with_name("store_checks.py"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("faiss-memory", "FAISS Memory")
    group.addoption(
        "--faiss-memory-adapter", action="append", default=[], metavar="NAME",
        help="Check this adapter, which must be installed; may be given several times.",
    )  # fmt: skip
    group.addoption(
        "--faiss-memory-store",
        action="append",
        default=[],
        metavar="NAME",
        help="Check the store of this plugin, or `embedded`; may be given several times.",
    )
    group.addoption(
        "--faiss-memory-store-place",
        metavar="PLACE",
        help="Where the store is to lie: an empty folder or an address; a new folder for each check otherwise.",
    )
    group.addoption(
        "--faiss-memory-guide", metavar="FILE",
        help="The adapter's guide [docs/integrations/NAME.md, else README.md].",
    )  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    """Take the checks in."""
    asked = {CHECKS: "faiss_memory_adapter", STORE_CHECKS: "faiss_memory_store"}
    wanted = [path for path, option in asked.items() if config.getoption(option)]
    missing = [path for path in wanted if not any(arg.startswith(path) for arg in config.args)]
    if missing and config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args.clear()
    config.args.extend(missing)
