"""Drafts: plans in writing. Every saved state is kept.

Layer      clinic. What the fields mean is the page's business.
Hazard     work that is lost; two people who overwrite each other.
Tests      tests/unit/clinic/test_drafts.py
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from pump_ctrl.clinic.store import Row, Store, loads
from pump_ctrl.errors import NotAllowed


@dataclass(frozen=True, slots=True)
class Draft:
    """What was typed so far, by the name of each field; ``revision`` counts how often it was saved."""

    key: str
    revision: int
    fields: Mapping[str, str]
    saved_utc_ms: int
    saved_by: str


class Drafts:
    """The drafts of a state directory."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self) -> tuple[Draft, ...]:
        """The last state of each, the newest first."""
        rows = self._store.all(
            "SELECT *, max(revision) FROM drafts GROUP BY key ORDER BY saved_utc_ms DESC, key"
        )
        return tuple(_draft(row) for row in rows)

    def get(self, key: str, revision: int | None = None) -> Draft | None:
        """A draft as it is, or as it was."""
        row = self._store.one(
            "SELECT * FROM drafts WHERE key = ? AND revision = ifnull(?, revision) ORDER BY revision DESC LIMIT 1",
            key, revision,
        )  # fmt: skip
        return _draft(row) if row is not None else None

    def new(self, by: str, fields: Mapping[str, str]) -> Draft:
        """Begin one."""
        return self._put(secrets.token_hex(6), 1, fields, by)

    def save(self, key: str, fields: Mapping[str, str], revision: int, by: str) -> Draft:
        """Save what was typed on top of ``revision``; if nothing changed, nothing is saved.

        Raises:
            NotAllowed: somebody saved it meanwhile, or there is no such draft.
        """
        last = self.get(key)
        if last is None:
            raise NotAllowed(f"There is no draft {key}.", code="no-such-draft", do_now="Begin a new plan.")
        if last.revision != revision:
            raise NotAllowed(
                f"{last.saved_by} has saved this plan meanwhile.",
                code="saved-meanwhile",
                pump_state="What you typed was not saved.",
                do_now="Look at what stands there now; then type your change again.",
            )
        if last.fields == fields:
            return last
        return self._put(key, revision + 1, fields, by)

    def _put(self, key: str, revision: int, fields: Mapping[str, str], by: str) -> Draft:
        found = Draft(key, revision, dict(fields), self._store.clock.utc_ms(), by)
        text = json.dumps(found.fields, sort_keys=True)
        with self._store.write() as tx:
            values = (key, revision, text, found.saved_utc_ms, by)
            if tx.do("INSERT OR IGNORE INTO drafts VALUES (?, ?, ?, ?, ?)", *values) == 0:
                raise NotAllowed(
                    "Somebody has saved this plan meanwhile.",
                    code="saved-meanwhile",
                    pump_state="What you typed was not saved.",
                    do_now="Look at what stands there now; then type your change again.",
                )
            tx.act("draft-saved", draft=key, revision=revision, by=by)
        return found


def _draft(row: Row) -> Draft:
    return Draft(row["key"], row["revision"], loads(row["fields"]), row["saved_utc_ms"], row["saved_by"])
