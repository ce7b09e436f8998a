"""Sessions: who is logged in, and forms that count once.

Layer      clinic.
Hazard     a session that never ends, on a screen that nobody sits at; a form of another site, or one that is sent
           twice.
Invariant  the token stands in the browser only; a session ends by itself, by a new password, a disabled account and a
           reboot; a form's token is of one session and one purpose, and what acts spends it while the session lasts.
Tests      tests/unit/clinic/test_sessions.py
"""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from pump_ctrl.clinic.accounts import Account, Accounts
from pump_ctrl.clinic.store import Row, Store
from pump_ctrl.errors import NotAllowed

IDLE_MS: Final = 30 * 60_000
LONGEST_MS: Final = 12 * 3_600_000
FORM_MS: Final = 2 * 3_600_000
_NOTED_MS: Final = 60_000  # how exactly it is known when somebody was seen last
_FORM: Final = re.compile(r"([0-9a-f]{16})\.([0-9]{1,15})\.([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is logged in. ``secret`` seals the forms; it never leaves the host."""

    id: str
    account: Account
    began_utc_ms: int
    secret: bytes


class Sessions:
    """The sessions of a state directory."""

    def __init__(self, store: Store, accounts: Accounts) -> None:
        self._store, self._accounts = store, accounts

    def begin(self, account: Account) -> str:
        """Log in; the token is for the browser alone."""
        token, clock = secrets.token_urlsafe(32), self._store.clock
        now = clock.boot_ms()
        with self._store.write() as tx:
            tx.do(
                "DELETE FROM sessions WHERE boot_id <> ? OR began_ms < ?", clock.boot_id(), now - LONGEST_MS
            )
            tx.do(
                "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                _id(token), account.name, account.epoch, secrets.token_bytes(32), clock.boot_id(), now, now,
                clock.utc_ms(),
            )  # fmt: skip
            tx.act("login", account=account.name)
        return token

    def of(self, token: str, *, active: bool = True) -> Session | None:
        """Who holds this token; ``active``: a person did something, and not a page that looks by itself."""
        row = self._store.one("SELECT * FROM sessions WHERE id = ?", _id(token))
        account = self._accounts.get(row["account"]) if row is not None else None
        if row is None or account is None or not self._lasts(row, account):
            return None
        now = self._store.clock.boot_ms()
        if active and now - row["seen_ms"] >= _NOTED_MS:
            with self._store.write() as tx:
                tx.do("UPDATE sessions SET seen_ms = ? WHERE id = ?", now, row["id"])
        return Session(row["id"], account, row["began_utc_ms"], row["secret"])

    def _lasts(self, row: Row, account: Account) -> bool:
        clock = self._store.clock
        now = clock.boot_ms()
        return (
            not account.disabled
            and row["epoch"] == account.epoch
            and row["boot_id"] == clock.boot_id()
            and now - row["began_ms"] < LONGEST_MS
            and now - row["seen_ms"] < IDLE_MS
        )

    def end(self, session: Session) -> None:
        """Log out."""
        with self._store.write() as tx:
            if tx.do("DELETE FROM sessions WHERE id = ?", session.id):
                tx.act("logout", account=session.account.name)

    def form(self, session: Session, purpose: str) -> str:
        """A token for one form of this session, for this purpose."""
        nonce, now = secrets.token_hex(8), str(self._store.clock.boot_ms())
        return f"{nonce}.{now}.{_seal(session, purpose, nonce, now)}"

    def accept(self, session: Session, purpose: str, token: str) -> str:
        """Make sure that the form was made for this session and purpose, without spending it; its nonce.

        Raises:
            NotAllowed: it was not, or too long ago.
        """
        match = _FORM.fullmatch(token)
        if not match or not hmac.compare_digest(match[3], _seal(session, purpose, match[1], match[2])):
            raise _refused("the form is not one that this page made for you")
        if self._store.clock.boot_ms() - int(match[2]) >= FORM_MS:
            raise _refused("the form is older than two hours")
        return match[1]

    def spend(self, session: Session, purpose: str, token: str) -> str:
        """The same, once; its nonce.

        Raises:
            NotAllowed: it was not, too long ago, or it was sent before.
        """
        nonce = self.accept(session, purpose, token)
        with self._store.write() as tx:
            row = tx.one("SELECT * FROM sessions WHERE id = ?", session.id)
            if row is None:
                raise _refused("you have logged out")
            account = self._accounts.get(session.account.name)
            if account is None or not self._lasts(row, account):
                raise _refused("your session has ended")
            spent = f"{session.id[:16]}.{nonce}"
            if tx.do("INSERT OR IGNORE INTO spent VALUES (?, ?)", spent, session.id) == 0:
                raise NotAllowed(
                    "This form was sent before.",
                    code="form-spent",
                    do_now="What became of it is not told here: look at the plan's page, or at the pump's state and "
                    "volumes, before you ask again.",
                )
        return nonce


def _id(token: str) -> str:
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _seal(session: Session, purpose: str, nonce: str, made_ms: str) -> str:
    return hmac.new(session.secret, f"{purpose}\0{nonce}\0{made_ms}".encode(), sha256).hexdigest()


def _refused(why: str) -> NotAllowed:
    return NotAllowed(
        f"Not done: {why}.",
        code="form-unfit",
        pump_state="Nothing was changed and nothing was sent to a pump.",
        do_now="Go back, load the page again, look at what it shows now, and try again.",
    )
