"""`make calibrate`: fits what relevance is judged by, and prints the curve of what is shown in vain against hits.

usage: python -m bench.relevance [--picture FILE.svg] [--check SET.json … [--cues]] [--background 0 900 9900]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from bench.relevance.curve import BAR, BARS, Point, curve
from bench.relevance.evidence import Asked, Workbench
from bench.relevance.fitting import fit
from bench.relevance.picture import picture
from bench.relevance.sets import FOLDER, NAMES, RecallSet, read
from bench.relevance.telling import tell
from bench.relevance.vectors import KeptVectors
from bench.texts import documentation
from faiss_memory.contracts.embedder import Embedder
from faiss_memory.embedder import open_embedder
from faiss_memory.engine.relevance import WEIGHTS, Weights
from faiss_memory.settings import load

BACKGROUNDS = (0, 900, 9_900)
"""How many strange memories lie beside a set's 75: alone, about 1,000, about 10,000."""
FITTED = 2
"""On so many of these is fitted: among still more memories it is only measured."""
FINE = sorted({*BARS, *(place / 50 for place in range(1, 50))})

Condition = tuple[int, bool]
"""How many strange memories there are, and whether the notes have cues."""
Evidence = dict[Condition, dict[str, list[Asked]]]
"""By set."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print it."""
    options = argparse.ArgumentParser(prog="python -m bench.relevance", description=__doc__)
    options.add_argument(
        "--check", type=Path, nargs="+", default=[], help="measure other sets, without fitting"
    )
    options.add_argument("--cues", action="store_true", help="with the cues in SET-cues.json beside each")
    options.add_argument("--picture", type=Path, help="where to draw the curve, as SVG")
    options.add_argument("--background", type=int, nargs="+", default=BACKGROUNDS, help="strange memories")
    options.add_argument("--cache", type=Path, help="where vectors are kept")
    given = options.parse_args(arguments)
    settings = load().settings
    model = KeptVectors(
        open_embedder(settings.model_name, settings.cache_folder),
        given.cache or settings.cache_folder / "bench",
    )
    try:
        if given.check:
            sets = {given.cues: [read(path, given.cues) for path in given.check]}
            report(gather(sets, sorted(given.background), model, model.keep))
        else:
            evidence = gather(made_sets(), sorted(given.background), model, model.keep)
            report_fit(evidence)
            report(evidence)
            if given.picture:
                given.picture.write_text(draw(evidence), encoding="utf-8")
    finally:
        model.keep()
        model.close()


def made_sets() -> dict[bool, list[RecallSet]]:
    """Return the sets of bench/recall_sets, with and without their cues."""
    return {cues: [read(FOLDER / f"{name}.json", cues) for name in NAMES] for cues in (False, True)}


def gather(
    sets: Mapping[bool, Sequence[RecallSet]],
    backgrounds: Sequence[int],
    model: Embedder,
    keep: Callable[[], None] = lambda: None,
    texts: Callable[[int], Sequence[str]] = documentation,
) -> Evidence:
    """Ask every prompt of every set among ever more strange memories."""
    tell("the installed packages are read")
    strange = texts(max(backgrounds)) if max(backgrounds) else []
    found: Evidence = {}
    with tempfile.TemporaryDirectory(prefix="bench-relevance-") as folder:
        workbench = Workbench(Path(folder), model)
        for some in sets.values():
            workbench.add_notes(some)
        before = 0
        for background in backgrounds:
            workbench.add_background(strange[before:background])
            before = background
            for cues, some in sets.items():
                tell(f"prompts are asked: {background:,} strange memories, {_with(cues)}")
                found[background, cues] = {one.name: workbench.ask(one) for one in some}
            keep()
        workbench.close()
    return found


