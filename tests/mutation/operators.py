"""What a mutant is: one small change of a file's syntax tree, told in words that outlive edits elsewhere.

Left alone: docstrings, annotations, ``__all__``, ``__slots__``, decorators, imports, f-strings, every text with a blank
in it (a message; tests assert codes, not texts), and the arguments that hold such texts.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType
from typing import Final

Key = tuple[str, str, str, str]  # file, function, text of the line, change
Field = tuple[ast.AST, str, int | None]  # a place in the tree: parent, field, index within the field
_CODE: Final = re.compile(r"[^\s]+")
_WORDS: Final = frozenset(("detail", "pump_state", "do_now"))  # arguments that only a person reads
_NOT_MUTATED: Final = frozenset(("__all__", "__slots__"))
_FOR_TYPES: Final = frozenset(("TypeVar", "NewType", "cast", "TypeAlias"))

# The neighbours of each comparison that a test at its edges tells apart, and the constant it may be stuck at.
_NEIGHBOURS: Final[dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]]] = {
    ast.Lt: (ast.LtE, ast.NotEq),
    ast.LtE: (ast.Lt, ast.Eq),
    ast.Gt: (ast.GtE, ast.NotEq),
    ast.GtE: (ast.Gt, ast.Eq),
    ast.Eq: (ast.LtE, ast.GtE),
    ast.NotEq: (ast.Lt, ast.Gt),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_STUCK: Final = {ast.Lt: False, ast.Gt: False, ast.LtE: True, ast.GtE: True, ast.Eq: False, ast.NotEq: True}
_ARITHMETIC: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.BitXor: ast.BitOr,
}
_TWINS: Final = (
    ("min", "max"),
    ("any", "all"),
    ("lo_nl", "hi_nl"),
    ("low_nl", "high_nl"),
    ("lo", "hi"),
    ("low", "high"),
    ("early", "late"),
    ("start", "end"),
)
_TWIN: Final = {a: b for pair in _TWINS for a, b in (pair, pair[::-1])}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change.

    ``function`` is the qualified name it stands in, empty at module level; ``line`` the text of its line; ``change``
    what becomes what, with a number where one line allows the same again. ``lines`` are where its statement
    stands now. ``outer`` is the function whose code changes, by its qualified name and first line; None where the
    change is carried out on import. ``code`` compiles the whole changed module, for the path it is given.
    """

    file: str
    function: str
    line: str
    change: str
    lines: range
    outer: tuple[str, int] | None
    code: Callable[[str], CodeType] = field(compare=False, repr=False)

    @property
    def key(self) -> Key:
        """What names it in the list of survivors."""
        return self.file, self.function, self.line, self.change

    def __str__(self) -> str:
        return f"{self.file}:{self.lines.start} {self.function or 'module'}: {self.line}\n    {self.change}"


def mutants_of(root: Path, file: str) -> list[Mutant]:
    """Every mutant of a file, in the order of its text."""
    text = (root / file).read_text(encoding="utf-8")
    tree = ast.parse(text, file)
    walk = _Walk(file, tree, text.splitlines())
    walk.block(tree, "body")
    return walk.found


