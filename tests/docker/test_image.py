"""The images by themselves, with a real engine: `make docker-check`."""

from __future__ import annotations

import json
import re
import time

import pytest

from tests.docker import engine
from tests.docs.documents import blocks

pytestmark = pytest.mark.docker

MOST_ADDED = 400 * 1000 * 1000


def add(text: str, name: str) -> None:
    assert engine.ask("POST", "/memory/add", {"text": text}, name)["success"] is True


def found(query: str, name: str, mode: str = "hybrid") -> list[str]:
    answer = engine.ask("POST", "/search", {"query": query, "mode": mode}, name)
    return [result["text"] for result in answer["results"]]


def in_image(*command: str, image: str = engine.IMAGE) -> str:
    return engine.docker("run", "--rm", "--network", "none", image, *command)


@pytest.mark.usefixtures("images")
def test_the_default_image_adds_at_most_400_mb_to_its_base(report):
    base, slim, full = (engine.inspect(name, ".Size") for name in (engine.base(), engine.IMAGE, engine.FULL))
    report(
        f"image sizes: default base + {(slim - base) / 1e6:.0f} MB, full base + {(full - base) / 1e6:.0f} MB"
    )
    assert slim - base <= MOST_ADDED


@pytest.mark.usefixtures("images")
def test_the_default_image_carries_no_torch_and_the_full_one_does():
    names = "torch", "sentence_transformers", "onnx"
    look = f"import importlib.util as u; print(*(n for n in {names} if u.find_spec(n)))"
    assert in_image("python", "-c", look) == ""
    assert in_image("python", "-c", look, image=engine.FULL).split() == list(names)


@pytest.mark.usefixtures("images")
def test_the_arguments_are_a_program():
    version = in_image("faiss-memory", "version")
    assert version == engine.inspect(engine.IMAGE, ".Config.Labels")["org.opencontainers.image.version"]
    assert in_image("id", "-u") == "1000"


