"""A state directory, opened.

Layer      clinic.
Tests      tests/unit/clinic
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Final, Self

from pump_ctrl.clinic.accounts import Accounts
from pump_ctrl.clinic.acts import FILE, Acts
from pump_ctrl.clinic.drafts import Drafts
from pump_ctrl.clinic.sessions import Sessions
from pump_ctrl.clinic.store import Store
from pump_ctrl.clinic.versions import Versions
from pump_ctrl.clock import Clock
from pump_ctrl.errors import NotAllowed

DATABASE: Final = "clinic.sqlite3"
_OTHERS: Final = 0o077


def default_place() -> Path:
    """Where state lies unless it is said: ``$XDG_STATE_HOME/pump-ctrl``, else ``~/.local/state/pump-ctrl``.

    Raises:
        NotAllowed: there is neither.
    """
    base = os.environ.get("XDG_STATE_HOME", "")
    if os.path.isabs(base):  # one that is not absolute does not count
        return Path(base) / "pump-ctrl"
    try:
        return Path.home() / ".local" / "state" / "pump-ctrl"
    except RuntimeError:
        raise NotAllowed(
            "This user has no home directory.",
            code="state-unusable",
            do_now="Name a directory with --state DIR.",
        ) from None


class Clinic:
    """Accounts, drafts and signed plans of one state directory. Made by ``open``; close it."""

    def __init__(self, place: Path, clock: Clock) -> None:
        self.place = place
        self._store = Store(place / DATABASE, clock)
        self.clock = clock
        self.acts = Acts(place / FILE, self._store)
        self.accounts = Accounts(self._store)
        self.sessions = Sessions(self._store, self.accounts)
        self.drafts = Drafts(self._store)
        self.versions = Versions(self._store, self.accounts, place)
        self._store.on_act(self.acts.flush)

    @classmethod
    def open(cls, place: Path, clock: Clock) -> Self:
        """Open a state directory; it is made, for this user alone, if there is none.

        Raises:
            NotAllowed: others may enter it.
            JournalError: its files cannot be used.
        """
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            state = place.stat()
        except OSError as error:
            raise NotAllowed(
                f"{place} cannot be used: {error.strerror}.",
                code="state-unusable",
                do_now="Name another directory with --state DIR.",
            ) from None
        if state.st_uid != os.getuid():
            raise NotAllowed(
                f"{place} belongs to another user, who could change the accounts in it.",
                code="state-unusable",
                do_now="Name a directory of your own with --state DIR.",
            )
        if state.st_mode & _OTHERS:
            raise NotAllowed(
                f"{place} is not a directory of yours alone, and accounts lie in it.",
                code="state-unusable",
                do_now=f"chmod 700 {shlex.quote(str(place))}",
            )
        found = cls(place.resolve(), clock)
        try:
            found.versions.write_missing()
            found.acts.flush()
        except BaseException:
            found.close()
            raise
        return found

    @classmethod
    def find(cls, place: Path, clock: Clock) -> Self | None:
        """Open a state directory if there is one; none is made.

        Raises:
            NotAllowed, JournalError: as ``open``.
        """
        return cls.open(place, clock) if os.path.exists(place / DATABASE) else None

    def record(self, kind: str, **data: str | int | None) -> None:
        """Write down an act that changes nothing here: what was asked of a pump, and its answer."""
        with self._store.write() as tx:
            tx.act(kind, **data)

    def close(self) -> None:
        """Let go of the files. Safe to repeat."""
        try:
            self.acts.close()
        finally:
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