class _Walk:
    """Goes through one file's tree and collects."""

    def __init__(self, file: str, tree: ast.Module, texts: list[str]) -> None:
        self._file, self._tree, self._texts = file, tree, texts
        self._names: list[str] = []
        self._outer: tuple[str, int] | None = None
        self._lines = range(0)
        self._seen: Counter[tuple[str, ...]] = Counter()
        self.found: list[Mutant] = []

    # Statements.

    def block(self, parent: ast.AST, name: str) -> None:
        for index, statement in enumerate(getattr(parent, name, [])):
            self._statement((parent, name, index), statement)

    def _statement(self, place: Field, node: ast.stmt) -> None:
        first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
        last = node.body[0].lineno - 1 if isinstance(getattr(node, "body", None), list) else node.end_lineno  # type: ignore[attr-defined]
        self._lines = range(first, max(first, last or first) + 1)
        if _left_alone(node):
            return
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            self._definition(node)
            return
        for removed in _removed(node):
            self._add(place, node, removed)
        if isinstance(node, ast.AugAssign) and (other := _ARITHMETIC.get(type(node.op))):
            self._add(place, node, ast.AugAssign(node.target, other(), node.value))
        if isinstance(node, ast.For):
            self._add((node, "iter", None), node.iter, ast.Tuple([], ast.Load()))
        if isinstance(node, ast.If | ast.While | ast.Assert):
            self._condition((node, "test", None), node.test, both=not isinstance(node, ast.While))
        for name, value in ast.iter_fields(node):
            lines = self._lines
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                self.block(node, name)
            elif name != "annotation":
                self._inside(node, name, value)
            self._lines = lines

    def _definition(self, node: ast.FunctionDef | ast.ClassDef) -> None:
        lines = self._lines
        if isinstance(node, ast.FunctionDef):
            for name in ("defaults", "kw_defaults"):
                self._inside(node.args, name, getattr(node.args, name))
        within = bool(self._names) and self._outer is not None
        self._names += ["<locals>", node.name] if within else [node.name]
        outer = self._outer
        if isinstance(node, ast.FunctionDef) and outer is None:
            self._outer = (".".join(self._names), lines.start)
        self.block(node, "body")
        self._outer = outer
        del self._names[-2 if within else -1 :]

    # Expressions.

    def _inside(self, node: ast.AST, name: str, value: object) -> None:
        many = value if isinstance(value, list) else [value]
        for index, each in enumerate(many):
            if isinstance(each, ast.AST):
                self._expression((node, name, index if isinstance(value, list) else None), each)

    def _expression(self, place: Field, node: ast.AST) -> None:
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Call) and _name(node.func) in _FOR_TYPES):
            return
        if isinstance(node, ast.match_case):
            self._case(node)
            return
        if isinstance(node, ast.ExceptHandler):
            self.block(node, "body")
            return
        self._changes(place, node)
        for name, value in ast.iter_fields(node):
            self._inside(node, name, value)

    def _changes(self, place: Field, node: ast.AST) -> None:
        if isinstance(node, ast.expr):
            for other in _others(node):
                self._add(place, node, other)
        if isinstance(node, ast.Compare) and type(node.ops[0]) in _STUCK and not _is_condition(place):
            self._add(place, node, ast.Constant(_STUCK[type(node.ops[0])]))
        if isinstance(node, ast.BoolOp):
            for index, operand in enumerate(node.values):
                if not isinstance(operand, ast.Constant):
                    self._add((node, "values", index), operand, ast.Constant(isinstance(node.op, ast.And)))
        if isinstance(node, ast.IfExp):
            self._condition((node, "test", None), node.test, both=True)
        if isinstance(node, ast.comprehension):
            for index, test in enumerate(node.ifs):
                self._condition((node, "ifs", index), test, both=True)

    def _condition(self, place: Field, node: ast.expr, *, both: bool) -> None:
        """Held true, and held false; of several in a row the operands are held instead, and the whole once."""
        stuck: tuple[bool, ...] = (True, False)
        if isinstance(node, ast.BoolOp):
            stuck = (False,) if isinstance(node.op, ast.And) else (True,)
        for value in stuck:
            if both or not value:  # a loop that never ends tells nothing
                self._add(place, node, ast.Constant(value))

    def _case(self, case: ast.match_case) -> None:
        if not _takes_all(case):
            lines = self._lines
            self._lines = range(case.pattern.lineno, case.body[0].lineno)
            self._add((case, "guard", None), case.pattern, ast.Constant(False), told="case -> never")
            self._inside(case, "pattern", case.pattern)
            if case.guard is not None:
                self._condition((case, "guard", None), case.guard, both=True)
                self._inside(case, "guard", case.guard)
            self._lines = lines
        self.block(case, "body")

    # What is found.

    def _add(self, place: Field, old: ast.AST, new: ast.AST, told: str = "") -> None:
        line = self._texts[old.lineno - 1].strip()  # type: ignore[attr-defined]
        function = ".".join(self._names)
        change = told or _told(old, new)
        self._seen[function, line, change] += 1
        if (number := self._seen[function, line, change]) > 1:
            change = f"{change} (#{number})"
        tree, lines = self._tree, self._lines

        def code(path: str) -> CodeType:
            return _compiled(tree, place, ast.copy_location(new, old), path)

        self.found.append(Mutant(self._file, function, line, change, lines, self._outer, code))


def _compiled(tree: ast.Module, place: Field, new: ast.AST, path: str) -> CodeType:
    """The whole module with ``new`` at the place, which afterwards is as before."""
    parent, name, index = place
    old = getattr(parent, name)
    changed = new if index is None else [*old[:index], new, *old[index + 1 :]]
    setattr(parent, name, changed)
    try:
        return compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True)
    finally:
        setattr(parent, name, old)