def report_fit(evidence: Evidence) -> None:
    """Print the constants in use and those fitted now, and what these bring to a set that was left out."""
    fitted_on = sorted({background for background, _ in evidence})[:FITTED]
    tell("the constants are fitted")
    print("## Constants\n\n| |" + "|".join(Weights._fields) + "|\n" + "|---" * (1 + len(WEIGHTS)) + "|")
    _print_weights("in use", WEIGHTS)
    _print_weights("fitted", fit(_fitted(evidence, fitted_on, ())))
    names = list(dict.fromkeys(name.removesuffix("-cues") for some in evidence.values() for name in some))
    without = {name: fit(_fitted(evidence, fitted_on, (name, f"{name}-cues"))) for name in names}
    for name, weights in without.items():
        _print_weights(f"fitted without {name}", weights)
    print(
        "\nOn the set that was left out of the fit, hits in %, at the lowest bar at which no more foreign prompts "
        f"bring notes than with the constants in use at {BAR}; mean of the sets:\n\n"
        "| | foreign | in use | fitted |\n|---|---|---|---|"
    )
    for condition, some in evidence.items():
        rows = []
        for name, asked in some.items():
            used = curve(asked, WEIGHTS, FINE)
            foreign = _at(used, BAR).foreign
            fitted = curve(asked, without[name.removesuffix("-cues")], FINE)
            rows.append((foreign.share, _hits_at(used, foreign.count), _hits_at(fitted, foreign.count)))
        means = (sum(values) / len(rows) for values in zip(*rows, strict=True))
        print(f"| {_named(condition)} | " + " | ".join(f"{100 * mean:.1f}" for mean in means) + " |")


def _hits_at(points: Sequence[Point], most_foreign: int) -> float:
    """Return the hits at the lowest bar at which no more foreign prompts bring notes."""
    return next((one for one in points if one.foreign.count <= most_foreign), points[-1]).hits.share


def _fitted(evidence: Evidence, backgrounds: Sequence[int], left_out: Sequence[str]) -> Iterable[Asked]:
    for (background, _), some in evidence.items():
        if background in backgrounds:
            for name, asked in some.items():
                if name not in left_out:
                    yield from asked


def _print_weights(name: str, weights: Weights) -> None:
    print(f"| {name} |" + "|".join(f"{value:.2f}" for value in weights) + "|")


def report(evidence: Evidence) -> None:
    """Print the curve of the constants in use for each condition, and at the bar in use each set and each kind."""
    for condition, some in evidence.items():
        everything = [one for asked in some.values() for one in asked]
        points = curve(everything, WEIGHTS)
        first = points[0]
        print(
            f"\n## {_named(condition)}\n\nn = {first.foreign.n} foreign prompts, {first.hits.n} others; "
            "Wilson's 95 % intervals\n\n"
            "| bar | foreign prompts with notes | prompts with a right note | notes shown that are wanted |\n"
            "|---|---|---|---|"
        )
        for one in points:
            mark = "**" if one.bar == BAR else ""
            print(f"| {mark}{one.bar}{mark} | {one.foreign} | {one.hits} | {one.precision} |")
        used = _at(points, BAR)
        if used.pasted[0].n:
            print(f"\nAt {BAR}, with something pasted beside: {used.pasted[0]}; "
                  f"the same prompts without it: {used.pasted[1]}")  # fmt: skip
        print("\n| kind | n | brought notes, of others a right one |\n|---|---|---|")
        for kind, rate in used.kinds.items():
            print(f"| {kind} | {rate.n} | {rate} |")
        print("\n| set | foreign | hits | wanted |\n|---|---|---|---|")
        for name, asked in some.items():
            point = _at(curve(asked, WEIGHTS), BAR)
            print(f"| {name} | {point.foreign} | {point.hits} | {point.precision} |")


def draw(evidence: Evidence) -> str:
    """Draw the curve of the constants in use."""
    curves = {
        (background + 100, cues): curve([one for asked in some.values() for one in asked], WEIGHTS, FINE)
        for (background, cues), some in evidence.items()
    }
    first = next(iter(curves.values()))[0]
    caption = f"{first.hits.n} prompts that a note helps with, {first.foreign.n} foreign ones"
    return picture(curves, BAR, caption)


def _at(points: Sequence[Point], bar: float) -> Point:
    return next(one for one in points if one.bar == bar)


def _named(condition: Condition) -> str:
    background, cues = condition
    beside = f"{background:,} strange memories beside the notes" if background else "The notes alone"
    return f"{beside}, {_with(cues)}"


def _with(cues: bool) -> str:
    return "with cues" if cues else "without cues"


if __name__ == "__main__":
    main()
