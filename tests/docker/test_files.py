"""Dockerfile, compose.yaml, .dockerignore and config/docker.yaml say what README and the program need them to say."""

from __future__ import annotations

import re
import tomllib

import pytest
import yaml

from faiss_memory.errors import ConfigError
from faiss_memory.http.server import DRAIN_SECONDS
from faiss_memory.plugin_host import section_types
from faiss_memory.settings import NOT_SETTINGS, PREFIX, SHORT_NAMES, environment_name, known_keys, load
from tests.docs.documents import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICE = COMPOSE["services"]["faiss-memory"]
SETTINGS = ROOT / "config" / "docker.yaml"


def instructions(word: str) -> list[str]:
    """The arguments of an instruction, wherever it stands; continued lines joined, comments left out."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    return [
        line.removeprefix(f"{word} ").strip() for line in text.splitlines() if line.startswith(f"{word} ")
    ]


def environment() -> dict[str, str | None]:
    named = [entry.partition("=") for entry in SERVICE["environment"]]
    return {name: value if sign else None for name, sign, value in named}


def stages() -> dict[str, str]:
    return {
        name: base for base, name in (line.split(" AS ") for line in instructions("FROM") if " AS " in line)
    }


# compose.yaml.


def test_compose_has_the_one_service_of_the_brief():
    assert list(COMPOSE) == ["services"]
    assert list(COMPOSE["services"]) == ["faiss-memory"]
    assert SERVICE["build"] == {"context": ".", "target": "${FAISS_MEMORY_IMAGE:-slim}"}
    assert SERVICE["image"] == "faiss-memory:${FAISS_MEMORY_IMAGE:-latest}"
    assert SERVICE["container_name"] == "faiss-memory"
    assert SERVICE["restart"] == "unless-stopped"
    assert "./data:/data" in SERVICE["volumes"]
    assert "./sources:/sources:ro" in SERVICE["volumes"]
    assert environment()["MODEL_NAME"] == f"${{MODEL_NAME:-{load(None, {}, {}).settings.model_name}}}"
    assert environment()["MAX_BACKUPS"] == "10"


def test_the_port_is_published_on_this_machine_unless_told_otherwise_and_the_service_knows():
    assert SERVICE["ports"] == ["${FAISS_MEMORY_BIND:-127.0.0.1}:8900:8000"]
    assert environment()["FAISS_MEMORY_PUBLISHED_ON"] == "${FAISS_MEMORY_BIND:-127.0.0.1}"


def test_compose_passes_only_what_is_a_setting_and_an_unset_token_does_not_hide_the_one_in_the_file():
    known = {*SHORT_NAMES, *map(environment_name, known_keys(section_types(())))}
    assert set(environment()) <= known
    assert environment()["FAISS_MEMORY_TOKEN"] is None
    assert environment()["FAISS_MEMORY_ALLOWED_HOSTS"] is None


def test_compose_uses_nothing_that_the_older_docker_compose_does_not_know():
    known = {
        "build", "image", "container_name", "restart", "stop_grace_period", "ports", "volumes", "environment",
        "read_only", "tmpfs", "cap_drop", "cap_add", "security_opt",
    }  # fmt: skip
    assert set(SERVICE) <= known
    assert all(isinstance(entry, str) for entry in [*SERVICE["ports"], *SERVICE["volumes"]])


def test_the_container_can_write_nothing_else_and_has_only_the_rights_that_its_first_process_gives_up():
    assert SERVICE["read_only"] is True
    assert SERVICE["tmpfs"] == ["/tmp"]
    assert SERVICE["security_opt"] == ["no-new-privileges"]
    assert SERVICE["cap_drop"] == ["ALL"]
    assert set(SERVICE["cap_add"]) == {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}


def test_there_is_time_to_drain():
    assert int(SERVICE["stop_grace_period"].removesuffix("s")) > DRAIN_SECONDS + 2


def test_what_compose_mounts_is_there_or_is_made():
    for source, *_ in (volume.split(":") for volume in SERVICE["volumes"]):
        assert source in ("./data", "./sources") or (ROOT / source).is_file()


def test_what_is_made_beside_the_compose_file_is_ignored_by_git():
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {"data/", "/sources/"} <= set(ignored)


# config/docker.yaml.


def test_the_containers_settings_differ_where_they_must_and_nowhere_else():
    given = load(SETTINGS, {}, {"FAISS_MEMORY_PUBLISHED_ON": "127.0.0.1"}, section_types)
    assert {origin.key: origin.value for origin in given.origins if origin.origin != "default"} == {
        "host": "0.0.0.0",
        "port": 8000,
        "published_on": "127.0.0.1",
        "published_port": 8900,
        "data_dir": "/data",
        "cache_dir": "/data/cache",
        "plugins.ingest.roots": ("/sources",),
    }


def test_the_published_port_is_that_of_compose():
    (port,) = SERVICE["ports"]
    settings = load(SETTINGS, {}, {"FAISS_MEMORY_PUBLISHED_ON": "127.0.0.1"}).settings
    assert port.endswith(f":{settings.published_port}:{settings.port}")


@pytest.mark.parametrize("published", [{}, {"FAISS_MEMORY_PUBLISHED_ON": "0.0.0.0"}])
def test_without_a_token_it_must_be_said_that_it_is_published_here_alone(published):
    with pytest.raises(ConfigError, match="FAISS_MEMORY_TOKEN"):
        load(SETTINGS, {}, published)
    load(SETTINGS, {}, published | {"FAISS_MEMORY_TOKEN": "secret"})


# The Dockerfile.


def test_the_default_is_the_slim_image_and_what_is_above_it_has_no_torch():
    names = list(stages())
    assert instructions("FROM")[-1] == "slim"
    above = DOCKERFILE[: DOCKERFILE.index("FROM serving AS full")]
    assert names.index("slim") < names.index("full")
    assert "compiling.txt" not in above
    assert 'pip install --no-cache-dir "$TORCH"' not in above
    assert {base for base in stages().values() if base not in stages()} == {"$BASE"}


def test_the_base_is_pinned_by_its_digest_and_how_to_raise_it_is_said():
    (base,) = (given for given in instructions("ARG") if given.startswith("BASE="))
    assert re.fullmatch(r"BASE=python:3\.11-slim@sha256:[0-9a-f]{64}", base)
    assert "docker buildx imagetools inspect python:3.11-slim" in DOCKERFILE


def test_nothing_that_only_one_of_the_builders_knows_is_used():
    assert not DOCKERFILE.startswith("# syntax")
    for flag in ("--mount", "--chmod", "--link", "--start-interval", "<<"):
        assert flag not in DOCKERFILE


def test_torch_is_the_one_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for name in ("TORCH", "TORCH_CPU_INDEX"):
        stated = re.search(rf"^{name} \?= (.+)$", makefile, re.MULTILINE)
        assert stated
        assert f"{name}={stated[1]}" in instructions("ARG")


def test_the_label_has_the_projects_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f'org.opencontainers.image.version="{version}"' in DOCKERFILE


def test_the_health_is_asked_by_address_and_soon_enough():
    (check,) = instructions("HEALTHCHECK")
    assert "curl" in check
    assert "http://127.0.0.1:${PORT:-8000}/health" in check
    interval = re.search(r"--interval=(\d+)s", check)
    assert interval
    assert int(interval[1]) <= 5, "an engine of today asks for the first time after the interval"


def test_it_is_stopped_by_the_signal_that_it_knows_and_the_port_is_told():
    assert instructions("STOPSIGNAL") == ["SIGTERM"]
    assert instructions("EXPOSE") == ["8000"]


def test_the_environment_of_the_image_hides_no_setting_of_the_file():
    names = set(re.findall(r"([A-Z_]+)=", " ".join(instructions("ENV"))))
    assert names & set(SHORT_NAMES) == set()
    assert {name for name in names if name.startswith(PREFIX)} <= NOT_SETTINGS


def test_every_file_that_is_built_from_reaches_the_builder():
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = {line.removeprefix("!").rstrip("/") for line in lines if line.startswith("!")}
    assert "*" in lines
    assert kept >= {
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "config",
        "core",
        "adapters",
        "plugins",
        "docker",
    }
    assert all((ROOT / name).exists() for name in kept)


# compose.postgres.yaml.


def test_the_services_over_one_database_are_alike_and_only_the_balancer_is_published():
    composed = yaml.safe_load((ROOT / "compose.postgres.yaml").read_text(encoding="utf-8"))["services"]
    one, two = ({**composed[name], "volumes": []} for name in ("one", "two"))
    assert one == two
    assert composed["one"]["volumes"][0] != composed["two"]["volumes"][0]
    known = {*SHORT_NAMES, *map(environment_name, known_keys(section_types(())))}
    named = [entry.partition("=") for entry in one["environment"]]
    assert {name for name, _, _ in named} <= known
    assert dict((name, value) for name, _, value in named)["FAISS_MEMORY_STORE"].startswith(
        "postgresql://memories:${POSTGRES_PASSWORD:?"
    )
    assert [name for name, service in composed.items() if "ports" in service] == ["balancer"]
    assert composed["balancer"]["ports"] == ["${FAISS_MEMORY_BIND:-127.0.0.1}:8900:8900"]
    assert one["build"]["target"] in stages()
    balancer = (ROOT / "docker/balancer.conf").read_text(encoding="utf-8")
    assert {"one:8000", "two:8000"} <= set(balancer.replace(";", " ").split())
