"""Accounts: who may do what, and whether somebody is who they say.

Layer      clinic.
Hazard     a viewer who approves; a password that is tried until it fits; an account that outlives its owner's leave.
Invariant  what a role may is data; who logs in names the account exactly; no two accounts have names that could be
           taken for one person's (``therapy.approval.person``); nothing but a password makes somebody known; an
           attempt counts before it is looked at, so that many at the same time are no way around the lock.
Tests      tests/unit/clinic/test_accounts.py
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, get_args

from pump_ctrl.clinic.passwords import fits, nobodys, require_usable, sealed
from pump_ctrl.clinic.store import Row, Store, Transaction
from pump_ctrl.errors import InvalidInput, NotAllowed, Problem
from pump_ctrl.therapy.approval import person

Role = Literal["prescriber", "second", "bench", "viewer"]
Act = Literal["look", "stop", "write", "sign", "second", "operate"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
# Looking and stopping is everybody's: a STOP is never refused.
PERMISSIONS: Final[Mapping[Role, frozenset[Act]]] = MappingProxyType(
    {
        "prescriber": frozenset({"look", "stop", "write", "sign", "second", "operate"}),
        "second": frozenset({"look", "stop", "second"}),
        "bench": frozenset({"look", "stop", "operate"}),
        "viewer": frozenset({"look", "stop"}),
    }
)
FAILURES: Final = 5  # wrong passwords
WITHIN_MS: Final = 15 * 60_000  # of each other lock the name
LOCKED_MS: Final = 15 * 60_000  # from the last of them on
_LONGEST_NAME: Final = 64  # characters that are kept of a name that somebody tried
_ALIKE: Final = ("LATIN", "CYRILLIC", "GREEK")  # scripts with letters that nobody tells apart
_NAME: Final = re.compile(r"[a-z][a-z0-9._-]{0,31}")


@dataclass(frozen=True, slots=True)
class Account:
    """A person who may log in."""

    name: str
    full_name: str
    roles: tuple[Role, ...]
    disabled: bool
    created_utc_ms: int
    epoch: int

    def may(self, act: Act) -> bool:
        """Whether one of the roles permits it, and the account is in use."""
        return not self.disabled and any(act in PERMISSIONS[role] for role in self.roles)


class Accounts:
    """The accounts of a state directory."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self) -> tuple[Account, ...]:
        """Every account, by name."""
        return tuple(_account(row) for row in self._store.all("SELECT * FROM accounts ORDER BY name"))

    def get(self, name: str) -> Account | None:
        """The account of that name."""
        row = self._store.one("SELECT * FROM accounts WHERE name = ?", name)
        return _account(row) if row is not None else None

    def add(self, name: str, full_name: str, roles: Iterable[str], password: str, by: str) -> Account:
        """Make an account. ``full_name`` is what stands under a plan.

        Raises:
            InvalidInput: a name, role or password that cannot be.
            NotAllowed: there is one of that name, or of that full name.
        """
        given, full = self.require_new(name, full_name, roles)
        require_usable(password, name)
        kept, now = sealed(password), self._store.clock.utc_ms()
        with self._store.write() as tx:
            _require_free(tx, name, full)
            tx.do(
                "INSERT INTO accounts (name, full_name, roles, password, created_utc_ms) VALUES (?, ?, ?, ?, ?)",
                name, full, " ".join(given), kept, now,
            )  # fmt: skip
            tx.act("account-added", account=name, roles=" ".join(given), by=by)
        return Account(name, full, given, False, now, 0)

    def require_new(self, name: str, full_name: str, roles: Iterable[str]) -> tuple[tuple[Role, ...], str]:
        """Make sure that such an account can be made, before anybody is asked for a password; roles and full name.

        Raises:
            InvalidInput: a name or role that cannot be.
            NotAllowed: there is one of that name, or of that full name.
        """
        given = _roles(roles)
        _require_names(name, full_name)
        full = unicodedata.normalize("NFC", " ".join(full_name.split()))
        _require_free(self._store, name, full)
        return given, full

    def passwd(self, name: str, password: str, by: str) -> None:
        """Give an account another password; whoever is logged in with it is logged out.

        Raises:
            InvalidInput: a password that cannot be.
            NotAllowed: there is no such account.
        """
        require_usable(password, name)
        self._change(name, "UPDATE accounts SET password = ?, epoch = epoch + 1 WHERE name = ?", sealed(password), name,
                     kind="password-changed", by=by)  # fmt: skip

    def disable(self, name: str, by: str) -> None:
        """Let nobody log in with it any more; what it has signed stays signed.

        Raises:
            NotAllowed: there is no such account.
        """
        self._change(
            name,
            "UPDATE accounts SET disabled = 1, epoch = epoch + 1 WHERE name = ?",
            name,
            kind="account-disabled",
            by=by,
        )

    def _change(self, name: str, sql: str, *values: object, kind: str, by: str) -> None:
        with self._store.write() as tx:
            if tx.do(sql, *values) == 0:
                raise NotAllowed(
                    f"There is no account {name!r}.",
                    code="no-such-account",
                    do_now="pump-ctrl user list shows them.",
                )
            tx.do("DELETE FROM failures WHERE name = ?", name)
            tx.act(kind, account=name, by=by)

    def authenticate(self, name: str, password: str) -> Account:
        """Make sure that somebody is who they say.

        Raises:
            NotAllowed: they are not; whether there is such an account is told by neither words nor time. Or there were
                too many failures, of an account or of a name that is none.
        """
        tried = name[:_LONGEST_NAME]
        self._count(tried)
        row = self._store.one("SELECT * FROM accounts WHERE name = ?", name)
        right = fits(password, nobodys() if row is None else row["password"])
        if row is None or row["disabled"] or not right:
            with (
                self._store.write() as tx
            ):  # a name that is no account's may be a password in the wrong field
                tx.act("login-refused", account="?" if row is None else name)
            raise NotAllowed("The account or its password is wrong.", code="login-wrong", do_now="Try again.")
        with self._store.write() as tx:
            tx.do("DELETE FROM failures WHERE name = ?", tried)
        return _account(row)

    def _count(self, name: str) -> None:
        """Take the attempt for a failure until it is known to be none; refuse it if there were too many."""
        clock = self._store.clock
        now = clock.boot_ms()
        with self._store.write() as tx:
            tx.do(
                "DELETE FROM failures WHERE boot_id <> ? OR at_ms <= ?", clock.boot_id(), now - WITHIN_MS - LOCKED_MS
            )  # fmt: skip
            rows = tx.all(
                "SELECT at_ms FROM failures WHERE name = ? ORDER BY at_ms DESC LIMIT ?", name, FAILURES
            )
            _refuse_locked([row["at_ms"] for row in rows], now)
            tx.do("INSERT INTO failures VALUES (?, ?, ?)", name, clock.boot_id(), now)


