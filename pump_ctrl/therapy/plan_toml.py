"""TOML file -> values with line numbers; what a model says about them -> problems with file, line and field.

Layer      therapy. Imports units, errors, toml_lines and plan_fields; knows no plan, any ``Part`` will do.
Hazard     a file that is half read, read through floats, or refused with a message nobody can act on.
Invariant  every failure to read is an InvalidInput with the file's name; no other exception leaves.
Tests      tests/unit/test_plan_bad_input.py, tests/unit/test_toml_lines.py
"""

from __future__ import annotations

import errno
import os
import re
import stat
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

from pump_ctrl.errors import InvalidInput, Problem
from pump_ctrl.therapy.plan_fields import Fault, PartError
from pump_ctrl.therapy.toml_lines import line_map, line_of
from pump_ctrl.units import shown

MAX_BYTES: Final = 1_048_576
MAX_LINE: Final = 1_000  # tomllib takes seconds for a dotted key of 20,000 parts
MAX_PROBLEMS: Final = 100

Loc = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """Values from outside and where they came from; ``text`` is None where they came from no file."""

    file: str
    values: Mapping[str, Any]
    text: str | None = None

    def problems(self, faults: Iterable[Fault]) -> tuple[Problem, ...]:
        """Give each fault its file, line and field, in the order of the file and each only once."""
        lines = line_map(self.text, self.values) if self.text is not None else {}
        found = [
            Problem(self.file, line_of(lines, fault.at), field_name(fault.at), fault.what, fault.allowed)
            for fault in dict.fromkeys(faults)
        ]
        found.sort(key=lambda problem: problem.line or 0)
        if len(found) > MAX_PROBLEMS:
            rest = Problem(self.file, None, "", f"{len(found) - MAX_PROBLEMS} more problems are not shown")
            found[MAX_PROBLEMS:] = [rest]
        return tuple(found)


def field_name(at: Loc) -> str:
    """Write a place in the file for people: ``basal.steps#2.dose`` is the dose of the second step."""
    return "".join(f"#{part + 1}" if isinstance(part, int) else f".{part}" for part in at).lstrip(".")


def read_document(path: str | Path) -> Document:
    """Read a TOML file of at most 1 MiB; numbers with a point become Decimal, never float.

    Raises:
        InvalidInput: the file cannot be read, is no text, or is no TOML.
    """
    file = str(path)
    return parse_document(_decoded(read_bounded(file, MAX_BYTES, "a TOML file"), file), file)


def parse_document(text: str, file: str) -> Document:
    """Read TOML text; ``file`` is what messages call it.

    Raises:
        InvalidInput: the text is empty or no TOML.
    """
    _refuse_odd_lines(text, file)
    try:
        values = tomllib.loads(text, parse_float=_decimal)
    except tomllib.TOMLDecodeError as error:
        raise _not_toml(error, text, file) from None
    except (ValueError, RecursionError) as error:
        raise _refused(file, f"is not TOML: {error}") from None
    if not values:
        raise _refused(file, "is empty")
    return Document(file, values, text)


def faults_of(values: Mapping[str, Any], model: type[BaseModel]) -> Iterator[Fault]:
    """Name everything wrong with ``values``; unknown keys hide nothing else."""
    errors = _errors(values, model)
    unknown = [error["loc"] for error in errors if error["type"] == "extra_forbidden"]
    if unknown:
        errors = [*errors, *_errors(_without(values, unknown), model)]
    for error in errors:
        if error["type"] != "too_short" or not _within(error["loc"], errors):
            yield from _faults(error, model)


def _within(at: Loc, errors: Iterable[Any]) -> bool:
    """Whether entries of a list are wrong themselves: pydantic does not count those, and calls the list too short."""
    return any(len(error["loc"]) > len(at) and error["loc"][: len(at)] == at for error in errors)


# --- reading the file


def _refused(file: str, what: str, allowed: str = "", line: int | None = None) -> InvalidInput:
    return InvalidInput((Problem(file, line, "", what, allowed),))


def read_bounded(file: str, most: int, wanted: str) -> bytes:
    """Read a whole regular file of at most ``most`` bytes, and never more than that; ``wanted`` says what it should be.

    Raises:
        InvalidInput: there is none, it may not be read, or it is larger.
    """
    try:
        if not stat.S_ISREG(os.stat(file).st_mode):  # a pipe would block, a device has no end
            what = "is a directory" if Path(file).is_dir() else "is not a regular file"
            raise _refused(file, what, wanted)
        with open(file, "rb") as stream:
            content = stream.read(most + 1)
    except (OSError, ValueError) as error:
        raise _refused(shown(file) if "\0" in file else file, _why(error)) from None
    if len(content) > most:
        raise _refused(file, "is too large", f"at most {most} bytes")
    return content


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "does not exist"
    if isinstance(error, PermissionError):
        return "may not be read: permission denied"
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return "is a link that leads back to itself"
    return f"cannot be read: {error.strerror if isinstance(error, OSError) else error}"


