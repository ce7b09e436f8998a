"""The line of every key: against TOML written with known lines, in every way that TOML can be written."""

from __future__ import annotations

import tomllib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pump_ctrl.therapy import toml_lines
from pump_ctrl.therapy.toml_lines import Path, line_map, line_of


def lines_of(text: str) -> dict[Path, int]:
    return dict(line_map(text, tomllib.loads(text)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = 1\n", {("a",): 1}),
        ("# a = 0\n\na = 1 # b = 2\n", {("a",): 3}),
        ("a.b.c = 1\na.d = 2", {("a",): 1, ("a", "b"): 1, ("a", "b", "c"): 1, ("a", "d"): 2}),
        ("'a.b' = 1\n\"c\\u0064\" = 2", {("a.b",): 1, ("cd",): 2}),
        ("[t]\na = 1\n[t.u]\nb = 2", {("t",): 1, ("t", "a"): 2, ("t", "u"): 3, ("t", "u", "b"): 4}),
        ("[t.u]\nb = 2\n[t]\na = 1", {("t",): 1, ("t", "u"): 1, ("t", "u", "b"): 2, ("t", "a"): 4}),
        (
            "[[t]]\na = 1\n[[t]]\n[[t.u]]\nb = 2",
            {
                ("t",): 1,
                ("t", 0): 1,
                ("t", 0, "a"): 2,
                ("t", 1): 3,
                ("t", 1, "u"): 4,
                ("t", 1, "u", 0): 4,
                ("t", 1, "u", 0, "b"): 5,
            },
        ),
        (
            "[[t]]\n[t.u]\nb = 2\n[[t]]\n[t.u]\nb = 3",
            {
                ("t",): 1,
                ("t", 0): 1,
                ("t", 0, "u"): 2,
                ("t", 0, "u", "b"): 3,
                ("t", 1): 4,
                ("t", 1, "u"): 5,
                ("t", 1, "u", "b"): 6,
            },
        ),
        (
            "a = [\n  1,\n  { b = 2 }, # one\n  [\n3]\n]\nc = 4",
            {("a",): 1, ("a", 0): 2, ("a", 1): 3, ("a", 1, "b"): 3, ("a", 2): 4, ("a", 2, 0): 5, ("c",): 7},
        ),
        ("a = { b = 1, c.d = 2 }", {("a",): 1, ("a", "b"): 1, ("a", "c"): 1, ("a", "c", "d"): 1}),
        ('a = """\nb = 1\n"""\nc = 2', {("a",): 1, ("c",): 4}),
        ('a = """x\\"""\ny"""""\nc = 2', {("a",): 1, ("c",): 3}),
        ("a = '''\n[b]\n'''''\nc = 2", {("a",): 1, ("c",): 4}),
        ('a = "#\\" ] } ,"\nc = 2', {("a",): 1, ("c",): 2}),
        ("a = '\\'\nc = 2", {("a",): 1, ("c",): 2}),
        ("a = 2026-11-20 08:00:00\nb = -inf\nc = 0x1F\n", {("a",): 1, ("b",): 2, ("c",): 3}),
        ("[ 'a' . b ]\r\nc = 1\r\n", {("a",): 1, ("a", "b"): 1, ("a", "b", "c"): 2}),
        (
            "[t]\n[[t.u]]\n[[t.u]]\nb = 1",
            {("t",): 1, ("t", "u"): 2, ("t", "u", 0): 2, ("t", "u", 1): 3, ("t", "u", 1, "b"): 4},
        ),
        ("", {}),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_each_key_list_element_and_table_has_its_line(text: str, expected: dict[Path, int]) -> None:
    assert lines_of(text) == expected


def test_a_path_that_is_not_there_has_the_line_of_the_table_around_it() -> None:
    lines = lines_of("x = 1\n[t]\na = [1,\n2]\n")
    assert line_of(lines, ("t", "a", 1, "b", 0)) == 4
    assert line_of(lines, ("t", "none")) == 2
    assert line_of(lines, ("none",)) == 1
    assert line_of({}, ("t",)) is None


def test_no_line_is_told_where_the_scan_and_the_parser_disagree() -> None:
    assert line_map("a = 1", {"a": 1, "b": 2}) == {}
    assert line_map("a = 1\nb = 2", {"a": 1}) == {}
    assert line_map("a = [1, 2]", {"a": [1]}) == {}
    assert line_map("a = ]", {"a": 1}) == {}
    assert line_map('a = "', {"a": "x"}) == {}


def test_depth_beyond_reason_gives_no_line_and_no_error() -> None:
    text = ".".join(["a"] * 5_000) + " = 1"
    assert line_map(text, tomllib.loads("a = 1")) == {}


# --- a writer that knows its lines

KEYS = st.sampled_from(["a", "b", "c-1", "d.e", "", "é", "from"])
SCALARS = st.sampled_from(
    ["1", "-0.5", "true", '"x # ] } ="', "'y \" ='", '"""\nz = 1\n"""', "'''[q]\n'''", "06:00:00"]
)
VALUE = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=5,
)
TABLES = st.dictionaries(
    KEYS,
    VALUE
    | st.dictionaries(KEYS, VALUE, min_size=1, max_size=3).map(lambda table: ("table", [table]))
    | st.lists(st.dictionaries(KEYS, VALUE, max_size=3), min_size=1, max_size=3).map(
        lambda rows: ("rows", rows)
    ),
    max_size=5,
)


class Writer:
    """Writes TOML and notes the line of each path as it goes."""

    def __init__(self, gap: Callable[[], str]) -> None:
        self.text, self._gap = "", gap
        self.lines: dict[Path, int] = {}

    def document(self, values: dict[str, object]) -> None:
        for key, value in values.items():
            if not isinstance(value, tuple):
                self.pair((key,), value)
        for key, value in values.items():
            if isinstance(value, tuple):
                self.headed(key, *value)

    def headed(self, key: str, kind: str, rows: list[dict[str, object]]) -> None:
        for index, row in enumerate(rows):
            path: Path = (key,) if kind == "table" else (key, index)
            self.note((key,), path)
            self.text += f"[{quoted(key)}]\n" if kind == "table" else f"[[ {quoted(key)} ]] # row\n"
            for inner, value in row.items():
                self.pair((*path, inner), value)

    def note(self, *paths: Path) -> None:
        self.text += "".join(["\n", "# a = 1\n"][: len(self._gap())])
        for path in paths:
            self.lines.setdefault(path, self.text.count("\n") + 1)

    def pair(self, path: Path, value: object) -> None:
        self.note(path)
        self.text += f"{quoted(str(path[-1]))} = "
        self.value(path, value, inline=False)
        self.text += "\n"

    def value(self, path: Path, value: object, *, inline: bool) -> None:
        if isinstance(value, list):
            self.sequence(path, list(enumerate(value)), "[]", "" if inline else self._gap())
        elif isinstance(value, dict):
            self.sequence(path, list(value.items()), "{}", "")
        else:
            self.text += str(value)

    def sequence(self, path: Path, items: list[tuple[str | int, object]], brackets: str, gap: str) -> None:
        self.text += brackets[0]
        for number, (key, value) in enumerate(items):
            self.text += gap + ("," if number else "") + gap + " "
            self.lines[(*path, key)] = self.text.count("\n") + 1
            self.text += f"{quoted(key)} = " if isinstance(key, str) else ""
            self.value((*path, key), value, inline=brackets == "{}" or not gap)
        self.text += gap + brackets[1]


def quoted(key: str) -> str:
    return key if key in {"a", "b", "c-1", "from"} else f'"{key}"'


@given(values=TABLES, data=st.data())
def test_whatever_is_written_is_found_on_the_line_it_was_written_on(
    values: dict[str, object], data: st.DataObject
) -> None:
    writer = Writer(lambda: data.draw(st.sampled_from(["", "\n", "\n\n"])))
    writer.document(values)
    assert lines_of(writer.text) == writer.lines, writer.text


def test_the_map_is_the_work_of_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of 1 MiB must not take minutes: the number of steps grows with the text, not with its square."""
    steps = 0
    real = toml_lines._Scan._skip

    def counted(scan: toml_lines._Scan) -> int:
        nonlocal steps
        steps += 1
        return real(scan)

    monkeypatch.setattr(toml_lines._Scan, "_skip", counted)
    text = "".join(f"key{number} = [1, 2]\n" for number in range(1_000))
    assert len(lines_of(text)) == 3_000
    assert steps < 25_000
