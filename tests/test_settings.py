"""Settings: where they come from, which one wins, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
from pathlib import Path

import pytest
from msgspec import Struct

from faiss_memory import hookimpl
from faiss_memory.errors import ConfigError, PluginError
from faiss_memory.plugin_host import PluginHost, section_types
from faiss_memory.settings import Positive, Secret, environment_name, known_keys, load
from tests import forking
from tests.running import ROOT, RunningService


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home folder without a configuration file of the person's."""
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))


def config(tmp_path, text):
    path = tmp_path / "faiss-memory.yaml"
    path.write_text(text)
    return path


def refusal(*arguments):
    """Load settings that are wrong; gives what is said about them."""
    with pytest.raises(ConfigError) as raised:
        load(*arguments)
    return str(raised.value)


# Which one wins.


def test_the_defaults_hold_where_nothing_is_set():
    loaded = load(None, {}, {})
    settings = loaded.settings
    assert (settings.host, settings.port, settings.model_name) == ("127.0.0.1", 8900, "all-MiniLM-L6-v2")
    assert (settings.max_backups, settings.startup_wait) == (10, 10.0)
    assert {origin.origin for origin in loaded.origins} == {"default"}
    assert {origin.key for origin in loaded.origins} == set(known_keys())


def test_file_gives_way_to_environment_and_environment_to_command_line(tmp_path):
    path = config(tmp_path, "port: 1\nthreads: 1\nmodel_name: one\nlimits:\n  k: 1\n  tags: 1\n")
    environment = {"PORT": "2", "FAISS_MEMORY_THREADS": "2", "FAISS_MEMORY_LIMITS_K": "2"}
    loaded = load(path, {"port": "3", "limits.k": 3}, environment)
    settings = loaded.settings
    assert (settings.port, settings.threads, settings.model_name) == (3, 2, "one")
    assert (settings.limits.k, settings.limits.tags, settings.limits.batch) == (3, 1, 1000)
    origins = {origin.key: origin.origin for origin in loaded.origins}
    assert origins["port"] == "command line"
    assert origins["threads"] == "environment FAISS_MEMORY_THREADS"
    assert origins["model_name"] == origins["limits.tags"] == str(path)
    assert origins["limits.batch"] == "default"


@pytest.mark.parametrize(
    ("name", "value", "key", "read"),
    [
        ("PORT", "8000", "port", 8000),
        ("MODEL_NAME", "all-mpnet-base-v2", "model_name", "all-mpnet-base-v2"),
        ("DATA_DIR", "/data", "data_dir", "/data"),
        ("MAX_BACKUPS", "3", "max_backups", 3),
    ],
)
def test_the_short_names_are_read_and_the_long_ones_win(name, value, key, read):
    loaded = load(None, {}, {name: value})
    (origin,) = (origin for origin in loaded.origins if origin.key == key)
    assert (origin.value, origin.origin) == (read, f"environment {name}")
    long = environment_name(key)
    both = load(None, {}, {name: "1", long: value}).origins
    (origin,) = (origin for origin in both if origin.key == key)
    assert (origin.value, origin.origin) == (read, f"environment {long}")


@pytest.mark.parametrize("key", sorted(known_keys()))
def test_every_setting_has_an_environment_name(key):
    values = {int: "7", float: "0.5", bool: "true", str: "https://x.example", tuple: "a,b"}
    name = environment_name(key)
    assert name == "FAISS_MEMORY_" + key.upper().replace(".", "_")
    default = {origin.key: origin.value for origin in load(None, {}, {}).origins}[key]
    text = {"write_project": "shop", "secrets": "reject", "metric": "dot"}.get(key, values[type(default)])
    needed = {"FAISS_MEMORY_TOKEN": "t", "FAISS_MEMORY_PUBLIC_TOKEN": "p"}
    if key.startswith("oauth_"):  # which are about the public address, and go together
        together = ("FAISS_MEMORY_PUBLIC_URL", "FAISS_MEMORY_OAUTH_ISSUER", "FAISS_MEMORY_OAUTH_JWKS")
        needed |= dict.fromkeys(together, text)
    origins = load(None, {}, {**needed, name: text}).origins
    (origin,) = (origin for origin in origins if origin.key == key)
    assert origin.value != default
    assert origin.origin == f"environment {name}"


