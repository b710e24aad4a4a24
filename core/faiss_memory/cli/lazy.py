"""Commands that are imported when they are asked for, so that `--help` costs nothing of theirs.

Adapters and plugins bring commands too: by an entry point of the group `faiss_memory.commands`, whose name is the
command's. Their help is read from the source of their modules, which are not imported until one is asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from faiss_memory.cli.failures import CommandFailed, ReportingGroup

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from faiss_memory.cli.docstrings import Told

GUESTS = "faiss_memory.commands"
SECTIONS = ("Memories", "Find", "Files", "Backups", "Assistants", "Service", "Extend")
"""Under which commands are listed, in this order; what says nothing stands under the last."""


@dataclass(frozen=True, slots=True)
class Home:
    """Where a command is, `module:attribute`, its help in a line, and the section of the list that it stands in."""

    place: str
    help: str
    section: str


class LazyGroup(ReportingGroup):
    """A group that knows its commands by name and help alone until one is asked for.

    `aliases` are other words for commands. A command that a package brings by such a name is taken before it.
    """

    def __init__(
        self,
        *args: Any,
        homes: Mapping[str, Home],
        aliases: Mapping[str, str],
        **given: Any,
    ) -> None:
        super().__init__(*args, **given)
        self.homes = homes
        self.aliases = aliases

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the order of the table, and then those of adapters and plugins."""
        return [*self.homes, *self._guests()]

    def _guests(self) -> dict[str, list[EntryPoint]]:
        # Not imported with the module: of the commands that people type, hardly one needs it.
        from importlib.metadata import entry_points

        guests: dict[str, list[EntryPoint]] = {}
        for point in sorted(entry_points(group=GUESTS), key=lambda point: (point.name, point.value)):
            if point.name not in self.homes:
                guests.setdefault(point.name, []).append(point)
        return guests

    def _told(self) -> dict[str, Told]:
        """Return what every command says of itself: those of the table, and then those of adapters and plugins."""
        from faiss_memory.cli.docstrings import Told, told_of

        told = {name: Told(home.help, home.section) for name, home in self.homes.items()}
        guests = self._guests()
        return told | {name: told_of(point.module, point.attr) for name, (point, *_) in guests.items()}

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None for a name that is not one."""
        if cmd_name not in self.homes:
            points = self._guests().get(cmd_name, [])
            if not points and cmd_name in self.aliases:
                return self.get_command(ctx, self.aliases[cmd_name])
            return _load(points) if points else None
        module, _, attribute = self.homes[cmd_name].place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, by sections, their help in one column."""
        told = self._told()
        width = max(map(len, told))
        for section in SECTIONS:
            rows = [
                (name.ljust(width), one.help)
                for name, one in told.items()
                if section == (one.section if one.section in SECTIONS else SECTIONS[-1])
            ]
            if rows:
                with formatter.section(section):
                    formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that was typed. A misspelt one is answered with the nearest."""
        name = args[0]
        if name not in self.homes and not name.startswith("-") and not ctx.resilient_parsing:
            import difflib

            known = self.list_commands(ctx)
            if name in known:
                return super().resolve_command(ctx, args)
            if name in self.aliases:
                return super().resolve_command(ctx, [self.aliases[name], *args[1:]])
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            raise click.UsageError(f"There is no command `{name}`.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Complete a command's name without importing any, or an option of the group."""
        from click.shell_completion import CompletionItem

        named = [
            CompletionItem(name, help=one.help)
            for name, one in self._told().items()
            if name.startswith(incomplete)
        ]
        return named + click.Command.shell_complete(self, ctx, incomplete)


def _package(point: EntryPoint) -> str:
    return "an unknown package" if point.dist is None else point.dist.name


def _load(points: Sequence[EntryPoint]) -> click.Command:
    point, *others = points
    if others:
        packages = " and ".join(map(_package, points))
        raise CommandFailed(f"two packages bring a command `{point.name}`: {packages}. Uninstall one of them")
    try:
        loaded = point.load()
    except Exception as error:  # whatever an import may raise, the person needs the package's name
        raise CommandFailed(
            f"the command `{point.name}` of {_package(point)} cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(loaded, click.Command):
        raise CommandFailed(
            f"`{point.value}`, which should be the command `{point.name}`, is not a click command"
        )
    return loaded


class ExampleCommand(click.Command):
    """A command with examples, which its help ends with.

    One that a package brings says by `section` where `faiss-memory --help` lists it; see `SECTIONS`. It is read from
    the source, so it must stand there as a plain string.
    """

    def __init__(
        self, *args: Any, examples: Sequence[str] = (), section: str = SECTIONS[-1], **given: Any
    ) -> None:
        super().__init__(*args, **given)
        self.examples = tuple(examples)
        self.section = section

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, each in a line as it would be typed."""
        super().format_epilog(ctx, formatter)
        if self.examples:
            with formatter.section("Example" if len(self.examples) == 1 else "Examples"):
                for example in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{example}\n")


class CommandGroup(ReportingGroup):
    """A group of commands that a package brings; `section` is as `ExampleCommand` has it."""

    def __init__(self, *args: Any, section: str = SECTIONS[-1], **given: Any) -> None:
        super().__init__(*args, **given)
        self.section = section
