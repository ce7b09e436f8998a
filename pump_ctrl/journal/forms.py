"""What each kind of record says: its fields, and of which type each is. One table, for readers and for people.

Layer      journal; imports the kernel only.
Hazard     F-50, F-53: a journal whose chain is right and which another program wrote, taken for ours.
Invariant  a record that does not fit its row is refused where the journal is taken up, before anything is sent.
Tests      tests/unit/test_journal_forms.py, test_journal_taken_up.py, tests/fuzz ("journal, chain right")

A row is ``name:type`` for each field, as its writer orders them. ``name?`` may be missing; a type with ``?`` may be
null; ``[type]`` is a list, ``{type}`` an object with any keys; ``one|two`` is one of these words.
``whole`` is a whole number of 64 bits, ``exact`` the text of a fraction, ``table`` an object that is checked elsewhere
(limits by their own checksum), ``said`` a text, a whole number or a flag, ``name=type`` a table with a row of its own.
Times end on ``_ms``, volumes on ``nl`` (nL); ``at`` and ``since`` are ms of the boot in which the record was written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pump_ctrl.errors import JournalError
from pump_ctrl.journal.anchor import refusal
from pump_ctrl.journal.chain import MOST, Record

_READING: Final = "counter:whole? epoch:whole? tick_ms:whole? since:whole runs?:flag"
_TOLD: Final = "code?:text detail?:text stands?:flag"
_SUMS: Final = "planned:exact missed:exact commanded:whole horizon_ms:whole"

FORMS: Final[Mapping[str, str]] = MappingProxyType(
    {
        # the journal itself
        "journal": "schema:text about:about",
        "torn": "bytes:whole sha256:text text:text",
        # the guard
        "limits": "at:whole checksum:text plan:text by:text plan_ms:whole? limits:table",
        "confirm": "at:whole by:text code:text pump:text? given:{whole}? plan_ms:whole off_ms:whole? utc_ms:whole",
        "intent": "at:whole id:whole request:text purpose:text account:text steps:[step] expires_ms:whole "
        "doubt_ms:whole? limits:text ahead_nl?:whole hidden_nl?:whole clears?:flag keeps?:flag",
        "outcome": f"at:whole id:whole what:acked|refused|unknown {_TOLD} counter?:whole? epoch?:whole? "
        "tick_ms?:whole? since?:whole runs?:flag",
        "stop": f"at:whole why:text what:acked|refused|unknown {_TOLD} {_READING}",
        "evidence": f"at:whole id:whole what:given|not-given lo:whole hi:whole ended:flag why:text? {_READING}",
        "counter": f"at:whole {_READING} run:flag",
        "alive": "at:whole boot:text",
        "resolve": "at:whole id:whole by:text reason:text",
        "refill": "at:whole by:text fill_nl:whole fluid:{whole}? new_path:flag",
        "seen": "at:whole nl:whole origin:text most:whole since:whole until:whole run:flag anew:flag extra:whole "
        "extra_from?:whole",
        "power-cut": "at:whole why:text what:switched|unknown confirmed:flag detail:text",
        "alarm": "at:whole code:text what:raised|gone|acknowledged detail:text by:text",
        # the controller
        "state": "state:text plan_ms:whole",
        "plan_time": "plan_ms:whole boot_ms:whole",
        "asked": "request:text purpose:text account:text cut_nl:whole lost_nl:whole bridge_until:whole? "
        "slot_ms:whole? spans:[span] tail?:whole still?:exact",
        "dropped": "why:text reopen_ms:whole?",
        "granted": f"request:text counter:whole given:whole {_SUMS}",
        "cut": f"plan_ms:whole given:whole why:text {_SUMS}",
        "idle": f"plan_ms:whole why:text {_SUMS}",
        "skip": "slot_ms:whole nl:exact why:text",
        "missed": "from_ms:whole to_ms:whole why:text nl:exact",
        "bolus": "id:text kind:text requested_ms:whole outcome:text rule:text reason:text volume_nl:whole "
        "delivered_nl:whole",
        "bridge_over": "",
        "refilled": "passed:[whole] new_path:flag prime_due:flag to_come_nl:whole",
        "loaded": f"plan:text by:text plan_ms:whole shift_ms:whole {_SUMS}",
        "answer": "request:text text:text",
        # people
        "request": "id:text kind:text plan?:text by?:text",
        "stopped": "",
        "vouched": "code:text by:text reason:text",
        "filling": "by:text filled_nl:whole residual_nl:whole found_nl:whole? expected_nl?:[whole] judgement?:text "
        "check?:text",
        "console": "id:text do:text *:said",
        "told": "id:text exit:whole text:text code?:text",
    }
)
# Tables and lists that have rows of their own; of a list the types in their order, the last ones may be missing.
TABLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "about": "simulation?:flag program?:text plan?:{text} plan_file?:text previous_file?:text pump?:{text} "
        "trial?:trial?",
        "trial": "speed:whole boot_ms:whole utc_ms:whole",
    }
)
LISTS: Final[Mapping[str, tuple[int, str]]] = MappingProxyType(
    {
        "step": (4, "kind:text volume_nl:whole duration_ms:whole basal_nl:whole"),
        "span": (
            7,
            "kind:text from_ms:whole to_ms:whole volume_nl:whole basal_nl:whole bolus:exact missed:exact still:exact",
        ),
    }
)

Fits = Callable[[Any], bool]
_FRACTION: Final = re.compile(r"-?[0-9]{1,60}(/[1-9][0-9]{0,59})?", re.ASCII)


def misfit(record: Record) -> str:
    """Why a record is none of ours; empty if it is one."""
    row = FORMS.get(record.kind)
    if row is None:
        return f"no record of this program is of kind {record.kind[:40]!r}"
    return _odd_field(_fields(row), record.data)


def ours(records: Iterable[Record], path: Path | str = "The journal") -> Iterator[Record]:
    """The same records, each of which fits its row.

    Raises:
        JournalError: one does not.
    """
    for record in records:
        if why := misfit(record):
            raise not_ours(path, f"record {record.seq} ({record.kind[:40]}): {why}")
        yield record


def not_ours(path: Path | str, why: str) -> JournalError:
    """Make the error for a journal whose chain is right and which this program did not write."""
    return refusal(
        Path(path),
        f"its records are whole, but not such as this program writes: {why}"[:400],
        do_now="The files are left as they are. Start with the version of the program that wrote them, or begin a new "
        "journal under another name and say what was given.",
    )


@contextmanager
def understood(path: Path | str) -> Iterator[None]:
    """In here records are taken for ours: what their types cannot show comes out as an error of the journal.

    Raises:
        JournalError: a record speaks of what no record before it began, or uses a word that is none.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, StopIteration) as err:
        raise not_ours(path, f"{type(err).__name__}: {err}") from err


