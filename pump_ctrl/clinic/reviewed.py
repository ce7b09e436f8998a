"""What is put before a signer, and what is signed: values, and the hashes that a signature is of.

Layer      clinic; imports therapy.
Hazard     a signature over something else than what was on the screen.
Invariant  the digest is of plan, formulary, pump profile, compiled limits and findings.
Tests      tests/unit/clinic/test_versions.py
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from pump_ctrl.therapy.findings import Finding
from pump_ctrl.therapy.formulary import Formulary
from pump_ctrl.therapy.limits import compile_limits
from pump_ctrl.therapy.plan import DosingPlan, parse_plan
from pump_ctrl.therapy.profiles import PumpProfile
from pump_ctrl.therapy.review import blocked, review

State = Literal["awaits second", "approved", "withdrawn"]


@dataclass(frozen=True)
class Reviewed:
    """What was put before a signer."""

    plan: DosingPlan
    formulary: Formulary
    profile: PumpProfile
    previous: DosingPlan | None

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What the review found."""
        return review(self.plan, self.formulary, self.profile, self.previous)

    @property
    def needs_second(self) -> bool:
        """Whether a finding asks for a second person."""
        return any(item.second for item in self.findings)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of plan, formulary, profile, limits and findings: 64 hex digits."""
        limits = (
            {}
            if blocked(self.findings)
            else compile_limits(self.plan, self.formulary, self.profile, self.previous)
        )
        parts: dict[str, Any] = {
            "plan": self.plan.sha256,
            "formulary": self.formulary.sha256,
            "profile": self.profile.sha256,
            "limits": limits,
            "findings": [
                [item.key, item.level, item.field, item.second, item.text] for item in self.findings
            ],
        }
        text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
        return sha256(text.encode("ascii")).hexdigest()


@dataclass(frozen=True, slots=True)
class Signature:
    """Who signed what, and when."""

    account: str
    full_name: str
    digest: str
    utc_ms: int


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Who took a plan back, and when."""

    account: str
    full_name: str
    utc_ms: int


@dataclass(frozen=True, slots=True)
class Version:
    """A signed plan.

    ``key`` is that of the draft it came from; None: it was approved on the command line. ``file`` is its plan file, as
    soon as it is approved and for as long as an approval lies beside it, be it one that was withdrawn. ``withdrawal``
    is None for one that was withdrawn before that was kept here; the page's journal knows.
    """

    sha256: str
    key: str | None
    plan_id: str
    title: str
    text: str
    digest: str
    reasons: Mapping[str, str]
    state: State
    made_utc_ms: int
    signatures: tuple[Signature, ...]
    file: Path | None
    withdrawal: Withdrawal | None = None

    @property
    def first_seal(self) -> str:
        """SHA-256 of the first signature and of the reasons given with it: what a second person has to have seen."""
        first = self.signatures[0]
        parts = [self.digest, first.account, first.utc_ms, sorted(self.reasons.items())]
        return sha256(json.dumps(parts, ensure_ascii=True, allow_nan=False).encode("ascii")).hexdigest()

    @property
    def plan(self) -> DosingPlan:
        """The plan itself."""
        return parse_plan(self.text, self.plan_id)
