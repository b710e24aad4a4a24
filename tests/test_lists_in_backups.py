"""What is watched and scheduled goes along with backups and archives; what comes from elsewhere is a stranger's."""

from __future__ import annotations

import hashlib
import json

import pytest

from tests.test_owners_in_backups import altered, archive, sent


@pytest.fixture
def home(make_service, client_of, tmp_path):
    for name in ("notes", "here/notes", "only/there", "here/shared/.memory"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "a.md").write_text("# A\n\none")
    client = client_of(
        make_service(data_dir=str(tmp_path / "data"), **{"plugins.ingest.roots": [str(tmp_path)]})
    )
    client.post("/memory/add", {"text": "kept"})
    return client


@pytest.fixture
def elsewhere(make_service, client_of, tmp_path):
    """A service on another machine, as it were: it may read less."""
    settings = {"plugins.ingest.roots": [str(tmp_path / "here")]}
    return client_of(make_service(data_dir=str(tmp_path / "elsewhere"), **settings))


def watched(client):
    return sorted(one["path"] for one in client.get("/index/watches").json["watches"])


def scheduled(client):
    return {one["name"]: one["cron"] for one in client.get("/schedules").json["schedules"]}


def schedule(client, name, cron="0 4 * * *", job="backup", **options):
    answer = client.post("/schedules", {"job": job, "cron": cron, "name": name, "options": options})
    assert answer.status_code in (200, 201), answer.text


def watch(client, path):
    assert client.post("/index/watches", {"path": str(path)}).status_code == 200


def test_a_restore_brings_them_back_and_newer_ones_stay(home, tmp_path):
    watch(home, tmp_path / "notes")
    schedule(home, "nightly")
    made = home.post("/backup").json["backup"]
    home.request("DELETE", "/index/watches", params={"path": str(tmp_path / "notes")})
    schedule(home, "nightly", "0 5 * * *")
    schedule(home, "later")
    answer = home.post("/restore", {"backup": made}).json
    assert answer["left_behind"] == []
    assert watched(home) == [str(tmp_path / "notes")]
    assert scheduled(home) == {"nightly": "0 4 * * *", "later": "0 4 * * *"}


def test_elsewhere_only_what_is_there_and_may_be_read_goes_on_and_the_rest_is_said(home, elsewhere, tmp_path):
    gone = tmp_path / "here/gone"
    gone.mkdir()
    (gone / "a.md").write_text("# A\n\none")
    for path in (tmp_path / "here/notes", tmp_path / "only/there", gone, tmp_path / "here/shared/.memory"):
        watch(home, path)
    schedule(home, "nightly")
    schedule(home, "fine", job="build", sources=[str(tmp_path / "here/notes")])
    schedule(home, "outside", job="build", sources=[str(tmp_path / "only/there")])
    content = archive(home)
    for file in gone.iterdir():
        file.unlink()
    gone.rmdir()
    answer = sent(elsewhere, content)
    assert answer.status_code == 200, answer.text
    assert watched(elsewhere) == [str(tmp_path / "here/notes")]
    assert scheduled(elsewhere) == {"nightly": "0 4 * * *", "fine": "0 4 * * *"}
    left = answer.json["left_behind"]
    for said, why in (
        ("only/there is not watched", "outside the folders"),
        ("here/gone is not watched", "no such folder"),
        (".memory is not watched", "trusted"),
        ("schedule `outside`", "outside the folders"),
    ):
        assert any(said in one and why in one for one in left), (said, left)
    assert all(one in answer.json["message"] for one in left)


GOOD = {
    "watches.json": {"path": "/home/ana/notes", "project": "notes", "by": "add"},
    "schedules.json": {
        "name": "a", "job": "backup", "cron": "0 4 * * *", "settled": "2026-01-02T03:04:05Z", "options": {},
    },
}  # fmt: skip


def hostile(good):
    """Yield contents that no service has written, from one that it could have."""
    written = json.dumps(good)
    yield from (b"", b"rubbish", b"{}", b"null", b"\xff\xfe", b"[" * 200_000, b"[1e999]", b"[NaN]")
    yield b"- &a [*a]\n" + b'- !!python/object/apply:os.system ["true"]\n'
    yield f"[{written[:-1]}, {written[1:]}]".encode()  # each name twice
    yield f"[{written}{' ' * (1 << 21)}]".encode()
    yield f"[{', '.join([written] * 20_000)}]".encode()
    for name in good:
        for value in (None, 7, [], {"a": 1}, "", "\0", "../../etc", "\ud800", "x" * 100_000):
            if (name, value) != ("project", None) and (name, value) != ("options", {"a": 1}):
                yield json.dumps([{**good, name: value}]).encode()
    for deep in ('{"a":' * 5000 + "1" + "}" * 5000, "[" * 5000 + "]" * 5000):
        yield written.replace("{", f'{{"options": {deep}, ', 1).join("[]").encode()


def test_hostile_lists_in_an_archive_are_refused_or_left_out_with_a_reason(home, elsewhere, tmp_path):
    watch(home, tmp_path / "here/notes")
    schedule(home, "nightly")
    content, tried = archive(home), 0
    for file, good in GOOD.items():
        for written in hostile(good):
            answer = sent(elsewhere, with_companion(content, file, written))
            told = answer.json.get("left_behind") or [answer.json.get("description", "")]
            assert answer.status_code == (200 if "left_behind" in answer.json else 400), answer.text
            assert any(file in said for said in told), (written[:200], answer.text)
            tried += 1
    assert tried > 60
    # An archive of which a part could be taken has brought what the other file holds.
    assert scheduled(elsewhere) in ({}, {"nightly": "0 4 * * *"})
    assert watched(elsewhere) in ([], [str(tmp_path / "here/notes")])


def with_companion(content, file, written):
    """Put other content in the place of a companion, with a manifest that fits it."""

    def change(manifest, parts, _):
        (old,) = (one for one in manifest["companions"] if one["name"] == file)
        before = next(name for name in parts if name.endswith(f"{old['sha256'][:8]}-{file}"))
        digest = hashlib.sha256(written).hexdigest()
        del parts[before]
        parts[f"{before.rpartition('/')[0]}/companion-{digest[:8]}-{file}"] = written
        old.update(bytes=len(written), sha256=digest)

    return altered(content, change)
