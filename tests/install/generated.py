"""Config files as people and programs write them, in every layout that their readers take."""

from __future__ import annotations

import json

from hypothesis import strategies as st

WORDS = st.sampled_from(
    ["files", "github", "a b", "ünï", "x", "", "faiss", "url", "1", "#", "//", "/*", "a,b", "}", "'"]
)
LOOKALIKES = [
    "faiss-memory ",
    "Faiss-Memory",
    "faiss-memory-2",
    "faiss_memory",
    "mcpservers",
    "Hooks",
    "read ",
    "mcpServers2",
]
KEYS = st.one_of(WORDS, st.sampled_from(LOOKALIKES))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-9, 9),
    st.just(1.5),
    WORDS,
    st.sampled_from(['say "hi"', "C:\\x", "\t"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
NEWLINES = st.sampled_from(["\n", "\n", "\r\n"])


@st.composite
def json_data(draw):
    """What a JSON config may hold: other servers, other hooks, keys that look like ours."""
    data = draw(st.dictionaries(KEYS, VALUES, max_size=3))
    if draw(st.booleans()):
        data["mcpServers"] = draw(st.dictionaries(KEYS, VALUES, max_size=3))
    if draw(st.booleans()):
        hooks = draw(
            st.dictionaries(
                st.sampled_from(["Stop", "SessionStart", "PreToolUse"]), st.lists(VALUES, max_size=3)
            )
        )
        data["hooks"] = hooks
    if draw(st.booleans()):
        data["version"] = draw(st.sampled_from([1, 2, "1"]))
    keys = draw(st.permutations(list(data)))
    return {key: data[key] for key in keys}


class JsonWriter:
    """Lays JSON out in a drawn way; comments and trailing commas only where the reader takes them."""

    def __init__(self, draw, loose):
        self.draw, self.loose = draw, loose
        self.newline = draw(NEWLINES)
        self.unit = draw(st.sampled_from(["  ", "    ", "\t", "   ", " "]))
        self.colon = draw(st.sampled_from([": ", ":", " : "]))
        self.flat = draw(st.sampled_from([0, 0, 1, 3]))

    def comment(self, line):
        if not self.loose or not self.draw(st.sampled_from([False, False, True])):
            return ""
        if line:
            return self.draw(st.sampled_from([" // a comment, with a comma", " /* b */ // }", "\t// ]"]))
        return self.draw(st.sampled_from([" /* c, */", "/* { */ "]))

    def write(self, value, depth=0):
        if not isinstance(value, dict | list):
            return json.dumps(value, ensure_ascii=self.draw(st.booleans()))
        brackets = "{}" if isinstance(value, dict) else "[]"
        if isinstance(value, dict):
            elements = [
                json.dumps(key, ensure_ascii=False) + self.colon + self.write(inner, depth + 1)
                for key, inner in value.items()
            ]
        else:
            elements = [self.write(inner, depth + 1) for inner in value]
        one_line = depth >= self.flat and self.flat and self.draw(st.booleans())
        inline = one_line or self.draw(st.sampled_from([False, False, False, True]))
        return self.inline(brackets, elements) if inline else self.lines(brackets, elements, depth)

    def inline(self, brackets, elements):
        space = self.draw(st.sampled_from(["", " "]))
        separator = self.draw(st.sampled_from([", ", ",", " , "]))
        trailing = "," if elements and self.loose and self.draw(st.booleans()) else ""
        return f"{brackets[0]}{space}{separator.join(elements)}{self.comment(False)}{trailing}{space}{brackets[1]}"

    def lines(self, brackets, elements, depth):
        indent, end = self.unit * (depth + 1), self.unit * depth
        trailing = elements and self.loose and self.draw(st.booleans())
        text = brackets[0] + self.comment(True)
        for number, element in enumerate(elements):
            comma = "," if trailing or number + 1 < len(elements) else ""
            blank = self.newline if self.draw(st.sampled_from([False, False, False, True])) else ""
            before = self.comment(False)
            text += f"{blank}{self.newline}{indent}{element}{before}{comma}{self.comment(True)}"
        if self.loose and self.draw(st.sampled_from([False, False, True])):
            text += f"{self.newline}{indent}// the end"
        closed = not text.endswith(("}", "]")) or "//" in text or self.draw(st.booleans())
        return text + (self.newline + end if closed else "") + brackets[1]


@st.composite
def json_files(draw, loose):
    """The bytes of a JSON config, or None for one that is not there."""
    if draw(st.integers(0, 20)) == 0:
        return draw(st.sampled_from([None, b"", b"\n", b"{}", b"{\n}\n", b"{ }"]))
    writer = JsonWriter(draw, loose)
    text = writer.write(draw(json_data()))
    if loose and draw(st.booleans()):
        text = f"// {draw(st.sampled_from(['settings', '{', 'é']))}{writer.newline}{text}"
    text += draw(st.sampled_from(["", writer.newline, writer.newline * 2]))
    return draw(st.sampled_from([b"", b"", b"\xef\xbb\xbf"])) + text.encode()


TOML_PIECES = [
    "model = 'o3'",
    "# a comment",
    "",
    "a.b = 1",
    'text = """\n[mcp_servers.faiss-memory]\nurl = 1\n"""',
    "list = [\n  [1],\n  [2],\n]",
]
TOML_TABLES = [
    "[mcp_servers.other]\ncommand = 'npx' # run\nargs = ['-y']",
    "[mcp_servers.\"faiss-memory \"]\nurl = 'x'",
    "[mcp_servers.faiss-memory-2] # ours? no\nurl = 'x'\n\n  [mcp_servers.faiss-memory-2.env]\n  A = '1'",
    "[[rules]]\nx = 1",
    "[[rules]]\nx = { y = 2 }",
    "[projects.'/home/x']\ntrust_level = 'trusted'",
    "[tui]\n# nothing yet",
    "[ a . 'b c' ]\nk = 2024-01-01",
    "# a comment of its own",
]


@st.composite
def toml_files(draw):
    """The bytes of a TOML config, or None."""
    if draw(st.integers(0, 20)) == 0:
        return draw(st.sampled_from([None, b"", b"\n", b"# only\n"]))
    top = draw(st.lists(st.sampled_from(TOML_PIECES), unique=True, max_size=4))
    tables = draw(st.permutations(TOML_TABLES))[: draw(st.integers(0, 6))]
    if "a.b = 1" in top:
        tables = [table for table in tables if not table.startswith("[ a")]
    apart = draw(st.sampled_from(["\n", "\n\n", "\n\n\n"]))
    text = apart.join(["\n".join(top), *tables]) + draw(st.sampled_from(["", "\n", "\n\n", "\n# end\n"]))
    return draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + text.replace("\n", draw(NEWLINES)).encode()


YAML_READS = [
    "",
    "read: one.md",
    "read: one.md # why",
    'read: "a, b"',
    "read: [a, b]",
    "read: [ 'a', b, ]",
    "read: []",
    "read:",
    "read: # none",
    "read:\n  - a\n  - b # x",
    "read:\n- a\n- b",
    "read:\n    -   a\n    # between\n    -   b\n    # after",
    "read: &r\n  - a",
    "read: [a,\n  b]",
    "read: &one one.md",
    "read:\n  - 'it''s'\n  - |\n    long\n\n    text\n  - z",
    "read:\n  - *anchored",
]
YAML_PIECES = [
    "model: sonnet # the best",
    "# a comment",
    "anchor: &anchored value",
    "map: &map\n  k: 1\n  # inside\n  l: [x, {y: z}]",
    "other:\n  <<: *map\n  m: 2",
    "text: |\n  lines\n    more\n\n",
    "folded: >-\n  a\n  b",
    "Read: x",
    "'read ': y",
    "read-only: [z]",
    "faiss-memory-2: 1",
    "list:\n- 1\n-\n  - 2",
    "empty:",
    "tagged: !secret x",
    "date: 2024-01-01",
    'quoted: "a # b"',
    "mcp: {}",
    "mcp:\n  # only a comment\n  x: 1",
]


@st.composite
def yaml_files(draw):
    """The bytes of a YAML config, or None."""
    if draw(st.integers(0, 20)) == 0:
        return draw(
            st.sampled_from(
                [None, b"", b"\n", b"# only\n", b"---\n", b"---\na: 1\n...\n", b"{}", b"{read: x, y: [1]}\n"]
            )
        )
    pieces = [piece for piece in YAML_PIECES if draw(st.booleans())]
    if "map: &map\n  k: 1\n  # inside\n  l: [x, {y: z}]" not in pieces:
        pieces = [piece for piece in pieces if "*map" not in piece]
    if len([piece for piece in pieces if piece.startswith("mcp:")]) > 1:
        pieces.remove("mcp: {}")
    read = draw(st.sampled_from(YAML_READS))
    if "*anchored" in read and "anchor: &anchored value" not in pieces:
        pieces.insert(0, "anchor: &anchored value")
    low = 1 + max([pieces.index(piece) for piece in pieces if "&anchored" in piece], default=-1)
    pieces.insert(draw(st.integers(low, max(low, len(pieces)))), read)
    apart = draw(st.sampled_from(["\n", "\n\n"]))
    text = apart.join(pieces) + draw(st.sampled_from(["", "\n", "\n\n", "\n# end\n"]))
    return draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + text.replace("\n", draw(NEWLINES)).encode()


MARKDOWN_LINES = [
    "# Rules",
    "",
    "Use tabs.",
    "  - item",
    "<!-- a comment -->",
    "```",
    "`<!-- faiss-memory:start -->`",
    "é\u2028x",
    "   ",
]


@st.composite
def markdown_files(draw):
    """The bytes of a Markdown file, or None."""
    if draw(st.integers(0, 20)) == 0:
        return draw(st.sampled_from([None, b"", b"\n", b"\xef\xbb\xbf"]))
    lines = draw(st.lists(st.sampled_from(MARKDOWN_LINES), min_size=1, max_size=8))
    newline = draw(NEWLINES)
    return (newline.join(lines) + draw(st.sampled_from(["", newline, newline * 2]))).encode()
