"""Bytes that change, vanish or become zeros, in any file: detected or harmless, never a wrong memory."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from faiss_memory.errors import StoreCorrupt
from faiss_memory.memory import Change, Draft
from tests.faults.checking import check_backup, texts_of, visible_backups
from tests.faults.processes import RemoteHome
from tests.faults.test_kill import times
from tests.store.oracle import EVERYTHING, embed, settled

MEMORIES = 60
HARMS = ("bit flipped", "page zeroed", "cut off", "noise")
STATES = ("closed in order", "killed", "a backup laid in")


def text_of(number, version=0):
    """A text whose words no other has, of one passage or of several."""
    letters = str.maketrans("0123456789", "bcdfghjklm")
    words = [f"q{number:03}{version}{n:02}q".translate(letters) for n in range(12)]
    return f"shared {' '.join(words)} " + "ledger " * (60 if number % 7 == 0 else 0)


class Folder:
    """A data folder in which every text is known: now, and in each backup."""

    def __init__(self, nursery, folder, state, **options):
        self.nursery, self.folder, self.state, self.options = nursery, folder, state, options
        home = RemoteHome(nursery, folder, **options)
        self.texts = {}
        store = home.open()
        self._add(store, range(MEMORIES))
        manual = folder / "backups" / store.backup("one").name
        self.backed_up = dict(self.texts)
        home.close()
        store = home.open()  # so that the logs hold something that the last save does not
        self._add(store, range(MEMORIES, MEMORIES + 10))
        self._change(store)
        settled(store)
        home.close() if state == "closed in order" else home.kill()
        kept = [] if options else visible_backups(folder)  # what is broken is not looked at with sound eyes
        self.backups = {backup.name: check_backup(backup) for backup in kept}
        assert self.backups.get(manual.name, self.backed_up) == self.backed_up
        if state == "a backup laid in":
            for file in manual.iterdir():
                shutil.copyfile(file, folder / file.name)

    def _add(self, store, numbers):
        for number in numbers:
            draft = Draft(text=text_of(number), project=("default", "alpha")[number % 2], tags=("red",))
            (added,) = store.add([draft], [embed(draft.text)])
            self.texts[added.id] = draft.text

    def _change(self, store):
        for memory_id in range(5, 30, 5):
            self.texts[memory_id] = text_of(memory_id, 1)
            store.change(memory_id, Change(text=self.texts[memory_id]), embed(self.texts[memory_id]))
        for memory_id in (3, 33, 65):
            store.forget([memory_id])
            del self.texts[memory_id]

    def files(self):
        return sorted(path.relative_to(self.folder) for path in self.folder.rglob("*") if path.is_file())


def harmed(content, how, chance):
    """Give the content after some harm, and what was done."""
    at = chance.randrange(len(content))
    if how == "bit flipped":
        bit = chance.randrange(8)
        return content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :], f"bit {bit} of byte {at}"
    if how == "cut off":
        return content[:at], f"cut off at {at}"
    start = at // 4096 * 4096
    size = len(content[start : start + 4096])
    fresh = bytes(size) if how == "page zeroed" else chance.randbytes(size)
    return content[:start] + fresh + content[start + 4096 :], f"page at {start}: {how}"


class Damage:
    """Harm to one file of a copy of a folder, and what a start makes of it."""

    def __init__(self, kept, target, name, how, chance):
        self.kept, self.target, self.name = kept, target, name
        shutil.rmtree(target, ignore_errors=True)
        subprocess.run(
            ["cp", "-a", kept.folder, target], check=True
        )  # with the hard links between the backups
        content, done = harmed((target / name).read_bytes(), how, chance)
        (target / name).write_bytes(content)
        self.what = f"{kept.state}, {name}: {done}"

    def outcome(self):
        """Start, and check that nothing wrong is answered: harmless, or reported."""
        log = self.kept.nursery.log
        before = log.stat().st_size
        home = RemoteHome(self.kept.nursery, self.target, **self.kept.options)
        try:
            whole = self.check(home.open())
            home.close()
        except StoreCorrupt as error:
            raise AssertionError(f"{self.what}: the service does not start: {error}") from error
        except Exception as error:
            error.add_note(self.what)
            error.add_note(log.read_bytes()[before:].decode())
            raise
        finally:
            home.kill()
        said = log.read_bytes()[before:]
        assert whole or said, f"{self.what}: something is missing, and nothing said so"
        return "harmless" if whole else "reported"

    def check(self, store):
        """Nothing wrong is answered; says whether everything is."""
        settled(store)
        was_restored = any(self.target.glob("memory.db.before-restore*"))
        expected = self.kept.backed_up if was_restored else self.kept.texts
        found = {memory.id: memory.text for memory in store.get(store.matching_ids(EVERYTHING))}
        for memory_id, text in found.items():
            assert text == expected.get(memory_id), f"{self.what}: memory {memory_id} is {text!r:.80}"
        unembedded = {memory.id for memory in store.unembedded(1000)}
        for memory_id, (nearest, matching) in store.ask("found_by", found).items():
            is_met = bool(nearest) and nearest[0].memory_id == memory_id and nearest[0].similarity > 0.999
            assert is_met == (memory_id not in unembedded), (
                f"{self.what}: the vector of {memory_id} is not its own"
            )
            assert matching == [memory_id], f"{self.what}: the words of {memory_id} are not its own"
        (added,) = store.add([Draft(text="shared afterwards")], [embed("shared afterwards")])
        assert added.id not in self.kept.texts, f"{self.what}: an id is given twice"
        return found == expected and not unembedded

    def check_backup(self):
        """Whoever restores a harmed backup gets exactly what it held, or nothing and a line in the log."""
        name = self.name.parts[1]
        fresh = self.target.with_name("restored")
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(self.target / "backups" / name, fresh)
        home = RemoteHome(self.kept.nursery, fresh, **self.kept.options)
        try:
            found = texts_of(home.open())
            home.close()
        finally:
            home.kill()
        assert found in ({}, self.kept.backups[name]), f"{self.what}: it restores to something else"


class Harming:
    """Places all over a folder, harmed one after the other; what goes wrong is collected, so that all of it is told."""

    def __init__(self, kept, target, seed):
        self.kept, self.target, self.chance = kept, target, random.Random(seed)
        self.outcomes, self.problems = Counter(), []

    def harm(self, name, how):
        damage = Damage(self.kept, self.target, name, how, self.chance)
        try:
            self.outcomes[damage.outcome()] += 1
            if name.parts[0] == "backups" and name.parts[1] in self.kept.backups:
                damage.check_backup()
        except Exception as error:  # noqa: BLE001  (the places after it are looked at too)
            self.outcomes["wrong"] += 1
            self.problems.append(f"{damage.what}: {type(error).__name__}: {error}"[:400])


class Sample:
    """One file of each kind, in one of the states: files whose names differ in numbers alone are of one kind."""

    def __init__(self, state):
        self._met, self._place = [], STATES.index(state)

    def has(self, name):
        kind = re.sub(r"[^/]*\d[^/]*(?=[/.])", "#", str(name))
        if kind in self._met:
            return False
        self._met.append(kind)
        return len(self._met) % len(STATES) == self._place


@times(1, 16)
@pytest.mark.parametrize("state", STATES)
def test_no_harm_to_any_file_makes_a_wrong_answer(nursery, memory_path, tally, state, cycles):
    kept = Folder(nursery, memory_path / "kept", state)
    harming, sample = Harming(kept, memory_path / "data", f"{state} {cycles}"), Sample(state)
    for name in kept.files():
        if (kept.folder / name).stat().st_size == 0 or (cycles == 1 and not sample.has(name)):
            continue
        for how in HARMS * (cycles // 4) or harming.chance.sample(HARMS, cycles):
            harming.harm(name, how)
    outcomes = harming.outcomes
    told = ", ".join(f"{number} {outcome}" for outcome, number in sorted(outcomes.items()))
    tally(f"bits, pages and ends of every file harmed, {state}", outcomes.total(), f"{told}; nothing wrong")
    assert not harming.problems, f"{told}:\n" + "\n".join(harming.problems[:40])
    assert outcomes["harmless"] > outcomes.total() / 2


def test_a_store_without_checksums_is_noticed(nursery, memory_path, tally):
    kept = Folder(nursery, memory_path / "kept", "closed in order", broken="checks nothing")
    (kept.folder / "search.db").unlink()
    chance = random.Random(0)

    def harm():
        for _ in range(200):
            Damage(kept, memory_path / "data", Path("memory.db"), "bit flipped", chance).outcome()

    with pytest.raises(AssertionError, match=r"memory \d+ is"):
        harm()
    tally("control: rows without checksums, bits flipped", result="noticed, as it must be")