def test_lists_are_written_with_commas_or_as_yaml_lists(tmp_path):
    environment = {"FAISS_MEMORY_ALLOWED_HOSTS": " a.lan , b.lan,", "FAISS_MEMORY_PLUGINS_DISABLED": "x"}
    settings = load(None, {"read_projects": "a,b"}, environment).settings
    assert settings.allowed_hosts == ("a.lan", "b.lan")
    assert settings.plugins.disabled == ("x",)
    assert settings.read_projects == ("a", "b")
    bracketed = load(
        None, {"read_projects": "[a, 'b']", "allowed_hosts": "[1, a"}, {"FAISS_MEMORY_PLUGINS_DISABLED": "[]"}
    )
    assert bracketed.settings.read_projects == ("a", "b")
    assert bracketed.settings.allowed_hosts == ("[1", "a")
    assert bracketed.settings.plugins.disabled == ()
    path = config(tmp_path, "allowed_hosts: [a.lan, b.lan]\nplugins:\n  disabled:\n    - x\n")
    settings = load(path, {}, {}).settings
    assert (settings.allowed_hosts, settings.plugins.disabled) == (("a.lan", "b.lan"), ("x",))


def test_folders_may_start_with_the_home_folder(tmp_path):
    settings = load(None, {"data_dir": "~/memories", "cache_dir": Path("~/cache")}, {}).settings
    assert settings.data_folder == tmp_path / "home" / "memories"
    assert settings.cache_folder == tmp_path / "home" / "cache"


# What is refused.


@pytest.mark.parametrize(
    ("written", "nearest"),
    [
        ("prot: 1", "port"),
        ("limits:\n  text_byte: 1", "limits.text_bytes"),
        ("Port: 1", "port"),
        ("dataDir: x", "data_dir"),
    ],
)
def test_an_unknown_key_in_the_file_is_refused_with_the_nearest(tmp_path, written, nearest):
    path = config(tmp_path, written)
    said = refusal(path, {}, {})
    assert said.startswith(str(path))
    assert f"did you mean `{nearest}`" in said


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("FAISS_MEMORY_PROT", "FAISS_MEMORY_PORT"),
        ("FAISS_MEMORY_LIMITS_TEXT", "FAISS_MEMORY_LIMITS_TEXT_BYTES"),
        ("FAISS_MEMORY_LIMITS", "FAISS_MEMORY_LIMITS_"),
        ("FAISS_MEMORY_DISABLED_PLUGINS", "FAISS_MEMORY_"),
    ],
)
def test_an_unknown_name_in_the_environment_is_refused_with_the_nearest(name, nearest):
    said = refusal(None, {}, {name: "1"})
    assert said.startswith(f"environment: {name} is not a setting; did you mean {nearest}")


def test_names_with_the_prefix_that_are_no_settings_are_passed_over():
    load(
        None,
        {},
        {"FAISS_MEMORY_URL": "http://x", "FAISS_MEMORY_BIND": "127.0.0.1", "PATH": "x", "TOKEN": "x"},
    )