def _refuse_locked(failures_ms: list[int], now_ms: int) -> None:
    """``failures_ms``: the last of them, the newest first."""
    if len(failures_ms) < FAILURES or failures_ms[0] - failures_ms[-1] >= WITHIN_MS:
        return
    left_ms = failures_ms[0] + LOCKED_MS - now_ms
    if left_ms > 0:
        raise NotAllowed(
            f"There were {FAILURES} wrong passwords in a row.",
            code="login-locked",
            do_now=f"Try again in {-(-left_ms // 60_000)} min. A pump is stopped without an account too: "
            "pump-ctrl stop",
        )


def _require_free(where: Store | Transaction, name: str, full_name: str) -> None:
    rows = where.all("SELECT name, full_name FROM accounts")
    taken = {person(known) for row in rows for known in (row["name"], row["full_name"])}
    if taken & {person(name), person(full_name)}:
        raise NotAllowed(
            f"There is an account with the name {name} or the full name {full_name} already, or with one that differs "
            "from them in no more than case, width, blanks or what is not seen.",
            code="account-taken",
            do_now="A disabled account keeps its name, so that old signatures stay clear. Take another name.",
        )


def _account(row: Row) -> Account:
    return Account(
        name=row["name"],
        full_name=row["full_name"],
        roles=_roles(row["roles"].split()),
        disabled=bool(row["disabled"]),
        created_utc_ms=row["created_utc_ms"],
        epoch=row["epoch"],
    )


def _roles(given: Iterable[str]) -> tuple[Role, ...]:
    wanted = set(given)
    found = tuple(role for role in ROLES if role in wanted)
    if not found or len(found) != len(wanted):
        unknown = ", ".join(sorted(wanted - set(ROLES)))[:40]
        raise InvalidInput((Problem("", None, "role", f"{unknown!r} is no role", ", ".join(ROLES)),))
    return found


def _require_names(name: str, full_name: str) -> None:
    problems = []
    if not _NAME.fullmatch(name):
        problems.append(
            Problem("", None, "name", f"{name[:40]!r} is no account name",
                    "a letter, then letters, digits, . _ -; at most 32, lower case")
        )  # fmt: skip
    if not person(full_name) or not full_name.isprintable() or len(full_name) > 80:
        problems.append(Problem("", None, "full name", "is no name", "1 to 80 printable characters"))
    if len(scripts := _scripts(full_name)) > 1:
        what = f"mixes the letters of {' and '.join(scripts)}, which look alike"
        problems.append(Problem("", None, "full name", what, "one script"))
    if problems:
        raise InvalidInput(tuple(problems))


def _scripts(text: str) -> list[str]:
    letters = filter(str.isalpha, unicodedata.normalize("NFKC", text))
    words = {word for letter in letters for word in unicodedata.name(letter, "").split()}
    return [script.capitalize() for script in _ALIKE if script in words]
