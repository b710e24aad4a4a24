"""The service talks to nobody but its callers, and carries no training library."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.running import RunningService

GUARD = '''\
"""Every process that starts here records, and is refused, each attempt to reach beyond this machine."""

import os
import socket

LOG = os.environ["NETWORK_LOG"]
LOCAL = ("127.0.0.1", "::1", "localhost", "0.0.0.0", "::", None, "")


def note(what, where):
    with open(LOG, "a") as log:
        log.write(f"{what} {where}\\n")
    raise OSError(f"{what} {where} is refused here")


def is_local(address):
    return not isinstance(address, tuple) or address[0] in LOCAL


def guarded(name, real):
    def method(self, *arguments):
        if self.family != socket.AF_UNIX and not is_local(arguments[-1]):
            note(name, arguments[-1])
        return real(self, *arguments)

    return method


class Guarded(socket.socket):
    connect = guarded("connect", socket.socket.connect)
    connect_ex = guarded("connect_ex", socket.socket.connect_ex)
    sendto = guarded("sendto", socket.socket.sendto)


def looked_up(name, real):
    def function(host, *arguments, **options):
        if host not in LOCAL:
            note(name, host)
        return real(host, *arguments, **options)

    return function


socket.socket = socket.SocketType = Guarded
for function in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
    setattr(socket, function, looked_up(function, getattr(socket, function)))
with open(LOG, "a") as log:
    log.write("guarded\\n")
'''


TRAINERS = ("torch", "transformers", "sentence_transformers")


class GuardedService(RunningService):
    """A service with the real model, in a process that cannot leave the machine."""

    def __init__(self, data: Path, cache: Path, guard: Path):
        super().__init__(data, cache=cache)
        guard.mkdir()
        (guard / "sitecustomize.py").write_text(GUARD)
        self.attempts = guard / "attempts"
        # An outer proxy setting or an "offline" switch would hide an attempt.
        outer = (
            "http_proxy",
            "https_proxy",
            "all_proxy",
            "no_proxy",
            "hf_hub_offline",
            "transformers_offline",
        )
        for name in [name for name in self._environment if name.lower() in outer]:
            del self._environment[name]
        self._environment |= {"PYTHONPATH": str(guard), "NETWORK_LOG": str(self.attempts)}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory, model_cache):
    """Such a service, after a life of ordinary requests; it still runs."""
    folder = tmp_path_factory.mktemp("network")
    with GuardedService(folder / "data", model_cache, folder / "guard") as running:
        added = running.call("POST", "/memory/add", {"text": "nothing leaves this machine"})
        assert added[0] == 201
        found = running.call("POST", "/search", {"query": "does anything leave?"})
        assert found[1]["results"][0]["id"] == added[1]["id"]
        assert running.call("POST", "/memory/is-novel", {"text": "nothing leaves"})[0] == 200
        assert (
            running.call("POST", "/memory/add-batch", {"memories": [{"text": "a"}, {"text": "b"}]})[0] == 201
        )
        assert running.call("PATCH", "/memory/1", {"text": "nothing at all leaves"})[0] == 200
        assert running.call("POST", "/backup")[0] == 200
        for path in ("/", "/docs"):
            assert running.call("OPTIONS", path)[0] == 200
        for path in (
            "/stats",
            "/memories",
            "/openapi.json",
            "/adapters/generic/files",
            "/adapters/generic/tools",
        ):
            assert running.call("GET", path)[0] == 200
        if sys.platform == "linux":
            running.maps = Path(f"/proc/{running.process.pid}/maps").read_text()
        yield running


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_the_serving_process_carries_no_training_library(guarded):
    assert "onnxruntime" in guarded.maps
    assert "faiss" in guarded.maps
    for library in (
        "/torch/",
        "libtorch",
        "/transformers/",
        "/sentence_transformers/",
        "/sklearn/",
        "/scipy/",
    ):
        assert library not in guarded.maps


@pytest.mark.usefixtures("guarded")  # after it the model is compiled, which does need torch
def test_nothing_is_loaded_that_trains(tmp_path, model_cache):
    guard = tmp_path / "guard"
    running = GuardedService(tmp_path / "data", model_cache, guard)
    refuse = "import sys\n" + "".join(f"sys.modules[{name!r}] = None\n" for name in TRAINERS)
    (guard / "sitecustomize.py").write_text(GUARD + refuse)
    with running:
        assert running.call("POST", "/search", {"query": "x", "mode": "semantic"})[0] == 200


def test_nothing_is_sent_from_start_to_stop(guarded):
    assert guarded.stop() == 0
    assert set(guarded.attempts.read_text().splitlines()) == {"guarded"}
    assert "is refused here" not in guarded.log.read_text()


def test_the_guard_would_have_seen_it(tmp_path, model_cache):
    guard = tmp_path / "guard"
    running = GuardedService(tmp_path / "data", model_cache, guard)
    call_out = (
        "import urllib.request\n"
        "for address in ('http://192.0.2.1/', 'http://telemetry.invalid/'):\n"
        "    try:\n        urllib.request.urlopen(address, timeout=1)\n    except OSError:\n        pass\n"
    )
    (guard / "sitecustomize.py").write_text(GUARD + call_out)
    with running:
        attempts = running.attempts.read_text()
    assert "192.0.2.1" in attempts
    assert "telemetry.invalid" in attempts
