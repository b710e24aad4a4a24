"""The page's modules as a browser gets them: joined into two scripts, and its style sheets into one.

Each request costs more than what it brings, so the first screen comes as one script, and the other screens as a second
one. What is joined is what lies in `static/`, line by line: nothing is shortened, and a source map names the files.

Each module becomes a function that gives what the module exports, and the modules that it imports come before it. So
modules may not need each other in a circle, and may not change afterwards what an exported name stands for. ValueError
says which one does.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable
from pathlib import Path

FIRST, REST, STYLE = "first.js", "rest.js", "page.css"
ENTRY = "app.js"
STYLES = ("base.css", "parts.css", "screens.css")
LATER = "screens"
"""Modules in this folder that are imported as a call are joined into the second script, which is loaded then."""

_IMPORT = re.compile(r"""^import\s*(?:(?:(\w+)|\{([^}]*)\})\s*from\s*)?["'](\.[^"']+)["'];?""", re.MULTILINE)
_PASSED_ON = re.compile(r"""^export\s*\{([^}]*)\}\s*from\s*["'](\.[^"']+)["'];?""", re.MULTILINE)
_NAMES = re.compile(r"export(?<![^;}\n]export)\s*\{([^}]*)\};?")
_DEFAULT = re.compile(r"export default (?<![^;}\n]export default )")
_DECLARED = re.compile(r"^export ((?:async )?(?:function\*?|class|const) (\w+))", re.MULTILINE)
_CALLED = re.compile(r"""import\(["'](\.[^"']+)["']\)""")
_LEFT = re.compile(r"^(?:import|export)\b(?! *\().*", re.MULTILINE)

_BEGIN_FIRST = """\
const modules = {};
const later = async (name) => {
  const { default: add } = await import("./rest.js");
  if (!modules[name]) add(modules, later);
  return modules[name];
};
"""
_BEGIN_REST = "export default (modules, later) => {\n"
_END_REST = "};\n"


def joined(static: Path) -> dict[str, bytes]:
    """Return, by their names, the two scripts with their source maps, and the style sheet; of the files in `static`."""
    modules = _Modules(static)
    first = modules.needed_by([ENTRY])
    screens = (path.relative_to(static).as_posix() for path in sorted((static / LATER).glob("*.js")))
    rest = [name for name in modules.needed_by(screens) if name not in first]
    return {
        **_script(FIRST, _BEGIN_FIRST, [modules.read(name) for name in first], ""),
        **_script(REST, _BEGIN_REST, [modules.read(name) for name in rest], _END_REST),
        STYLE: b"".join((static / name).read_bytes() for name in STYLES),
    }


class _Module:
    """A module as a function: of the same lines, with others before and after them."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.imports: list[str] = []
        self._exports: list[str] = []
        text = _IMPORT.sub(self._imported, text)
        text = _PASSED_ON.sub(self._passed_on, text)
        text = _NAMES.sub(lambda found: self._exported(found[1], "{1}: {0}"), text)
        text = _DEFAULT.sub(
            lambda _: self._exported("$default as default", "{1}: {0}") + "const $default = ", text
        )
        text = _DECLARED.sub(lambda found: self._exported(found[2], "{0}") + found[1], text)
        if left := _LEFT.search(text):
            raise ValueError(f"{name} cannot be joined with the others: {left[0]}")
        self.text = _CALLED.sub(self._called, text)

    def _there(self, address: str) -> str:
        there = posixpath.normpath(posixpath.join(posixpath.dirname(self.name), address))
        self.imports.append(there)
        return there

    def _imported(self, found: re.Match[str]) -> str:
        names = f"default: {found[1]}" if found[1] else ", ".join(_pairs(found[2] or "", "{0}: {1}"))
        return f'const {{ {names} }} = modules["{self._there(found[3])}"];'

    def _passed_on(self, found: re.Match[str]) -> str:
        there = self._there(found[2])
        return self._exported(found[1], f'{{1}}: modules["{there}"].{{0}}')

    def _exported(self, names: str, form: str) -> str:
        self._exports += _pairs(names, form)
        return ""

    def _called(self, found: re.Match[str]) -> str:
        there = posixpath.normpath(posixpath.join(posixpath.dirname(self.name), found[1]))
        return f'later("{there}")' if there.startswith(f"{LATER}/") else f'import("./{there}")'

    def __str__(self) -> str:
        return f'modules["{self.name}"] = (() => {{\n{self.text}\nreturn {{ {", ".join(self._exports)} }};\n}})();\n'


def _pairs(names: str, form: str) -> list[str]:
    """Return each name of `a, b as c` in a form of its own and its other name."""
    pairs = [name.split() for name in names.split(",") if name.strip()]
    return [form.format(pair[0], pair[-1]) for pair in pairs]


class _Modules:
    """The modules of a folder, each read once."""

    def __init__(self, static: Path) -> None:
        self._static = static
        self._read: dict[str, _Module] = {}

    def read(self, name: str) -> _Module:
        if name not in self._read:
            self._read[name] = _Module(name, (self._static / name).read_text("utf-8"))
        return self._read[name]

    def needed_by(self, names: Iterable[str]) -> list[str]:
        """Return these modules and all that they need, each after those that it needs itself."""
        ordered: list[str] = []

        def add(name: str, above: tuple[str, ...]) -> None:
            if name in above:
                raise ValueError(f"modules need each other in a circle: {' → '.join((*above, name))}")
            if name not in ordered:
                for there in self.read(name).imports:
                    add(there, (*above, name))
                ordered.append(name)

        for name in names:
            add(name, ())
        return ordered


def _script(name: str, begin: str, modules: list[_Module], end: str) -> dict[str, bytes]:
    text, sections = begin, []
    for module in modules:
        line = text.count("\n") + 1
        lines = module.text.count("\n") + 1
        # Each line comes from the same one of its file: `AAAA` is the first, `AACA` one further than the line before.
        mappings = ";".join(["AAAA"] + ["AACA"] * (lines - 1))
        leads = {"version": 3, "sources": [module.name], "names": [], "mappings": mappings}
        sections.append({"offset": {"line": line, "column": 0}, "map": leads})
        text += str(module)
    maps = json.dumps({"version": 3, "file": name, "sections": sections})
    return {name: f"{text}{end}//# sourceMappingURL={name}.map\n".encode(), f"{name}.map": maps.encode()}