@pytest.mark.parametrize(
    ("key", "nearest"), [("prot", "port"), ("limits.kk", "limits.k"), ("limits", "limits.k")]
)
def test_an_unknown_key_on_the_command_line_is_refused_with_the_nearest(key, nearest):
    said = refusal(None, {key: "1"}, {})
    assert said.startswith(f"command line: `{key}` is not a setting")
    assert f"did you mean `{nearest}" in said


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("port: many", "port"),
        ("port: '8900'", "port"),
        ("port: 70000", "port"),
        ("port: -1", "port"),
        ("port: 8900.5", "port"),
        ("port: true", "port"),
        ("port:", "port"),
        ("threads: 0", "threads"),
        ("startup_wait: soon", "startup_wait"),
        ("startup_wait: -1", "startup_wait"),
        ("model_name: ''", "model_name"),
        ("model_name: 5", "model_name"),
        ("token: 12345", "token"),
        ("allowed_hosts: a.lan", "allowed_hosts"),
        ("allowed_hosts: [1]", "allowed_hosts"),
        ("write_project: Shop", "write_project"),
        ('write_project: "shop\\n"', "write_project"),
        ("read_projects: ['[\"default\"]']", "read_projects"),
        ("read_projects: [Shop]", "read_projects"),
        ("limits:\n  k: 0", "limits.k"),
        ("limits:\n  k: {a: 1}", "limits.k"),
        ("port: .nan", "port"),
        ("startup_wait: .nan", "startup_wait"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_by_name(tmp_path, written, key):
    said = refusal(config(tmp_path, written), {}, {})
    assert f"`{key}`: " in said
    assert "12345" not in said


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "http"), ("PORT", ""), ("MAX_BACKUPS", "0"), ("MODEL_NAME", "")]
)
def test_a_value_of_the_wrong_kind_in_the_environment_is_refused_by_name(name, value):
    assert refusal(None, {}, {name: value}).startswith(f"environment {name}: `{name.lower()}`: ")


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("limits: 5", "`limits` is a section"),
        ("plugins: [x]", "`plugins` is a section"),
        ("- port: 1", "must hold `key: value` lines"),
        ("just words", "must hold `key: value` lines"),
        ("port: [", "is not valid YAML"),
        ("port: 1\n\tthreads: 2", "is not valid YAML"),
        ("port: !!python/object:os.system x", "is not valid YAML"),
        ("port: 1\nport: 2", "`port` is there twice"),
        ("limits:\n  k: 1\n  k: 2", "`k` is there twice"),
        ("1: 2", "`1` is not a setting"),
        ("? [a]\n: 1", "is not"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(tmp_path, written, says):
    path = config(tmp_path, written)
    said = refusal(path, {}, {})
    assert said.startswith(str(path))
    assert says in said
    assert "\n" not in said


@pytest.mark.parametrize("written", ["", "# nothing\n", "---\n", "limits:\nplugins:\n"])
def test_a_file_may_be_empty_and_so_may_a_section(tmp_path, written):
    assert load(config(tmp_path, written), {}, {}).settings == load(None, {}, {}).settings


def test_a_file_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_bytes(b"port: \xff\xfe")
    assert str(path) in refusal(path, {}, {})


@pytest.mark.parametrize("value", ["!!int ''", "!!timestamp x", "2026-13-45", "!!bool x"])
def test_a_value_that_yaml_cannot_make_is_refused_with_the_file_s_name(tmp_path, value):
    path = config(tmp_path, f"port: {value}\n")
    assert f"{path}: is not valid YAML" in refusal(path, {}, {})


# Which file.


def test_a_file_that_was_named_must_be_there(tmp_path):
    assert "no such configuration file" in refusal(tmp_path / "nowhere.yaml", {}, {})
    assert "no such configuration file" in refusal(
        None, {}, {"FAISS_MEMORY_CONFIG": str(tmp_path / "nowhere.yaml")}
    )


def test_the_file_on_the_command_line_wins_over_the_named_one_and_that_over_the_persons(tmp_path):
    persons = tmp_path / "home" / "faiss-memory" / "faiss-memory.yaml"
    if sys.platform == "darwin":
        persons = tmp_path / "home/Library/Application Support/faiss-memory/faiss-memory.yaml"
    persons.parent.mkdir(parents=True)
    persons.write_text("port: 1")
    assert load(None, {}, {}).settings.port == 1
    named = config(tmp_path, "port: 2")
    environment = {"FAISS_MEMORY_CONFIG": str(named)}
    assert load(None, {}, environment).settings.port == 2
    given = tmp_path / "given.yaml"
    given.write_text("port: 3")
    assert load(given, {}, environment).settings.port == 3


# The command line.


def command(*arguments, folder=ROOT, **environment):
    """Run the command line; gives the ended process."""
    kept = {name: os.environ[name] for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")}
    return forking.completed(arguments, folder, {"PATH": os.defpath, **kept, **environment})


def test_the_settings_are_shown_with_their_origin(tmp_path):
    path = config(tmp_path, "port: 8901\ntoken: s3cret-value\n")
    options = ["--config", str(path), "--host", "localhost", "--set", "limits.k=50"]
    environment = {"MAX_BACKUPS": "3", "FAISS_MEMORY_PUBLIC_TOKEN": "s3cret-value-2"}
    shown = command("config", *options, **environment)
    assert (shown.returncode, shown.stderr) == (0, "")
    rows = {line.split()[0]: line.split(maxsplit=2)[1:] for line in shown.stdout.splitlines()}
    assert rows["port"] == ["8901", str(path)]
    assert rows["host"] == ['"localhost"', "command line"]
    assert rows["limits.k"] == ["50", "command line"]
    assert rows["max_backups"] == ["3", "environment MAX_BACKUPS"]
    assert rows["model_name"] == ['"all-MiniLM-L6-v2"', "default"]
    assert {key for key in rows if not key.startswith("paths.")} == set(known_keys(section_types(())))
    as_json = command("config", *options, "--json", **environment)
    values = json.loads(as_json.stdout)
    assert values["port"] == {"value": 8901, "origin": str(path)}
    assert values["token"] == {"value": "(set)", "origin": str(path)}
    assert values["public_token"] == {"value": "(set)", "origin": "environment FAISS_MEMORY_PUBLIC_TOKEN"}
    assert values["allowed_hosts"] == {"value": [], "origin": "default"}
    assert "s3cret" not in shown.stdout + as_json.stdout


def test_a_file_in_the_current_folder_is_never_used(tmp_path):
    for name in ("faiss-memory.yaml", "faiss-memory.yml", ".faiss-memory.yaml"):
        (tmp_path / name).write_text("port: 1\n")
    (tmp_path / "config").mkdir()
    shutil.copy(tmp_path / "faiss-memory.yaml", tmp_path / "config")
    shown = command("config", "--json", folder=tmp_path)
    assert json.loads(shown.stdout)["port"] == {"value": 8900, "origin": "default"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--set", "limits.kk=5"], "did you mean `limits.k`"),
        (["--set", "limits.k"], "KEY=VALUE"),
        (["--set", "port=x"], "`port`"),
        (["--config", "nowhere.yaml"], "no such configuration file"),
        (["--data-dir", "x", "--set", "host=0.0.0.0"], "token"),
    ],
)
@pytest.mark.parametrize("name", ["config", "serve"])
def test_a_wrong_setting_is_told_in_a_line_and_exit_code_2(tmp_path, name, arguments, says):
    ended = command(name, *arguments, folder=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("faiss-memory: ")
    assert says in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_data_folder_belongs_to_one_process_and_a_port_too(tmp_path):
    with RunningService(tmp_path / "data", fake=True) as running:
        ended = command("serve", "--data-dir", str(running.data), "--port", "0")
        assert ended.returncode == 3
        assert str(running.data) in ended.stderr
        assert f"process {running.process.pid}" in ended.stderr
        assert "--data-dir" in ended.stderr
        assert "Traceback" not in ended.stderr
        ended = command("serve", "--data-dir", str(tmp_path / "other"), "--port", str(running.port))
        assert ended.returncode == 2
        assert f"port {running.port} is taken" in ended.stderr
        assert "--port" in ended.stderr
        assert "Traceback" not in ended.stderr
        assert running.call("GET", "/health")[1]["status"] == "ok"


def test_the_service_can_be_found_while_it_runs(tmp_path):
    with RunningService(tmp_path / "data", fake=True) as running:
        paths = list(tmp_path.rglob("service.json"))
        assert len(paths) == 2, "in the session's folder, and where a program looks that knows none"
        for path in paths:
            written = json.loads(path.read_text())
            assert written["pid"] == running.process.pid
            assert written["url"] == f"http://127.0.0.1:{running.port}"
        assert running.stop() == 0
        assert not any(path.exists() for path in paths)


def test_the_address_can_be_chosen(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with RunningService(tmp_path / "data", fake=True, port=str(port), host="localhost") as running:
        assert running.port == port
        assert running.call("GET", "/health")[0] == 200


@pytest.mark.parametrize("made", ["a file", "no right to write"])
def test_a_data_folder_that_cannot_be_used_is_told_in_words(tmp_path, made):
    place = tmp_path / "place"
    if made == "a file":
        place.write_text("")
    elif os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    else:
        place.mkdir(mode=0o500)
    ended = command("serve", "--port", "0", "--data-dir", str(place / "data"))
    assert ended.returncode == 1
    assert "cannot be used" in ended.stderr
    assert "--data-dir" in ended.stderr
    assert "Traceback" not in ended.stderr


# A plugin's own settings.


class Mask(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a stranger's plugin can be told."""

    words: tuple[str, ...] = ("password",)
    at_most: Positive = 3
    key: Secret = ""


class Masking:
    @hookimpl
    def register_settings(self):
        return Mask


def load_with_masking(config=None, overrides=None, environ=None):
    extra = [("secretmask", Masking())]
    return load(
        config, overrides or {}, environ or {}, lambda disabled: PluginHost(disabled, extra).section_types()
    )


def test_a_plugins_settings_have_defaults_and_origins():
    loaded = load_with_masking()
    assert loaded.settings.of(Mask) == Mask()
    origins = {origin.key: origin for origin in loaded.origins}
    assert origins["plugins.secretmask.at_most"].value == 3
    assert origins["plugins.secretmask.at_most"].origin == "default"
    assert [key for key, origin in origins.items() if origin.is_secret] == [
        "plugins.postgres.address", "plugins.secretmask.key", "public_token", "store", "token",
    ]  # fmt: skip


def test_a_plugins_settings_are_read_from_every_source_and_the_last_wins(tmp_path):
    path = config(tmp_path, "plugins:\n  secretmask:\n    words: [token]\n    at_most: 4\n    key: one\n")
    environment = {
        "FAISS_MEMORY_PLUGINS_SECRETMASK_AT_MOST": "5",
        "FAISS_MEMORY_PLUGINS_SECRETMASK_KEY": "two",
    }
    loaded = load_with_masking(path, {"plugins.secretmask.key": "three"}, environment)
    assert loaded.settings.of(Mask) == Mask(words=("token",), at_most=5, key="three")
    assert load_with_masking(None, {"plugins.secretmask.words": "a, b"}).settings.of(Mask).words == ("a", "b")


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("plugins:\n  secretmask:\n    at_mots: 1", "did you mean `plugins.secretmask.at_most`"),
        ("plugins:\n  secretmask:\n    at_most: 0", "`plugins.secretmask.at_most`: "),
        ("plugins:\n  secretmask:\n    at_most: '1'", "`plugins.secretmask.at_most`: "),
        ("plugins:\n  secretmask: 1", "`plugins.secretmask` is a section"),
        ("plugins:\n  secretmsak:\n    at_most: 1", "did you mean `plugins.secretmask.at_most`"),
        ("secretmask:\n  at_most: 1", "`secretmask` is not a setting"),
        ("plugins:\n  sections: []", "`plugins.sections` is not a setting"),
    ],
)
def test_a_wrong_setting_of_a_plugin_is_refused_by_name(tmp_path, written, says):
    path = config(tmp_path, written)
    with pytest.raises(ConfigError) as raised:
        load_with_masking(path)
    assert str(raised.value).startswith(str(path))
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("overrides", "environment", "says"),
    [
        ({"plugins.secretmask.at_mots": "1"}, {}, "did you mean `plugins.secretmask.at_most`"),
        ({"at_most": "1"}, {}, "did you mean `plugins.secretmask.at_most`"),
        ({}, {"FAISS_MEMORY_PLUGINS_SECRETMASK_AT": "1"}, "FAISS_MEMORY_PLUGINS_SECRETMASK_AT_MOST"),
        ({}, {"FAISS_MEMORY_PLUGINS_SECRETMASK_AT_MOST": "x"}, "`plugins.secretmask.at_most`: "),
    ],
)
def test_a_wrong_setting_of_a_plugin_is_refused_wherever_it_stands(overrides, environment, says):
    with pytest.raises(ConfigError) as raised:
        load_with_masking(None, overrides, environment)
    assert says in str(raised.value)


def test_settings_of_a_disabled_plugin_may_stay(tmp_path):
    path = config(tmp_path, "plugins:\n  disabled: [recall]\n  recall:\n    k: 3\n    whatever: 1\n")
    loaded = load(path, {}, {"FAISS_MEMORY_PLUGINS_RECALL_TOKENS": "5"}, section_types)
    assert not any(origin.key.startswith("plugins.recall") for origin in loaded.origins)


def test_whoever_does_not_load_the_plugins_passes_over_their_settings(tmp_path):
    path = config(tmp_path, "port: 1\nplugins:\n  secretmask:\n    at_most: 0\n")
    assert load(path, {}, {"FAISS_MEMORY_PLUGINS_X_Y": "1"}).settings.port == 1


class Needs(Struct):
    """A setting without a default."""

    place: str


@pytest.mark.parametrize("kind", [Needs, dict, "Mask", 5])
def test_settings_that_are_no_struct_of_defaults_stop_the_start_with_the_plugins_name(kind):
    class Wrong:
        @hookimpl
        def register_settings(self):
            return kind

    with pytest.raises(PluginError, match="plugin `wrong` does not fit: its `register_settings`"):
        PluginHost((), [("wrong", Wrong())]).section_types()
