"""Who signs on the command line: accounts with their passwords, or names that nobody verified.

Layer      cli. Asks for passwords; the clinic decides.
Hazard     an approval that says that its signers are known, and they are not; a name of somebody who has an account,
           signed by another.
Invariant  where there are accounts, only they sign; an approval says whether its signers gave their passwords.
Tests      tests/unit/test_cli_web.py
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pump_ctrl.cli.web import asked_password, private, tell_trouble
from pump_ctrl.clinic import SIGNING_ACTS, Account, Act, Clinic, Reviewed, default_place
from pump_ctrl.clock import SystemClock
from pump_ctrl.errors import NotAllowed
from pump_ctrl.therapy.approval import Approval


@contextmanager
def house_of_accounts(place: Path | None) -> Iterator[Clinic | None]:
    """The state directory whose accounts sign; None where there are none.

    Raises:
        NotAllowed: there are none in the directory that was named.
    """
    with private():
        clinic = Clinic.find(place or default_place(), SystemClock())
        try:
            known = clinic is not None and bool(clinic.accounts.all())
            if place is not None and not known:
                raise NotAllowed(
                    f"Nothing was signed: there are no accounts in {place}, and where --state names a directory only "
                    "its accounts sign.",
                    code="no-such-account",
                    do_now=f"pump-ctrl user add NAME --role prescriber --state {shlex.quote(str(place))} makes one; or "
                    "leave --state out: without accounts in the usual directory too names are taken as they are given.",
                )
            yield clinic if known else None
            if clinic is not None:
                tell_trouble(clinic)
        finally:
            if clinic is not None:
                clinic.close()


def accounts_of(clinic: Clinic, signer: str, second: str | None) -> tuple[Account, ...]:
    """The accounts of those who sign, by the name that they log in with.

    Raises:
        NotAllowed: there is none of that name, or it may not.
    """
    names = (signer,) if second is None else (signer, second)
    return tuple(_account(clinic, name, act) for name, act in zip(names, SIGNING_ACTS, strict=False))


def _account(clinic: Clinic, name: str, act: Act) -> Account:
    found = clinic.accounts.get(name)
    if found is None:
        raise NotAllowed(
            f"Not approved: there is no account {name!r}.",
            code="no-such-account",
            do_now=f"A signer is named as at the login: pump-ctrl user list --state {clinic.place}",
        )
    if not found.may(act):
        state = "disabled" if found.disabled else ", ".join(found.roles)
        raise NotAllowed(
            f"Not approved: {found.name} ({state}) may not.",
            code="role-lacking",
            do_now="Let somebody sign who may.",
        )
    return found


def signed_by(
    clinic: Clinic, accounts: tuple[Account, ...], given: Reviewed, reasons: Mapping[str, str]
) -> Approval:
    """Ask each for the password, and sign; the plan is then among those of the page.

    Raises:
        NotAllowed: it is signed already, a password is wrong, or as ``therapy.approval.approve``.
    """
    clinic.versions.require_unsigned(given)
    people = [(each, asked_password(f"{each.name} ({each.full_name})", new=False)) for each in accounts]
    return clinic.versions.sign_file(given, people, reasons)
