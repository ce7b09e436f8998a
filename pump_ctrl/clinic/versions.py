"""Versions: plans that were signed, by whom and for what reason, and their files.

Layer      clinic; imports therapy.
Hazard     a signature over something else than what was on the screen; one person who signs as two; a plan whose
           approval is written while its signatures are not.
Invariant  a signature names the digest of what was put before the signer (``reviewed``); whoever signs another one is
           refused. The record comes before the file; a file that is missing, or is not what the record says, is written
           at the start. What is only known to compare with (``plans/known``) is no version, and nothing makes it one.
Tests      tests/unit/clinic/test_versions.py
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from pump_ctrl.clinic.accounts import Account, Accounts
from pump_ctrl.clinic.reviewed import Reviewed, Signature, Version, Withdrawal
from pump_ctrl.clinic.store import Row, Store, Transaction, loads
from pump_ctrl.errors import JournalError, NotAllowed
from pump_ctrl.therapy.approval import (
    Approval,
    approval_path,
    approval_text,
    approve,
    replace_durably,
    require_reasons,
)
from pump_ctrl.therapy.plan import DosingPlan, load_plan
from pump_ctrl.therapy.plan_write import plan_text

PLANS: Final = "plans"
KNOWN: Final = "known"  # within it: plans in force that were signed elsewhere, by their hash
_HASH: Final = re.compile(r"[0-9a-f]{64}")
SigningAct = Literal["sign", "second"]
SIGNING_ACTS: Final[tuple[SigningAct, ...]] = ("sign", "second")  # of the first person, of the second


class Versions:
    """The signed plans of a state directory."""

    def __init__(self, store: Store, accounts: Accounts, place: Path) -> None:
        self._store, self._accounts, self._place = store, accounts, place / PLANS

    def all(self) -> tuple[Version, ...]:
        """Every version, the newest first."""
        rows = self._store.all("SELECT * FROM versions ORDER BY made_utc_ms DESC, sha256")
        return tuple(self._version(row) for row in rows)

    def get(self, plan_sha256: str) -> Version | None:
        """The version of this plan."""
        row = self._store.one("SELECT * FROM versions WHERE sha256 = ?", plan_sha256)
        return self._version(row) if row is not None else None

    def plan(self, plan_sha256: str) -> DosingPlan | None:
        """The plan of this hash, if it was signed here or its file was given to compare with."""
        found = self.get(plan_sha256)
        if found is not None:
            return found.plan
        file = self._place / KNOWN / f"{plan_sha256}.toml"
        if not _HASH.fullmatch(plan_sha256) or not file.exists():
            return None
        plan = load_plan(file)
        return plan if plan.sha256 == plan_sha256 else None

    def know(self, plan: DosingPlan, account: Account) -> None:
        """Keep a plan that was signed elsewhere, to compare with: the plan that a pump carries out now.

        Raises:
            JournalError: the disk refuses.
        """
        room = self._place / KNOWN
        try:
            room.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_durably(room / f"{plan.sha256}.toml", plan_text(plan).encode("utf-8"))
        except OSError as error:
            raise JournalError(
                f"The file of {plan.id} cannot be written: {error.strerror}.", do_now="See to the disk."
            ) from error
        with self._store.write() as tx:
            tx.act("plan-given", plan=plan.sha256, by=account.name)

    def sign(
        self,
        key: str,
        given: Reviewed,
        account: Account,
        password: str,
        reasons: Mapping[str, str],
        digest: str,
    ) -> Version:
        """Sign a plan as its first signer.

        Args:
            key: of the draft that it came from.
            given: what is signed.
            account: who signs.
            password: of that account, given anew.
            reasons: as ``therapy.approval.approve`` takes them.
            digest: of what the signer saw.

        Raises:
            NotAllowed: another digest, the wrong password, a role that may not, a blocked finding, a missing reason, or
                a plan that is signed already.
        """
        signer = self._signer(account, password, "sign")
        _require_same(given.digest, digest)
        require_reasons(given.findings, reasons)
        plan, now = given.plan, self._store.clock.utc_ms()
        approval = None if given.needs_second else _approval(given, signer.full_name, None, reasons, now)
        with self._store.write() as tx:
            known = tx.one("SELECT 1 FROM versions WHERE sha256 = ? AND state <> 'withdrawn'", plan.sha256)
            if known is not None:
                raise NotAllowed(
                    f"{plan.id} in exactly this form is signed already.",
                    code="signed-already",
                    do_now="Look at its page.",
                )
            _record(tx, key, given, reasons, approval, now)
            _sign(tx, plan.sha256, 1, signer, digest, now)
        return self._filed(plan.sha256)

    def second(
        self, given: Reviewed, account: Account, password: str, digest: str, first_seal: str
    ) -> Version:
        """Sign a plan as its second signer, which approves it.

        Args:
            given: what is signed.
            account: who signs.
            password: of that account, given anew.
            digest: of what the signer saw.
            first_seal: ``Version.first_seal`` as the signer saw it.

        Raises:
            NotAllowed: there is nothing to sign, another digest than the first signer's, another first signature or
                other reasons than were shown, the same person, the wrong password, or a role that may not.
        """
        signer = self._signer(account, password, "second")
        _require_same(given.digest, digest)
        now = self._store.clock.utc_ms()
        with (
            self._store.write() as tx
        ):  # nobody withdraws it, or signs it anew, between the look and the signature
            found = self.get(given.plan.sha256)
            if found is None or found.state != "awaits second":
                raise NotAllowed(
                    "This plan waits for no second signature.",
                    code="awaits-no-second",
                    do_now="Look at its page.",
                )
            first = found.signatures[0]
            _require_second(found, first, signer, digest)
            _require_same(found.first_seal, first_seal)
            approval = _approval(given, first.full_name, signer.full_name, found.reasons, now)
            tx.do(
                "UPDATE versions SET state = 'approved', approval = ? WHERE sha256 = ?",
                _text(approval), found.sha256,
            )  # fmt: skip
            _sign(tx, found.sha256, 2, signer, digest, now)
        return self._filed(found.sha256)

    def require_unsigned(self, given: Reviewed) -> None:
        """Make sure that ``sign_file`` would take this plan, before anybody is asked for a password.

        Raises:
            NotAllowed: it is approved as it is, or waits for its second signature.
        """
        found = self.get(given.plan.sha256)
        if found is None or found.state == "withdrawn":
            return
        names = " and ".join(each.full_name for each in found.signatures)
        if found.state == "awaits second":
            raise NotAllowed(
                f"{found.plan_id} in exactly this form is signed on the page by {names}, and waits there for its "
                "second signature.",
                code="signed-already",
                do_now="Let the second person sign on the page (pump-ctrl web), or withdraw it there first.",
            )
        if found.digest == given.digest:
            raise NotAllowed(
                f"{found.plan_id} in exactly this form is approved already, by {names}: {found.file}, with its "
                "approval beside it.",
                code="signed-already",
                do_now="Run that file. To have it signed anew, withdraw it on its page first (pump-ctrl web).",
            )

    def sign_file(
        self, given: Reviewed, people: Sequence[tuple[Account, str]], reasons: Mapping[str, str]
    ) -> Approval:
        """Sign a plan that lies elsewhere, with all its signers at once: a version like any other, without a draft.

        One that is approved, and of which the formulary, the pump's profile or what the review finds has changed since,
        is signed anew: the new approval takes the place of the one that holds no more. The plan that it follows is kept
        to compare with. The same approval is the caller's to write beside the file.

        Args:
            given: what is signed.
            people: the signer and the second person, if there is one, each with the password.
            reasons: as ``therapy.approval.approve`` takes them.

        Raises:
            NotAllowed: as ``therapy.approval.approve``, a wrong password, a role that may not, or as
                ``require_unsigned``.
            JournalError: the disk refuses; where it is the plan's file, the plan is signed all the same.
        """
        signers = [
            self._signer(account, password, act)
            for (account, password), act in zip(people, SIGNING_ACTS, strict=False)
        ]
        first, second = signers[0].full_name, signers[1].full_name if len(signers) > 1 else None
        now = self._store.clock.utc_ms()
        approval = _approval(given, first, second, reasons, now)
        if given.previous is not None and self.plan(given.previous.sha256) is None:
            self.know(given.previous, signers[0])
        with self._store.write() as tx:
            self.require_unsigned(given)
            _record(tx, "", given, reasons, approval, now)
            for number, signer in enumerate(signers, 1):
                _sign(tx, given.plan.sha256, number, signer, given.digest, now, how="plan approve")
        self._filed(given.plan.sha256)
        return approval

    def withdraw(self, plan_sha256: str, account: Account) -> Version:
        """Take a plan back that is approved, or waits for its second signature; its files stay as they are.

        Raises:
            NotAllowed: it is neither, or this account may not.
        """
        if not account.may("sign"):
            raise NotAllowed(
                f"{account.full_name} may not withdraw plans.",
                code="role-lacking",
                do_now="Ask somebody who may sign.",
            )
        change = "UPDATE versions SET state = 'withdrawn' WHERE sha256 = ? AND state <> 'withdrawn'"
        with self._store.write() as tx:
            if tx.do(change, plan_sha256) == 0:
                raise NotAllowed(
                    "Only a plan that is approved, or waits for its second signature, can be withdrawn.",
                    code="not-withdrawable",
                    do_now="Look at its page.",
                )
            tx.do(
                "INSERT INTO withdrawals VALUES (?, ?, ?, ?)",
                plan_sha256, account.name, account.full_name, self._store.clock.utc_ms(),
            )  # fmt: skip
            tx.act("withdrawn", plan=plan_sha256, by=account.name)
        found = self.get(plan_sha256)
        assert found is not None
        return found

    def write_missing(self) -> None:
        """Write the files of approved plans that are not there, or not as recorded: a crash came between the two.

        Raises:
            JournalError: the disk refuses.
        """
        for row in self._store.all("SELECT * FROM versions WHERE state = 'approved'"):
            target = self._file(row)
            if not all(_holds(path, content) for path, content in _contents(target, row)):
                self._write(target, row)

    def _signer(self, account: Account, password: str, act: SigningAct) -> Account:
        found = self._accounts.authenticate(account.name, password)
        if not found.may(act):
            roles = ", ".join(found.roles)
            raise NotAllowed(
                f"Not signed: {found.name} ({roles}) may not.",
                code="role-lacking",
                do_now="Let somebody sign who may.",
            )
        return found

    def _filed(self, plan_sha256: str) -> Version:
        row = self._store.one("SELECT * FROM versions WHERE sha256 = ?", plan_sha256)
        assert row is not None
        if row["approval"] is not None:
            self._write(self._file(row), row)
        return self._version(row)

    def _file(self, row: Row) -> Path:
        return self._place / f"{row['plan_id']}-{row['sha256'][:12]}.toml"

    def _write(self, target: Path, row: Row) -> None:
        try:
            self._place.mkdir(mode=0o700, exist_ok=True)
            for path, content in _contents(target, row):
                replace_durably(path, content)
        except OSError as error:
            raise JournalError(
                f"{row['plan_id']} is signed, and its file {target} cannot be written: {error.strerror}.",
                do_now="See to the disk. The file is written when the page starts again.",
            ) from error

    def _version(self, row: Row) -> Version:
        rows = self._store.all("SELECT * FROM signatures WHERE sha256 = ? ORDER BY number", row["sha256"])
        file = self._file(row)
        taken = self._store.one("SELECT * FROM withdrawals WHERE sha256 = ?", row["sha256"])
        return Version(
            sha256=row["sha256"],
            key=row["key"] or None,
            plan_id=row["plan_id"],
            title=row["title"],
            text=row["text"],
            digest=row["digest"],
            reasons=loads(row["reasons"]),
            state=row["state"],
            made_utc_ms=row["made_utc_ms"],
            signatures=tuple(Signature(s["account"], s["full_name"], s["digest"], s["utc_ms"]) for s in rows),
            file=file if row["approval"] is not None or approval_path(file).exists() else None,
            withdrawal=Withdrawal(taken["account"], taken["full_name"], taken["utc_ms"]) if taken else None,
        )


def _require_same(found: str, seen: str) -> None:
    if found != seen:
        raise NotAllowed(
            "Not signed: what is signed now is not what was shown.",
            code="not-as-shown",
            pump_state="Nothing was signed.",
            do_now="Somebody saved or signed the plan, or the formulary changed, while you looked. Review it again.",
        )


def _require_second(found: Version, first: Signature, signer: Account, digest: str) -> None:
    if found.digest != digest:
        raise NotAllowed(
            f"Not signed: since {first.full_name} signed {found.plan_id}, the formulary, the pump's profile or what "
            "the review finds has changed.",
            code="not-as-shown",
            do_now="Withdraw it, and sign it anew.",
        )
    if signer.name == first.account:
        raise NotAllowed(
            f"Not signed: {first.full_name} has signed it, and cannot be the second person too.",
            code="signer-unfit",
            do_now="Let another person sign.",
        )


def _approval(
    given: Reviewed, signer: str, second: str | None, reasons: Mapping[str, str], now_utc_ms: int
) -> Approval:
    return approve(
        given.plan, given.formulary, given.profile, given.previous, signer, second, reasons, now_utc_ms,
        authenticated=True,
    )  # fmt: skip


def _text(approval: Approval | None) -> str | None:
    return None if approval is None else approval_text(approval)


def _contents(target: Path, row: Row) -> tuple[tuple[Path, bytes], ...]:
    """The files of an approved plan; the approval is the last, so that there is none without its plan."""
    return (
        (target, row["text"].encode("utf-8")),
        (approval_path(target), row["approval"].encode("ascii")),
    )


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except OSError:
        return False


def _record(
    tx: Transaction,
    key: str,
    given: Reviewed,
    reasons: Mapping[str, str],
    approval: Approval | None,
    now_utc_ms: int,
) -> None:
    """Put a version in the place of the one of the same plan, if there was one; ``key``: empty for no draft."""
    plan, state = given.plan, "awaits second" if approval is None else "approved"
    tx.do("DELETE FROM versions WHERE sha256 = ?", plan.sha256)
    tx.do(
        "INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        plan.sha256, key, plan.id, plan.title, plan_text(plan), given.digest, json.dumps(dict(reasons)), state,
        now_utc_ms, _text(approval),
    )  # fmt: skip


def _sign(
    tx: Transaction,
    plan_sha256: str,
    number: int,
    signer: Account,
    digest: str,
    now_utc_ms: int,
    **how: str,
) -> None:
    tx.do(
        "INSERT INTO signatures VALUES (?, ?, ?, ?, ?, ?)",
        plan_sha256, number, signer.name, signer.full_name, digest, now_utc_ms,
    )  # fmt: skip
    tx.act("signed", plan=plan_sha256, digest=digest, number=number, by=signer.name, **how)
