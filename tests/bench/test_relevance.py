"""The calibration: its sets are sound, its steps are the product's, and it tells what helps from what does not."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from bench.relevance.__main__ import Evidence, draw, gather, made_sets, report, report_fit
from bench.relevance.curve import BAR, Rate, curve
from bench.relevance.evidence import Workbench
from bench.relevance.fitting import fit
from bench.relevance.sets import FOLDER, NAMES, RecallSet, read
from faiss_memory.engine.relevance import WEIGHTS
from faiss_memory.schema import AddBatchRequest, NewMemory
from faiss_memory.settings import Limits
from faiss_memory_plugins.recall.finding import brought_by
from tests.fakes import FakeEmbedder

STRANGE = [
    f"ledger{number}: Closes the account number {number} of the harbour at night." for number in range(40)
]


def some(with_cues: bool, name: str = "payments") -> RecallSet:
    """A part of a set: those prompts that the first notes help with, and some foreign ones."""
    whole = read(FOLDER / f"{name}.json", with_cues)
    notes = dict([*whole.notes.items()][:12])
    plain = [one for one in whole.prompts if not one.variant_of]
    prompts = [one for one in plain if one.gold & notes.keys()] + [one for one in plain if not one.gold][::8]
    return RecallSet(whole.name, notes, prompts, whole.outdated)


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    sets = {cues: [some(cues), some(cues, "lab")] for cues in (False, True)}
    return gather(sets, (0, len(STRANGE)), FakeEmbedder(), texts=lambda count: STRANGE[:count])


@pytest.mark.parametrize("name", NAMES)
def test_a_set_is_sound(name):
    whole = read(FOLDER / f"{name}.json", with_cues=True)
    notes = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))["notes"]
    cues = json.loads((FOLDER / f"{name}-cues.json").read_text("utf-8"))
    assert cues.keys() == whole.notes.keys()
    assert len(whole.notes) == len(notes)
    assert all(one.text.strip() and 1 <= len(one.cues) <= Limits().cues for one in whole.notes.values())
    assert {one["superseded_by"] for one in notes if one.get("superseded_by")} <= whole.notes.keys()
    ids = [one.id for one in whole.prompts]
    assert len({*ids}) == len(ids)
    for one in whole.prompts:
        assert one.gold <= whole.notes.keys() - whole.outdated
        assert one.prompt.strip()
        assert one.kind.startswith("foreign-") == (not one.gold)
        assert one.variant_of in {"", *ids}
        assert bool(one.previous) == (one.kind == "followup")


def test_the_readme_counts_the_sets_and_the_kinds():
    told = (FOLDER / "README.md").read_text("utf-8")
    sets = made_sets()[True]
    for name, whole in zip(NAMES, sets, strict=True):
        (line,) = [line for line in told.splitlines() if line.startswith(f"| `{name}` |")]
        assert line.endswith(f"| {len(whole.notes)} | {len(whole.prompts)} |")
    kinds = [one.kind for whole in sets for one in whole.prompts]
    for kind in {*kinds}:
        assert f"| `{kind}` | {kinds.count(kind)} |" in told


def test_what_is_measured_is_what_recall_shows(make_service, tmp_path):
    """The notes that the curve counts are those that the hook would bring, from the same store."""
    part = some(True)
    service = make_service(min_relevance=BAR)
    added = service.add_batch(
        AddBatchRequest(
            memories=[
                NewMemory(
                    text=one.text, project=part.name, source=one.source, tags=[*one.tags], cues=[*one.cues]
                )
                for one in part.notes.values()
            ]
        )
    )
    names = dict(zip(added.ids, part.notes, strict=True))
    workbench = Workbench(tmp_path / "bench", FakeEmbedder())
    workbench.add_notes([part])
    asked = workbench.ask(part)
    workbench.close()
    shown = 0
    for one in asked:
        notes = brought_by(service, part.name, one.prompt.prompt, one.prompt.previous).notes
        (point,) = curve([one], WEIGHTS, [BAR])
        assert point.precision.n == len(notes)
        assert point.precision.count == sum(names[note.id] in one.prompt.gold for note in notes)
        shown += len(notes)
    assert shown


def test_the_fit_tells_what_helps_from_what_does_not(evidence):
    asked = [one for found in evidence.values() for some in found.values() for one in some]
    fitted = fit(asked)
    assert fitted.words > 0
    low, high = curve(asked, fitted, [0.05, 0.6])
    assert low.foreign.count >= high.foreign.count
    assert low.hits.share > low.foreign.share
    assert fit(asked) == fitted


def test_all_is_printed_and_drawn(evidence, capsys):
    report_fit(evidence)
    report(evidence)
    told = capsys.readouterr().out
    assert "| in use |" + "|".join(f"{value:.2f}" for value in WEIGHTS) + "|" in told
    assert f"| **{BAR}** |" in told
    assert "40 strange memories beside the notes, with cues" in told
    drawn = ElementTree.fromstring(draw(evidence))
    assert len(drawn.findall("{*}polyline")) == 4


def test_the_document_names_the_constants_in_use_and_the_bar():
    told = (FOLDER.parent.parent / "docs" / "ranking.md").read_text("utf-8")
    for name, value in WEIGHTS._asdict().items():
        assert f"| {name} | {value:g} |".replace("-", "\u2212") in told.replace(".0 |", " |")
    recall = (FOLDER.parent.parent / "docs" / "recall.md").read_text("utf-8")
    assert f"| `min_relevance` | {BAR} |" in recall


def test_an_interval_is_wilsons():
    low, high = Rate(8, 10).interval
    assert (round(low, 3), round(high, 3)) == (0.490, 0.943)
    assert Rate(0, 10).interval[0] == 0
    assert Rate(10, 10).interval[1] == 1
