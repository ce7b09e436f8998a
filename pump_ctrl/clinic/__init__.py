"""What lies under a state directory: accounts, sessions, plans in writing, signed plans, and who did what.

Layer      beside bench and live; imports journal, therapy and the kernel. Knows no page and no command line; both
           use it.
Hazard     a signature in somebody's name that is not theirs; a plan that is approved and not the one that was
           reviewed.
Invariant  an approval file is written for exactly what its signers saw, each with the own password, two different
           people where a finding asks for a second; every act is recorded with the change that it made, or neither is.
Tests      tests/unit/clinic

``DIR/clinic.sqlite3`` accounts, drafts, versions; ``DIR/plans/`` signed plans and their approvals, as ``pump-ctrl run``
takes them; ``DIR/page.jsonl`` who did what, in a journal of the controller's form.
"""

from __future__ import annotations

from pump_ctrl.clinic.accounts import PERMISSIONS, Account, Accounts, Act, Role
from pump_ctrl.clinic.drafts import Draft, Drafts
from pump_ctrl.clinic.house import Clinic, default_place
from pump_ctrl.clinic.reviewed import Reviewed, Signature, Version, Withdrawal
from pump_ctrl.clinic.sessions import Session, Sessions
from pump_ctrl.clinic.versions import SIGNING_ACTS, Versions

__all__ = [
    "PERMISSIONS",
    "SIGNING_ACTS",
    "Account",
    "Accounts",
    "Act",
    "Clinic",
    "Draft",
    "Drafts",
    "Reviewed",
    "Role",
    "Session",
    "Sessions",
    "Signature",
    "Version",
    "Versions",
    "Withdrawal",
    "default_place",
]
