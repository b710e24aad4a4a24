"""The command that checks a data folder, and mends it; it works on the files, while no service does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from faiss_memory.cli.failures import EXIT_FAILED, CommandFailed
from faiss_memory.cli.lazy import ExampleCommand
from faiss_memory.cli.options import time_option
from faiss_memory.cli.progress import shown_part

if TYPE_CHECKING:
    from faiss_memory.cli.output import Output
    from faiss_memory.store.fsck.findings import Finding
    from faiss_memory.store.fsck.verify import Verified


@click.command(
    cls=ExampleCommand,
    examples=[
        "faiss-memory verify --data-dir ./memories",
        "faiss-memory verify --repair --quick --json",
        "faiss-memory verify 1",
        "faiss-memory verify 1 --still-true --until 2099-12-31",
    ],
)
@click.argument("ids", metavar="[ID]...", nargs=-1, type=click.IntRange(1, 2**63 - 1))
@click.option("--config", type=click.Path(path_type=Path), help="The configuration file (yaml).")
@click.option("--data-dir", type=click.Path(path_type=Path), help="The folder of the memories.")
@click.option("--repair", "mends", is_flag=True, help="Mend what is found; what is replaced is set aside.")
@click.option("--quick", is_flag=True, help="Restore no backup beside, and take no text apart again.")
@click.option("--still-true", is_flag=True, help="Say that they hold all the same.")
@time_option("--until", "When they stop being true, with --still-true [never].")
@click.option("--json", "wants_json", is_flag=True, help="For scripts.")
def verify(
    ids: tuple[int, ...],
    config: Path | None,
    data_dir: Path | None,
    mends: bool,
    quick: bool,
    still_true: bool,
    until: str | None,
    wants_json: bool,
) -> None:
    """Check every file of the memories, and mend what is damaged; or whether the memory ID is still true.

    The service must be stopped. Memories, vectors, the log, search indexes: all of it is compared, and every backup is
    restored beside. What is wrong is listed, with what --repair would do. It ends with 1 if something is.

    With an ID the running service is asked whether the file that this memory was built of still says it, or the files
    that it speaks of (`add --anchor`) are as they were: `fresh`, `changed` or `gone`; and whether it is `expired`.
    It ends with 1 if one does not hold.

    --still-true is how you say that one holds all the same: it has no end any more, or the one that --until gives, and
    the files that it speaks of are taken as they are now. One that was built of a file follows that: it is refused.

    Piped, each finding is a line: file, what is wrong, what --repair does; each memory: id, state, project, source,
    text.
    """
    if until is not None and not still_true:
        raise click.UsageError("--until goes with --still-true.")
    if still_true and not ids:
        raise click.UsageError("--still-true needs the ID of a memory.")
    if not ids:
        _verify_files(config, data_dir, mends=mends, quick=quick, wants_json=wants_json)
        return
    if config or data_dir or mends or quick:
        raise click.UsageError("An ID asks the running service: it goes with --still-true and --json alone.")
    from faiss_memory.cli.backups.still_true import say_still_true, tell_whether_true

    if still_true:
        say_still_true(ids, until, wants_json=wants_json)
    else:
        tell_whether_true(ids, wants_json=wants_json)


def _verify_files(
    config: Path | None, data_dir: Path | None, *, mends: bool, quick: bool, wants_json: bool
) -> None:
    from faiss_memory import settings
    from faiss_memory.cli.output import open_output
    from faiss_memory.cli.writing import as_json
    from faiss_memory.private import keep_files_private
    from faiss_memory.store.fsck import repair, verify as check

    keep_files_private()
    given = {} if data_dir is None else {"data_dir": data_dir}
    loaded = settings.load(config, given).settings
    if loaded.store and data_dir is None:
        raise CommandFailed(
            "the memories lie in a database (the setting `store`), which has checks of its own; --data-dir FOLDER "
            "checks a folder all the same"
        )
    data = loaded.data_folder
    with check.owned(data), shown_part() as step:
        found = left = check.verify(data, step, thorough=not quick)
        if mends and found.findings:
            repair.repair(data, found.findings, loaded.max_backups, step)
            left = check.verify(data, step, thorough=not quick)
    if wants_json:
        click.echo(as_json(_answer(found, left, mends)))
    else:
        _tell(open_output(), data, found, left, mends=mends)
    if left.findings:
        click.get_current_context().exit(EXIT_FAILED)


def _answer(found: Verified, left: Verified, mends: bool) -> dict[str, Any]:
    return {
        "findings": [_entry(one) for one in found.findings],
        "count": len(found.findings),
        "repaired": mends,
        "left": [_entry(one) for one in left.findings],
        "set_aside": left.set_aside,
    }


def _tell(out: Output, data: Path, found: Verified, left: Verified, *, mends: bool) -> None:
    from faiss_memory.cli.writing import counted

    _list(out, found.findings)
    number = counted(len(found.findings), "finding")
    if not found.findings:
        out.say(f"All is well in {data}")
    elif not mends:
        out.remark(f"{number}; --repair mends what can be mended")
    elif left.findings:
        out.remark(f"{number}; these could not be mended:")
        _list(out, left.findings)
    else:
        out.remark(f"{number}, all of it mended")
    for name in left.set_aside:
        out.remark(f"{name} is kept of an earlier state; delete it when you are content")


def _entry(finding: Finding) -> dict[str, str]:
    return {"file": finding.file, "problem": finding.problem, "repair": finding.repair.value}


def _list(out: Output, findings: list[Finding]) -> None:
    from faiss_memory.cli.records import Column

    columns = (Column("file", style="cyan"), Column("what is wrong", wide=True), Column("repair", wide=True))
    out.table(columns, [(finding.file, finding.problem, finding.repair.value) for finding in findings])
