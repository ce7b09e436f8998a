"""Signed plans and where their files are: what a controller may carry out.

Layer      live.
Hazard     a plan that nobody signed, that was changed after signing, or that is for another pump.
Invariant  only a plan whose approval holds for these very files is carried out; a plan of the journal is known by
           its SHA-256, never by its name.
Tests      tests/unit/test_live_signed.py
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pump_ctrl.assembly import prescription_of
from pump_ctrl.controller.prescription import Prescription
from pump_ctrl.errors import InvalidInput, NotAllowed
from pump_ctrl.therapy.approval import approval_path, load_approval, verify_approval
from pump_ctrl.therapy.formulary import Formulary, load_formulary
from pump_ctrl.therapy.limits import limits_bytes
from pump_ctrl.therapy.plan import DosingPlan, load_plan
from pump_ctrl.therapy.profiles import PumpProfile, load_profile, profile_names


@dataclass(frozen=True, slots=True)
class Signed:
    """A plan with its signed limits, as guard and controller take them."""

    file: Path
    plan: DosingPlan
    prescription: Prescription
    limits: bytes


class Shelf:
    """The plan files that are known, by SHA-256 of the plan.

    Args:
        profile: the pump.
        formulary: the drug limits they were signed under.
        files: plan files that were named; one that cannot be read is an error when its plan is needed.
    """

    def __init__(self, profile: PumpProfile, formulary: Formulary, files: Iterable[Path]) -> None:
        self.profile, self._formulary = profile, formulary
        self._plans: dict[str, tuple[Path, DosingPlan]] = {}
        for file in files:
            self.add(file)

    def add(self, file: Path) -> DosingPlan | None:
        """Know this file's plan; None where there is none (any more)."""
        try:
            plan = load_plan(file)
        except InvalidInput:
            return None
        self._plans[plan.sha256] = (file, plan)
        return plan

    def file_of(self, sha256: str) -> Path | None:
        """Where the plan is, if it is known."""
        known = self._plans.get(sha256)
        return None if known is None else known[0]

    def plan(self, sha256: str) -> DosingPlan:
        """A plan that is known.

        Raises:
            NotAllowed: it is not.
        """
        self._require(sha256)
        return self._plans[sha256][1]

    def prescription(self, sha256: str) -> Prescription:
        """A plan that was in force earlier.

        Raises:
            NotAllowed: its file is not known.
        """
        self._require(sha256)
        return self._prescribe(self._plans[sha256][1])

    def _require(self, sha256: str) -> None:
        if sha256 not in self._plans:
            raise NotAllowed(
                f"The journal was also run with the plan {sha256[:12]}..., and its file was not found.",
                code="plan-file-unknown",
                do_now="Name it with --previous FILE, unchanged as it was signed.",
            )

    def _prescribe(self, plan: DosingPlan) -> Prescription:
        return prescription_of(plan, self.profile, self._formulary, self._previous(plan))

    def _previous(self, plan: DosingPlan) -> DosingPlan | None:
        if plan.previous is None:
            return None
        if plan.previous not in self._plans:
            raise NotAllowed(
                f"{plan.id} was written after another plan ({plan.previous[:12]}...).",
                code="plan-file-unknown",
                do_now="Name that plan's file with --previous FILE.",
            )
        return self._plans[plan.previous][1]

    def signed(self, file: Path) -> Signed:
        """The plan of ``file``, if its approval holds.

        Raises:
            InvalidInput: it is no plan.
            NotAllowed: it is not approved, was changed after that, or is for another pump.
        """
        plan = load_plan(file)
        if plan.pump != self.profile.name:
            raise NotAllowed(
                f"{plan.id} is for the pump {plan.pump}, this is {self.profile.name}.",
                code="plan-of-other-pump",
                do_now="Give the pump's own plan: no pump is run on another one's plan.",
            )
        try:
            approval = load_approval(approval_path(file), plan)
            verify_approval(approval, plan, self._formulary, self.profile, self._previous(plan))
        except NotAllowed as error:
            how = f"{error.do_now} The command: {self._how_to_approve(file, plan)}"
            raise NotAllowed(error.what, code=error.code, do_now=how) from None
        self._plans[plan.sha256] = (file, plan)
        return Signed(file, plan, self._prescribe(plan), limits_bytes(approval.limits))

    def _how_to_approve(self, file: Path, plan: DosingPlan) -> str:
        words = ["pump-ctrl", "plan", "approve", str(file), "--signer", "NAME"]
        if plan.previous is not None:
            words += ["--previous", str(self.file_of(plan.previous) or "PLAN")]
        if self.profile.name not in profile_names():
            words += ["--pump", f"{self.profile.name}.toml"]
        if self._formulary.sha256 != load_formulary().sha256:
            words += ["--formulary", "FILE"]
        return shlex.join(words)


def open_shelf(
    plan: Path, profile: PumpProfile | None, formulary: Formulary, others: Iterable[Path]
) -> tuple[Shelf, Signed]:
    """Read a plan that is to be carried out, and the plans it depends on.

    Raises:
        InvalidInput: it is no plan, or there is no such pump.
        NotAllowed: as ``Shelf.signed``.
    """
    shelf = Shelf(profile or load_profile(load_plan(plan).pump), formulary, others)
    return shelf, shelf.signed(plan)


def files_named(records: Iterable[Any], about: dict[str, Any]) -> list[Path]:
    """The plan files that a journal names."""
    named = [about[key] for key in ("plan_file", "previous_file") if isinstance(about.get(key), str)]
    named += [
        record.data["plan"]
        for record in records
        if record.kind == "console" and record.data.get("do") == "load" and _names_a_file(record.data)
    ]
    return [Path(name) for name in named if name]


def _names_a_file(request: Mapping[str, Any]) -> bool:
    """A request is written down before it is looked at: one that was refused may name anything."""
    return isinstance(request.get("plan"), str)