# Types.


def _whole(value: object) -> bool:
    return type(value) is int and -MOST <= value < MOST


def _exact(value: object) -> bool:
    return type(value) is str and _FRACTION.fullmatch(value) is not None


_TYPES: Final[Mapping[str, Fits]] = MappingProxyType(
    {
        "whole": _whole,
        "exact": _exact,
        "text": lambda value: type(value) is str,
        "flag": lambda value: type(value) is bool,
        "table": lambda value: type(value) is dict,
        "said": lambda value: type(value) in (str, bool) or _whole(value),
    }
)


@cache
def _type(name: str) -> Fits:
    """Whether a value is of the type with this name."""
    if name.endswith("?"):
        inner = _type(name[:-1])
        return lambda value: value is None or inner(value)
    if name[0] in "[{":
        inner = _type(name[1:-1])
        if name[0] == "[":
            return lambda value: type(value) is list and all(map(inner, value))
        return lambda value: type(value) is dict and all(map(inner, value.values()))
    if "|" in name:
        words = frozenset(name.split("|"))
        return lambda value: type(value) is str and value in words
    if name in TABLES:
        fields = _fields(TABLES[name])
        return lambda value: type(value) is dict and not _odd_field(fields, value)
    if name in LISTS:
        least, row = LISTS[name]
        types = tuple(fits for _, fits in _fields(row).values())
        return lambda value: (
            type(value) is list
            and least <= len(value) <= len(types)
            and all(fits(item) for fits, item in zip(types, value, strict=False))
        )
    return _TYPES[name]


@cache
def _fields(row: str) -> Mapping[str, tuple[bool, Fits]]:
    """Of each field whether it may be missing, and what it has to be; ``*`` is any other."""
    fields = {}
    for field in row.split():
        name, _, kind = field.partition(":")
        fields[name.removesuffix("?")] = (name.endswith("?") or name == "*", _type(kind))
    return fields


def _odd_field(fields: Mapping[str, tuple[bool, Fits]], data: Mapping[str, Any]) -> str:
    for name, value in data.items():
        field = fields.get(name) or fields.get("*")
        if field is None:
            return f"it has a field {name[:40]!r} too many"
        if not field[1](value):
            return f"its field {name[:40]!r} is not what it has to be"
    missing = [name for name, (may, _) in fields.items() if not may and name not in data]
    return f"it lacks its field {missing[0]!r}" if missing else ""
