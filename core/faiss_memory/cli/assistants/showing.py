"""What an install would do, as it is shown before it asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from faiss_memory.cli.failures import EXIT_FAILED

if TYPE_CHECKING:
    from faiss_memory.install import Installer, Plan


def entries_of(installer: Installer, plan: Plan, names: Sequence[str]) -> tuple[int, int]:
    """Count the hooks and the servers that a plan brings."""
    from faiss_memory.install.inspect import counted

    parts = [
        part for name in names for some in plan.changed_of(installer.owner(name)).values() for part in some
    ]
    return counted(parts)


def _summary(plan: Plan, entries: tuple[int, int]) -> str:
    """Return in one line what a plan comes to."""
    fresh = sum(edit.before.raw is None for edit in plan.edits)
    gone = sum(edit.after.raw is None for edit in plan.edits)
    changed = len(plan.edits) - fresh - gone
    said = [
        f"{changed} {'file changes' if changed == 1 else 'files change'}" if changed else "",
        f"{fresh} {'is' if fresh == 1 else 'are'} new" if fresh else "",
        f"{gone} {'goes' if gone == 1 else 'go'}" if gone else "",
        *(
            f"{count} {word}{'' if count == 1 else 's'}"
            for count, word in zip(entries, ("hook", "server"), strict=True)
            if count
        ),
    ]
    text = ", ".join(part for part in said if part)
    return (
        text if changed or not text else text.replace(" ", f" {'file' if fresh + gone == 1 else 'files'} ", 1)
    )


def show_plan(plan: Plan, entries: tuple[int, int], verbose: bool) -> int:
    """Print what would change and what is refused; gives the exit code."""
    from faiss_memory.cli.writing import clean

    if plan.edits:
        click.echo(_summary(plan, entries))
    for edit in plan.edits:
        if edit.before.raw is None and not verbose:
            click.echo(f"new: {clean(edit.path)}")
            continue
        for line in _differences(edit.path, edit.before.raw, edit.after.raw):
            click.echo(line)
    for refusal in plan.refusals:
        show_refusal(refusal.owner.assistant, refusal.path, refusal.reason)
        if refusal.snippet:
            click.echo("To do it by hand, put this into it:\n", err=True)
            click.echo(_escaped(refusal.snippet), err=True)
    for warning in dict.fromkeys(plan.warnings):
        click.echo(f"faiss-memory: {clean(warning)}", err=True)
    return EXIT_FAILED if plan.refusals else 0


def show_refusal(assistant: str, path: str, reason: str) -> None:
    """Say which assistant is left out, and why."""
    from faiss_memory.cli.writing import clean

    click.echo(f"faiss-memory: {assistant} was left out: {clean(path)}: {clean(reason)}", err=True)


def print_files(installer: Installer, names: Sequence[str], project: str | None) -> None:
    """Print what the files would hold, and what there is to paste."""
    from faiss_memory.install import whole_file

    for name in names:
        for path, parts in installer.content(name, project).items():
            click.echo(f"==> {path}")
            click.echo(_escaped(whole_file(parts)))
        for snippet in installer.snippets(name, project):
            click.echo(f"=== to paste: {snippet.path}")
            click.echo(f"{snippet.note}\n\n{_escaped(snippet.text)}")


def _differences(path: str, before: bytes | None, after: bytes | None) -> list[str]:
    import difflib

    def lines(raw: bytes | None) -> list[str]:
        return (raw or b"").decode("utf-8", "replace").splitlines()

    from faiss_memory.cli.writing import clean

    names = ("/dev/null" if before is None else path, "/dev/null" if after is None else path)
    colours = {"+": "green", "-": "red", "@": "cyan"}
    return [
        click.style(clean(line), fg=colours.get(line[:1]))
        for line in difflib.unified_diff(lines(before), lines(after), *names, lineterm="")
    ]


def _escaped(text: str) -> str:
    from faiss_memory.cli.writing import clean_lines

    return clean_lines(text)