def test_it_runs_without_roots_rights(started):
    name = started()
    status = engine.docker("exec", name, "cat", "/proc/1/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split() == fields["Gid"].split() == ["1000"] * 4
    assert fields["Groups"].strip() == ""
    assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == 0
    assert fields["NoNewPrivs"] == "1"
    assert "serve" in engine.docker("exec", name, "cat", "/proc/1/cmdline")


def test_it_works_with_the_network_cut(started):
    name = started("--network", "none")
    add("whales sing", name)
    assert found("music of the sea", name, "semantic") == ["whales sing"]
    engine.wait(lambda: engine.is_healthy(name), "get healthy", name)


@pytest.mark.usefixtures("images")
def test_readmes_docker_run_works_on_a_read_only_root_file_system(volume):
    text = next(block.text for block in blocks("docs/docker.md", "bash") if "docker run -d" in block.text)
    command = text[text.index("docker run") :].replace("faiss-memory-data", volume)
    assert "--read-only" in command
    try:
        engine.run("bash", "-ec", command)
        engine.wait(engine.is_ready, "get ready")
        add("whales sing", engine.NAME)
        assert found("music of the sea", engine.NAME, "semantic") == ["whales sing"]
        assert engine.run("curl", "-fsS", f"http://localhost:{engine.PORT}/health").stdout
        engine.wait(engine.is_healthy, "get healthy")
        assert "WARNING" not in engine.logs()
        assert "whales sing" in engine.docker("exec", engine.NAME, "faiss-memory", "search", "whales")
    finally:
        engine.remove(engine.NAME)


def test_it_works_as_another_user_without_any_right(started, volume):
    # Not left empty: Docker gives an empty volume the owner that the image's folder has.
    give = "touch /data/mine && chown -R 4321 /data"
    engine.docker("run", "--rm", "--entrypoint", "sh", "-v", f"{volume}:/data", engine.IMAGE, "-c", give)
    name = started("--user", "4321:4321", "--cap-drop", "ALL", "-v", f"{volume}:/data")
    add("whales sing", name)
    assert engine.docker("exec", name, "id", "-u") == "4321"


def test_as_a_user_who_may_not_write_it_says_what_to_do(started):
    name = started("--user", "4321:4321", ready=False)
    engine.docker("wait", name)
    assert engine.inspect(name, ".State.ExitCode") == 1
    assert "/data cannot be written by user 4321" in engine.logs(name)


def test_a_port_that_is_published_without_a_word_needs_a_token(images, started):
    name = started("-e", "FAISS_MEMORY_PUBLISHED_ON=", "-p", "127.0.0.1::8000", ready=False)
    engine.docker("wait", name)
    assert "FAISS_MEMORY_TOKEN" in engine.logs(name)
    bare = engine.docker("run", "-d", "--label", engine.LABEL, engine.IMAGE)
    engine.docker("wait", bare)
    assert "`published_on` is 0.0.0.0, which other machines can reach" in engine.logs(bare)


def test_the_command_line_in_the_container_finds_the_service(started):
    name = started()
    said = engine.docker("exec", "-w", "/", name, "faiss-memory", "add", "whales sing", "--json")
    assert json.loads(said)["id"] == 1
    assert "whales sing" in engine.docker("exec", name, "faiss-memory", "search", "how do whales sing")


def test_another_port_in_the_environment_is_asked_for_its_health_too(started):
    name = started("-e", "PORT=9000", ready=False)
    engine.wait(lambda: engine.is_healthy(name), "get healthy", name)
    assert engine.docker("exec", name, "faiss-memory", "health")


def test_another_model_without_a_compiled_form_leaves_keywords_and_says_what_to_do(started, volume, report):
    began = time.monotonic()
    name = started("-e", "MODEL_NAME=all-mpnet-base-v2", "-v", f"{volume}:/data", ready=False)
    engine.wait(lambda: engine.ask("GET", "/health", name=name).get("status") == "ok", "answer", name)
    engine.wait(lambda: engine.ask("GET", "/stats", name=name)["model_error"], "say what is wrong", name)
    report(f"another model in the default image: says what to do after {time.monotonic() - began:.1f} s")
    assert time.monotonic() - began < 10
    add("whales sing", name)
    assert found("whales", name, "keyword") == ["whales sing"]
    assert found("whales", name) == ["whales sing"]
    error = engine.ask("GET", "/stats", name=name)["model_error"]
    assert "FAISS_MEMORY_IMAGE=full >> .env && docker compose up -d --build" in error
    assert error in engine.logs(name)
    engine.wait(lambda: engine.is_healthy(name), "get healthy", name)

    engine.remove(name)
    name = started("-v", f"{volume}:/data")
    engine.wait(lambda: found("music of the sea", name, "semantic") == ["whales sing"], "embed it", name)


def test_the_compiled_model_is_not_read_again_at_each_start(started):
    name = started()
    folder = engine.docker("exec", name, "sh", "-c", "echo /usr/local/share/faiss-memory/models/*")
    facts = json.loads(engine.docker("exec", name, "cat", f"{folder}/compiled.json"))["files"]["weights.bin"]
    seconds = engine.docker("exec", name, "stat", "-c", "%Y", f"{folder}/weights.bin")
    assert facts["mtime_ns"] == int(seconds) * 10**9


def test_what_has_begun_is_answered_before_it_stops(started):
    name = started()
    memories = [{"text": f"memory number {number} of very many"} for number in range(400)]
    sent = json.dumps({"memories": memories})
    script = (
        f"curl -sS -H 'Content-Type: application/json' -d '{sent}' http://localhost:8000/memory/add-batch"
    )
    engine.docker("exec", "-d", name, "sh", "-c", script)
    # A connection to port 8000 (1F40) that is established (01): the request is on its way.
    talks = ("exec", name, "grep", " 0100007F:1F40 0100007F:.* 01 ", "/proc/net/tcp")
    engine.wait(lambda: engine.docker(*talks, check=False), "be asked", name)
    began = time.monotonic()
    engine.docker("stop", "-t", "15", name)
    assert time.monotonic() - began < 12
    assert engine.inspect(name, ".State.ExitCode") == 0
    assert "POST /memory/add-batch 201" in engine.logs(name)


def reached_out(name: str) -> dict[str, int]:
    """What a container has sent: datagrams, and packets that left it."""
    counted = engine.docker("exec", name, "cat", "/proc/net/snmp", "/proc/net/snmp6", "/proc/net/dev")
    names, numbers = (line.split() for line in counted.splitlines() if line.startswith("Udp:"))
    found = dict(zip(names[1:], map(int, numbers[1:]), strict=True))
    sent = re.findall(r"^ *eth\d+:(?: +\d+){9} +(\d+)", counted, re.MULTILINE)
    return {
        "datagrams": found["OutDatagrams"],
        "datagrams by IPv6": int(
            (re.findall(r"^Udp6OutDatagrams\s+(\d+)", counted, re.MULTILINE) or ["0"])[0]
        ),
        "packets": sum(map(int, sent)),
    }


def test_it_asks_nobody_and_writes_into_its_own_folders_alone_for_a_minute(started):
    began = time.monotonic()
    name = started()
    before = reached_out(name)
    while time.monotonic() - began < 60:
        add("whales sing", name)
        assert found("music of the sea", name, "semantic")
    assert "whales sing" in engine.docker("exec", name, "faiss-memory", "search", "whales")
    after = reached_out(name)
    assert after["datagrams"] == after["datagrams by IPv6"] == 0
    assert after["packets"] == before["packets"]
    changed = [line.split(" ", 1)[1] for line in engine.docker("diff", name).splitlines()]
    ours = re.compile(r"/tmp(/\.local(/state)?)?|/tmp/(\.local/state/)?faiss-memory(/.*)?|/data(/.*)?")
    assert [path for path in changed if not ours.fullmatch(path)] == []


def test_what_is_sent_is_counted(started):
    name = started()
    say = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.7', 53))"
    engine.docker("exec", name, "python", "-c", say)
    assert reached_out(name)["datagrams"] == 1