def _left_alone(node: ast.stmt) -> bool:
    """Docstrings, imports, the doors of a module, and what only a type checker sees."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return True
    if isinstance(node, ast.Expr):
        return (
            isinstance(node.value, ast.Constant) or _name(getattr(node.value, "func", None)) == "assert_never"
        )
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return any(_name(target) in _NOT_MUTATED for target in targets)
    return isinstance(node, ast.If) and _name(node.test) == "TYPE_CHECKING"


def _removed(node: ast.stmt) -> Iterator[ast.stmt]:
    """The statement taken away, where what follows can still be run; of a return its value."""
    if isinstance(node, ast.Return) and node.value is not None:
        if not isinstance(node.value, ast.Constant):
            yield ast.Return(ast.Constant(None))
        return
    if isinstance(node, ast.Assign):
        kept = [target for target in node.targets for each in ast.walk(target) if _binds(each)]
        if kept:
            return
    elif isinstance(node, ast.AnnAssign):
        if node.value is None or isinstance(node.target, ast.Name):
            return
    elif isinstance(node, ast.Expr):
        if not isinstance(node.value, ast.Call):
            return
    elif isinstance(node, ast.Delete):
        if all(isinstance(target, ast.Name) for target in node.targets):
            return  # says that an argument is not used
    elif not isinstance(node, (ast.AugAssign, ast.Raise, ast.Continue, ast.Break, ast.Return)):
        return
    yield ast.Pass()


def _binds(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def _others(node: ast.expr) -> Iterator[ast.expr]:
    """What may stand in the place of an expression."""
    match node:
        case ast.Compare():
            for index, op in enumerate(node.ops):
                for kind in _neighbours(node, op):
                    ops = [*node.ops[:index], kind(), *node.ops[index + 1 :]]
                    yield ast.Compare(node.left, ops, node.comparators)
        case ast.BinOp() if not _is_text(node):
            if other := _ARITHMETIC.get(type(node.op)):
                yield ast.BinOp(node.left, other(), node.right)
        case ast.BoolOp():
            yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
        case ast.UnaryOp(op=ast.Not() | ast.USub()) if not isinstance(node.operand, ast.Constant):
            yield node.operand
        case ast.Call():
            yield from _other_calls(node)
        case ast.Attribute(attr=attr) if attr in _TWIN and attr not in {"min", "max", "any", "all"}:
            yield ast.Attribute(node.value, _TWIN[attr], node.ctx)
        case ast.Constant():
            yield from _other_constants(node.value)


def _other_calls(node: ast.Call) -> Iterator[ast.Call]:
    if isinstance(node.func, ast.Name) and node.func.id in _TWIN:
        yield ast.Call(ast.Name(_TWIN[node.func.id], ast.Load()), node.args, node.keywords)
    for index, keyword in enumerate(node.keywords):
        if keyword.arg is not None and keyword.arg not in _WORDS:
            yield ast.Call(node.func, node.args, [*node.keywords[:index], *node.keywords[index + 1 :]])


def _neighbours(node: ast.Compare, op: ast.cmpop) -> tuple[type[ast.cmpop], ...]:
    """Of names and None only the opposite."""
    if isinstance(op, (ast.Eq, ast.NotEq)) and any(map(_is_no_number, [node.left, *node.comparators])):
        return (ast.NotEq,) if isinstance(op, ast.Eq) else (ast.Eq,)
    return _NEIGHBOURS[type(op)]


def _is_no_number(node: ast.expr) -> bool:
    return isinstance(node, (ast.Tuple, ast.List, ast.Dict, ast.Set)) or (
        isinstance(node, ast.Constant) and not isinstance(node.value, int)
    )


def _other_constants(value: object) -> Iterator[ast.Constant]:
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, int):
        yield ast.Constant(value + 1)
        yield ast.Constant(value - 1)
    elif isinstance(value, str) and _CODE.fullmatch(value):
        yield ast.Constant(f"{value}?")
    elif isinstance(value, bytes):
        yield ast.Constant(value + b"?")


def _is_text(node: ast.BinOp) -> bool:
    return any(
        isinstance(each, ast.JoinedStr) or (isinstance(each, ast.Constant) and isinstance(each.value, str))
        for each in (node.left, node.right)
    )


def _is_condition(place: Field) -> bool:
    parent, name, _ = place
    return name in {"test", "ifs", "guard"} or isinstance(parent, ast.BoolOp)


def _takes_all(case: ast.match_case) -> bool:
    return isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None and case.guard is None


def _name(node: object) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _told(old: ast.AST, new: ast.AST) -> str:
    if isinstance(old, ast.Call) and isinstance(new, ast.Call) and len(new.keywords) < len(old.keywords):
        kept = {keyword.arg for keyword in new.keywords}
        [name] = [keyword.arg for keyword in old.keywords if keyword.arg and keyword.arg not in kept]
        return f"{name}= removed from {_short(old.func)}"
    return f"{_short(old)} -> {'removed' if isinstance(new, ast.Pass) else _short(new)}"


def _short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 90 else f"{text[:87]}..."
