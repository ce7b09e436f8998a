"""The page's own journal: who did what. Controllers' journals are read with ``pump-ctrl journal``.

Layer      web.
Hazard     an act that nobody understands; a journal that looks whole and is not.
Tests      tests/unit/web/test_journal.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pump_ctrl.errors import JournalError
from pump_ctrl.journal import Record
from pump_ctrl.web.house import house, page, session

# What each kind of record says, in plain words, and which of its values are told with it.
WORDS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "journal": ("The journal was begun", ()),
    "torn": ("A record that was cut short was dropped", ("bytes",)),
    "login": ("Logged in", ()),
    "login-refused": ("A login was refused", ("account",)),
    "logout": ("Logged out", ()),
    "account-added": ("An account was made", ("account", "roles")),
    "account-disabled": ("An account was disabled", ("account",)),
    "password-changed": ("A password was changed", ("account",)),
    "draft-saved": ("A draft was saved", ("draft", "revision")),
    "plan-given": ("The file of a plan was given to compare with", ("plan",)),
    "signed": ("A plan was signed", ("plan", "number", "digest", "how")),
    "withdrawn": ("A plan was withdrawn", ("plan",)),
    "asked": ("A pump's controller was asked", ("do", "controller")),
    "told": ("A pump's controller answered", ("do", "controller", "exit", "text")),
}
_OWN: Final = frozenset({"login", "logout"})  # whose account is who did it
_UNTOLD: Final = frozenset({"act", "id", "by"})


def show(request: Request) -> Response:
    """The last acts, the newest first, and whether the journal is whole."""
    session(request)
    here = house(request)
    here.clinic.acts.flush()
    failed, rows = here.clinic.acts.trouble or here.pumps.trouble, list[dict[str, Any]]()
    try:
        rows = [_row(record) for record in here.recent.records()]
    except JournalError as error:
        failed = str(error)
    return page(
        request, "journal.html", rows=rows, count=here.recent.count, file=here.recent.path, failed=failed
    )


def _row(record: Record) -> dict[str, Any]:
    data = record.data
    what, told = WORDS.get(record.kind, (record.kind, tuple(sorted(data.keys() - _UNTOLD))))
    return {
        "seq": record.seq,
        "utc_ms": record.utc_ms,
        "what": what,
        "by": data.get("by", data.get("account", "") if record.kind in _OWN else ""),
        "more": [(name, data[name]) for name in told if name in data],
    }


ROUTES = (Route("/journal", show),)
