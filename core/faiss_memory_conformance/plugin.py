"""The pytest plugin: with `--faiss-memory-adapter`, the checks are run beside the tests that are named, or alone."""

from __future__ import annotations

from pathlib import Path

import pytest

CHECKS = str(Path(__file__).with_name("checks.py"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("faiss-memory", "FAISS Memory")
    group.addoption(
        "--faiss-memory-adapter", action="append", default=[], metavar="NAME",
        help="Check this adapter, which must be installed; may be given several times.",
    )  # fmt: skip
    group.addoption(
        "--faiss-memory-guide", metavar="FILE",
        help="The adapter's guide [docs/integrations/NAME.md, else README.md].",
    )  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    """Take the checks in."""
    if not config.getoption("faiss_memory_adapter") or any(arg.startswith(CHECKS) for arg in config.args):
        return
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args.clear()
    config.args.append(CHECKS)
