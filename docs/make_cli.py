"""Write docs/CLI.md from the commands themselves: `python docs/make_cli.py`, or `make docs`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from faiss_memory.cli import main
from faiss_memory.cli.failures import EXIT_CODES

FILE = Path(__file__).parent / "CLI.md"

HEAD = """\
# The command line

<!-- Made from the commands by docs/make_cli.py; change those, or that, and run `make docs`. -->

`faiss-memory` runs the service, and asks the running one. `faiss-memory --help` lists the commands, and every command
has a `--help` of its own. [The API](API.md) says more about what the options mean.

[Output](#output) · [Projects](#projects) · [Finding the service](#how-the-service-is-found) ·
[Exit codes](#exit-codes) · [Completion](#completion-in-your-shell) · [Commands](#commands)

## Output

At a terminal, answers are tables with colours, times are relative, and long texts are shortened to what matched.
`NO_COLOR` is respected. Into a pipe or a file each record is a line: its fields, whole, with a tab between them, in the
order that the command's section below says. What is said about the records (how many there are, in which project) goes
to standard error then.

`--json` prints the service's answer as JSON, and nothing else on standard output. Errors are text on standard error.

Control characters and line breaks in what memories say are written as `\\n` or `\\x1b`, so that no memory can command
your terminal. At a terminal `show` keeps a text's lines, with a margin.

## Projects

Inside a git repository, commands work on the repository's project:

| Command | without `--project` |
|---|---|
| `search`, `is-novel` | its project, and `default` |
| `list`, `tags` | its project |
| `add`, `build`, `forget` by a filter | its project |
| `stats`, `projects`, `backup` | all projects |

The project's name is made of the remote `origin`, or else of the first remote: `git@github.com:Owner/Repo.git` gives
`owner.repo`. Without a remote it is the name of the repository's top folder. Where another repository or folder owns
that name, a short ending tells them apart, and `faiss-memory status` says so. A folder without git belongs to the
nearest one, upwards, that holds an assistant's own files, such as `CLAUDE.md`. Anything else, your home folder, `/`
and folders for temporary files are `default`, which the first command in such a folder says. `faiss-memory projects`
says which project a folder belongs to. `install` asks for the name in the same way; where the service does not answer,
what it has noted on this machine counts.

`--project` overrides it. `search` and `is-novel` take it several times; `'*'` stands for all projects.

## How the service is found

1. `--url`, before or after the command's name.
2. `FAISS_MEMORY_URL`.
3. `service.json`, which the running service leaves in your runtime folder and your state folder. It is believed if it
   is yours and readable by you alone, and its process runs and is yours.
4. `http://127.0.0.1`, with the `port` of the settings.

Before anything is sent, the service proves who it is: by the secret in `service.json`, or else by the token (`token` in
the configuration file, or `FAISS_MEMORY_TOKEN`). What was found by 3 needs no token. An address that you have named is
believed where there is no token; one that nobody has named is not. [security.md](security.md) has the whole of it.

## Exit codes

"""

COMPLETION = """
## Completion in your shell

It completes commands, options, and the names of your projects while the service runs. For bash, put this into
`~/.bashrc`; zsh (`~/.zshrc`) takes the same with `zsh`:

```bash
eval "$(faiss-memory completion bash)"
```

For fish:

```bash
faiss-memory completion fish > ~/.config/fish/completions/faiss-memory.fish
```

## Commands
"""


def document() -> str:
    """Make the whole document."""
    codes = "\n".join(f"| {code} | {words} |" for code, words in EXIT_CODES)
    parts = [f"{HEAD}| Code | |\n|---|---|\n{codes}\n{COMPLETION}"]
    for name, command in commands(main, "faiss-memory"):
        parts.append(section(name, command))
    return "\n".join(parts)


def commands(group: click.Group, name: str) -> Iterator[tuple[str, click.Command]]:
    """Give every command that does something, with its whole name."""
    context = click.Context(group)
    for part in group.list_commands(context):
        command = group.get_command(context, part)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} {part}")
        else:
            yield f"{name} {part}", command


def section(name: str, command: click.Command) -> str:
    """Describe one command: what it is for, how it is called, its options, and examples."""
    context = click.Context(command, info_name=name)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    lines = [f"### `{name}`", "", _paragraphs(command.help or ""), "", f"```\n{usage}\n```", ""]
    records = [param.get_help_record(context) for param in command.params if isinstance(param, click.Option)]
    rows = [f"| `{_cell(record[0])}` | {_cell(record[1])} |" for record in records if record is not None]
    if rows:
        lines += ["| Option | |", "|---|---|", *rows, ""]
    examples = getattr(command, "examples", ())
    if examples:
        lines += ["```bash", *examples, "```", ""]
    return "\n".join(lines)


def _paragraphs(text: str) -> str:
    paragraphs = re.split(r"\n\s*\n", text.replace("\b\n", "").strip())
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _cell(text: str) -> str:
    without_range = re.sub(r"  \[x[<>=].*\]$", "", text)  # click's way to say that it must be positive
    return without_range.replace("|", "\\|")


if __name__ == "__main__":
    FILE.write_text(document(), encoding="utf-8")
