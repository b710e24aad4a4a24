"""What is written into the service's description: this shell's settings, and no secret."""

from __future__ import annotations

import sys

import pytest

from faiss_memory.autostart.command import build_command, settings_of
from faiss_memory.errors import ConfigError


def settings(words):
    """The pairs of `--set`, and what `--config` names."""
    options = list(zip(words[5::2], words[6::2], strict=True))
    pairs = dict(value.split("=", 1) for option, value in options if option == "--set")
    return pairs | {option: value for option, value in options if option != "--set"}


def refusal(config=None, **overrides):
    with pytest.raises(ConfigError) as raised:
        build_command(config, overrides)
    return str(raised.value)


def test_without_settings_there_is_only_the_log_file(home):
    words = build_command(None, {}).words
    assert words[:5] == (sys.executable, "-P", "-m", "faiss_memory", "serve")
    assert settings(words).keys() == {"log_file"}
    assert settings(words)["log_file"].endswith("/faiss-memory.log")


def test_options_and_environment_are_written_out_and_the_command_line_wins(monkeypatch):
    for name, value in {
        "PORT": "1",
        "FAISS_MEMORY_THREADS": "3",
        "MAX_BACKUPS": "4",
        "MODEL_NAME": "m",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FAISS_MEMORY_ALLOWED_HOSTS", "a.lan, b.lan")
    monkeypatch.setenv("FAISS_MEMORY_PLUGINS_INGEST_GIT_IGNORED", "True")
    found = settings(build_command(None, {"port": 2, "limits.k": "50"}).words)
    found.pop("log_file")
    assert found == {
        "port": "2", "threads": "3", "max_backups": "4", "model_name": "m", "limits.k": "50",
        "allowed_hosts": "a.lan,b.lan", "plugins.ingest.git_ignored": "true",
    }  # fmt: skip


def test_the_command_gives_the_settings_it_was_made_from(home, monkeypatch):
    monkeypatch.setenv("FAISS_MEMORY_READ_PROJECTS", "a,b")
    (home / "x.yaml").write_text("threads: 5\ntoken: hush\n")
    command = build_command(home / "x.yaml", {"port": "8901", "data_dir": "m", "startup_wait": "1.5"})
    monkeypatch.delenv("FAISS_MEMORY_READ_PROJECTS")
    loaded = settings_of(command).settings
    assert (loaded.port, loaded.threads, loaded.startup_wait, loaded.token) == (8901, 5, 1.5, "hush")
    assert (loaded.read_projects, loaded.data_folder) == (("a", "b"), home / "m")


@pytest.mark.parametrize("key", ["data_dir", "cache_dir", "log_file"])
def test_paths_no_longer_depend_on_the_current_folder(home, key):
    assert settings(build_command(None, {key: "here/x"}).words)[key] == str(home / "here/x")
    assert settings(build_command(None, {key: "~/x"}).words)[key] == str(home / "x")
    (home / "x.yaml").write_text(f"{key}: there\n")
    assert settings(build_command(home / "x.yaml", {}).words)[key] == str(home / "there")
    (home / "x.yaml").write_text(f"{key}: /there\n")
    assert key not in settings(build_command(home / "x.yaml", {}).words)


def test_a_model_in_a_folder_is_named_in_full_and_one_of_the_hub_is_not(home):
    (home / "mine").mkdir()
    assert settings(build_command(None, {"model_name": "mine"}).words)["model_name"] == str(home / "mine")
    assert settings(build_command(None, {"model_name": "./gone"}).words)["model_name"] == str(home / "gone")
    assert settings(build_command(None, {"model_name": "BAAI/bge"}).words)["model_name"] == "BAAI/bge"


def test_the_configuration_file_is_named_if_the_service_would_not_find_it(home, monkeypatch):
    (home / "x.yaml").write_text("threads: 5\n")
    monkeypatch.setenv("FAISS_MEMORY_CONFIG", "x.yaml")
    assert settings(build_command(None, {}).words)["--config"] == str(home / "x.yaml")
    monkeypatch.delenv("FAISS_MEMORY_CONFIG")
    usual = home / ".config/faiss-memory/faiss-memory.yaml"
    if sys.platform == "darwin":
        usual = home / "Library/Application Support/faiss-memory/faiss-memory.yaml"
    usual.parent.mkdir(parents=True)
    usual.write_text("threads: 5\n")
    assert "--config" not in settings(build_command(None, {}).words)


@pytest.mark.skipif(sys.platform != "linux", reason="only there such folders can be moved")
def test_folders_that_this_shell_moves_are_named(home, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "elsewhere"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cached"))
    found = settings(build_command(None, {}).words)
    assert found["data_dir"] == str(home / "elsewhere/faiss-memory")
    assert found["cache_dir"] == str(home / "cached/faiss-memory")


@pytest.mark.parametrize("key", ["token", "public_token"])
def test_a_secret_is_refused_with_the_way_to_give_it(home, monkeypatch, key):
    said = refusal(**{key: "hush-hush"})
    assert "command line" in said
    assert f"`{key}: …`" in said
    assert "faiss-memory.yaml" in said
    assert "hush" not in said
    monkeypatch.setenv(f"FAISS_MEMORY_{key.upper()}", "hush-hush")
    said = refusal()
    assert f"FAISS_MEMORY_{key.upper()}" in said
    assert "hush" not in said
    (home / "x.yaml").write_text("threads: 3\n")
    assert str(home / "x.yaml") in refusal(home / "x.yaml")
    monkeypatch.setenv(f"FAISS_MEMORY_{key.upper()}", "")
    assert build_command(None, {})


def test_a_secret_in_this_shell_does_not_matter_if_the_file_has_one(home, monkeypatch):
    monkeypatch.setenv("FAISS_MEMORY_TOKEN", "hush-hush")
    (home / "x.yaml").write_text("token: hush\nhost: 0.0.0.0\n")
    command = build_command(home / "x.yaml", {})
    assert "hush" not in " ".join(command.words)
    assert settings_of(command).settings.token == "hush"


@pytest.mark.parametrize("overrides", [{"prot": "1"}, {"port": "many"}, {"host": "0.0.0.0"}])
def test_wrong_settings_are_refused(overrides):
    assert refusal(**overrides)


@pytest.mark.parametrize("name", ["a\nb", "a\x00b", "a\udcffb"])
def test_what_no_description_can_hold_is_refused(name):
    assert "cannot hold" in refusal(data_dir=f"/{name}")