def _decoded(content: bytes, file: str) -> str:
    if content.startswith(b"\xef\xbb\xbf"):
        raise _refused(file, "begins with a byte order mark", "UTF-8 without one", 1)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        what = f"is not text: byte 0x{content[error.start]:02x} is not UTF-8"
        raise _refused(file, what, "TOML in UTF-8", line) from None


def _refuse_odd_lines(text: str, file: str) -> None:
    for number, line in enumerate(text.split("\n"), start=1):
        if len(line) > MAX_LINE:
            raise _refused(file, f"the line has {len(line)} characters", f"at most {MAX_LINE}", number)


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except ArithmeticError:  # an exponent of 20 digits; a bare number is refused in any case
        return Decimal("NaN")


_PLACE: Final = re.compile(
    r"(?P<what>.*) \(at (?:line (?P<line>[0-9]+), column [0-9]+|end of document)\)", re.DOTALL
)


def _not_toml(error: tomllib.TOMLDecodeError, text: str, file: str) -> InvalidInput:
    match = _PLACE.fullmatch(str(error))
    if match is None:
        return _refused(file, f"is not TOML: {error}")
    line = int(match["line"]) if match["line"] else text.rstrip("\n").count("\n") + 1
    return _refused(file, f"is not TOML: {match['what']}", 'key = "value with its unit"', line)


# --- what pydantic found, in our words


def _errors(values: Mapping[str, Any], model: type[BaseModel]) -> list[Any]:
    try:
        model.model_validate(dict(values))
    except ValidationError as error:
        return error.errors(include_url=False)
    return []


def _without(values: Mapping[str, Any], paths: Iterable[Loc]) -> dict[str, Any]:
    """Copy what stands around the paths and leave the paths out. The rest may be deep and is shared."""
    copies: dict[Loc, Any] = {(): dict(values)}
    for path in paths:
        for length in range(1, len(path)):
            if path[:length] not in copies:
                around, key = copies[path[: length - 1]], path[length - 1]
                inner = around[key]
                copies[path[:length]] = around[key] = dict(inner) if isinstance(inner, dict) else list(inner)
        del copies[path[:-1]][path[-1]]
    return dict(copies[()])


# pydantic's error type -> what is wrong, what is allowed; filled from its context and, as {shown}, its input
_SENTENCES: Final = {
    "missing": ("is missing", ""),
    "literal_error": ("{shown} is not known", "{expected}"),
    "too_short": ("{actual_length} entries", "at least {min_length}"),
    "too_long": ("{actual_length} entries", "at most {max_length}"),
    "string_type": ("{shown} is not a text", "a text in quotes"),
    "int_type": ("{shown} is not a whole number", "a whole number without quotes"),
    "int_parsing_size": ("{shown} is too large", "a whole number of a few digits"),
    "bool_type": ("{shown} is neither true nor false", "true or false without quotes"),
    "model_type": ("{shown} is not a table", "a table"),
    "tuple_type": ("{shown} is not a list", "a list in [ ]"),
}


def _faults(error: Any, model: type[BaseModel]) -> Iterator[Fault]:  # noqa: ANN401 - pydantic's ErrorDetails
    at, kind = tuple(error["loc"]), error["type"]
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, PartError):
        yield from (Fault((*at, *fault.at), fault.what, fault.allowed) for fault in cause.faults)
    elif kind == "extra_forbidden":
        yield _unknown_key(at, model)
    else:
        what, allowed = _SENTENCES.get(kind, ("{shown} is refused: {reason}", ""))
        words = {**error.get("ctx", {}), "shown": shown(error["input"]), "reason": error["msg"]}
        yield Fault(at, what.format_map(words), allowed.format_map(words))


def _unknown_key(at: Loc, model: type[BaseModel]) -> Fault:
    keys = _keys(model, at[:-1])
    close = get_close_matches(str(at[-1])[:40], keys, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return Fault(at, f"unknown key{hint}", ", ".join(keys))


def _keys(model: type[BaseModel], at: Loc) -> list[str]:
    """List the keys of the table at ``at``, following the models from the outermost one."""
    for part in at:
        if isinstance(part, str):
            field = next(info for name, info in model.model_fields.items() if (info.alias or name) == part)
            model = next(_models(field.annotation))
    return [info.alias or name for name, info in model.model_fields.items()]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401 - any type form
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)
