"""Sign-off of a plan: who signed what, why, and the compiled limits that the guard will enforce.

Layer      therapy; imports review, limits and the kernel. Writes and reads one file beside the plan.
Hazard     a sign-off that covers another plan, formulary or pump than what runs; one person signing twice.
Invariant  an approval exists only without blocked findings, with a reason for each finding that wants one,
           and with two different people where a soft limit is passed; a changed or stale file is refused.
Tests      tests/unit/test_approval.py
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from types import NoneType
from typing import Any, Final

from pump_ctrl.errors import InvalidInput, NotAllowed, Problem
from pump_ctrl.therapy.findings import CODES, Finding
from pump_ctrl.therapy.formulary import Formulary
from pump_ctrl.therapy.limits import compile_limits
from pump_ctrl.therapy.plan import DosingPlan
from pump_ctrl.therapy.plan_toml import read_bounded
from pump_ctrl.therapy.profiles import PumpProfile
from pump_ctrl.therapy.review import blocked, review

SCHEMA: Final = "pump-ctrl/approval/1"
# Letters and marks that count as printable and of which nothing is drawn (Default_Ignorable_Code_Point).
_UNSEEN: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_MAX_BYTES: Final = 5_000_000
_KINDS: Final[Mapping[type, str]] = {  # what JSON can give, in words
    str: "a text", int: "a whole number", bool: "true or false", NoneType: "null", list: "a list", dict: "a table",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Approval:
    """A signed plan. ``limits`` is the limits file as compiled at signing; hashes are of what was signed.

    ``authenticated``: each signer has an account and gave its password; else they are names that nobody verified.
    """

    plan_id: str
    plan_sha256: str
    previous_sha256: str | None
    formulary_sha256: str
    profile: str
    profile_sha256: str
    findings: tuple[Finding, ...]
    reasons: Mapping[str, str]
    signer: str
    second: str | None
    signed_utc_ms: int
    limits: Mapping[str, Any]
    authenticated: bool = False

    def document(self) -> dict[str, Any]:
        """The approval file as JSON values, with a checksum over all the rest."""
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=self.signed_utc_ms)
        body: dict[str, Any] = {
            "schema": SCHEMA,
            "plan": {"id": self.plan_id, "sha256": self.plan_sha256, "previous": self.previous_sha256},
            "formulary_sha256": self.formulary_sha256,
            "profile": {"name": self.profile, "sha256": self.profile_sha256},
            "findings": [asdict(item) for item in self.findings],
            "reasons": dict(self.reasons),
            "signers": [name for name in (self.signer, self.second) if name is not None],
            "signed_utc_ms": self.signed_utc_ms,
            "signed_utc": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "limits": dict(self.limits),
            "authenticated": self.authenticated,
        }
        return {**body, "checksum": _hash(body)}


def _hash(values: Mapping[str, Any]) -> str:
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return sha256(text.encode("ascii")).hexdigest()


def approval_path(plan_path: Path | str) -> Path:
    """Where the approval of a plan file stands: ``itb-014.toml`` -> ``itb-014.approval.json`` beside it."""
    return Path(plan_path).with_suffix(".approval.json")


# --- signing ------------------------------------------------------------------------------------------------


def approve(
    plan: DosingPlan,
    formulary: Formulary,
    profile: PumpProfile,
    previous: DosingPlan | None,
    signer: str,
    second: str | None,
    reasons: Mapping[str, str],
    now_utc_ms: int,
    *,
    authenticated: bool = False,
) -> Approval:
    """Review the plan and sign it.

    Args:
        plan: the plan to sign.
        formulary: the limits it is reviewed under.
        profile: the pump it names.
        previous: the plan in force, None for a first plan.
        signer: who signs.
        second: another person, needed where a soft limit is passed.
        reasons: a text for each finding that needs one, by ``Finding.key`` or by code for all of that code.
        now_utc_ms: when, ms since 1970 UTC.
        authenticated: each signer has an account and gave its password.

    Raises:
        NotAllowed: blocked findings, a missing or spare reason, a missing, unusable or same second person, or
            another pump than the plan names. Nothing is signed.
    """
    if profile.name != plan.pump:
        raise _refused(
            "plan-of-other-pump",
            f"the plan names the pump {plan.pump}, not {profile.name}",
            "sign it for its own pump",
        )
    findings = review(plan, formulary, profile, previous)
    require_reasons(findings, reasons)
    names = _signers(findings, signer, second)
    return Approval(
        plan_id=plan.id,
        plan_sha256=plan.sha256,
        previous_sha256=plan.previous,
        formulary_sha256=formulary.sha256,
        profile=profile.name,
        profile_sha256=profile.sha256,
        findings=findings,
        reasons=dict(sorted(reasons.items())),
        signer=names[0],
        second=names[1] if len(names) > 1 else None,
        signed_utc_ms=now_utc_ms,
        limits=compile_limits(plan, formulary, profile, previous),
        authenticated=authenticated,
    )


def require_reasons(findings: tuple[Finding, ...], reasons: Mapping[str, str]) -> None:
    """Make sure that nothing blocks the plan, and that each finding that needs a reason has one.

    Raises:
        NotAllowed: blocked findings, a missing or spare reason.
    """
    _refuse_blocked(findings)
    _refuse_reasons(findings, reasons)


def _refused(code: str, what: str, do_now: str) -> NotAllowed:
    return NotAllowed(f"Not approved: {what}.", code=code, do_now=do_now[:1].upper() + do_now[1:] + ".")


def _refuse_blocked(findings: tuple[Finding, ...]) -> None:
    stops = blocked(findings)
    if stops:
        listed = "; ".join(f"{item.key} ({item.field}): {item.text}" for item in stops)
        raise _refused(
            "plan-blocked",
            f"{len(stops)} blocked: {listed}",
            "change the plan; a blocked finding has no override",
        )


def _refuse_reasons(findings: tuple[Finding, ...], reasons: Mapping[str, str]) -> None:
    wanted = [item for item in findings if item.level == "reason"]
    known = {key for item in wanted for key in (item.key, item.code)}
    if spare := sorted(set(reasons) - known):
        raise _refused(
            "reason-spare", f"no finding asks a reason for {', '.join(spare)}", "review the plan again"
        )
    given = {key for key, text in reasons.items() if _printed(text)}
    missing = dict.fromkeys(item.key for item in wanted if not given & {item.key, item.code})
    if missing:
        raise _refused(
            "reason-missing", f"no reason for {', '.join(missing)}", "give a written reason for each"
        )


def person(name: str) -> str:
    """What stays of a name when two are asked to be of two people: case, width, blanks and what is not seen are gone.

    This is Unicode's NFKC_Casefold, with blanks folded. Letters of different scripts that look alike stay different.
    """
    for _ in range(2):  # what a letter unfolds into may have a case of its own
        name = unicodedata.normalize("NFKC", _UNSEEN.sub("", name).casefold())
    return " ".join(name.split())


def _signers(findings: tuple[Finding, ...], signer: str, second: str | None) -> tuple[str, ...]:
    names = tuple(" ".join(name.split()) for name in (signer, second) if name is not None)
    for name in names:
        if not _printed(name):
            raise _refused(
                "signer-unfit", f"{name!r} is no name", "sign with a printable name of 1 to 120 characters"
            )
    if len(names) > 1 and person(names[0]) == person(names[1]):
        raise _refused(
            "signer-unfit", f"{names[0]} cannot be the second person too", "let another person sign"
        )
    needs = dict.fromkeys(item.key for item in findings if item.second)
    if needs and len(names) < 2:
        raise _refused(
            "second-missing", f"{', '.join(needs)} need a second person", "let another person sign as well"
        )
    return names


def _printed(text: object) -> bool:
    return isinstance(text, str) and text.strip() != "" and len(text) <= 1_000 and text.isprintable()


# --- file ---------------------------------------------------------------------------------------------------


def write_approval(path: Path | str, approval: Approval) -> None:
    """Write the approval so that the file is either the old one or the whole new one, whatever happens.

    Raises:
        InvalidInput: the file cannot be written there.
    """
    target = Path(path)
    try:
        replace_durably(target, approval_text(approval).encode("ascii"))
    except OSError as error:
        raise InvalidInput(
            (Problem(str(target), None, "", f"cannot be written: {error.strerror}"),)
        ) from None


def approval_text(approval: Approval) -> str:
    """What stands in the file of an approval."""
    return (
        json.dumps(approval.document(), indent=1, sort_keys=True, ensure_ascii=True, allow_nan=False) + "\n"
    )


def replace_durably(target: Path, content: bytes) -> None:
    """Put a file in the place of another, or of none, and onto the disk: never half of it.

    Raises:
        OSError: it could not be done; what was there is still there.
    """
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def load_approval(path: Path | str, plan: DosingPlan) -> Approval:
    """Read an approval file and make sure that it is whole and belongs to ``plan``.

    Raises:
        NotAllowed: there is no approval, or it was signed for another plan.
        InvalidInput: the file is damaged, changed, or no approval.
    """
    source = Path(path)
    if not source.exists():
        raise NotAllowed(
            f"{plan.id} is not approved: there is no {source}.",
            code="not-approved",
            do_now="Approve the plan first.",
        )
    approval = _parse(source)
    if approval.plan_sha256 != plan.sha256:
        signed, here = approval.plan_sha256[:12], plan.sha256[:12]
        what = f"{source} approves {approval.plan_id} ({signed}...), this plan is {here}...."
        raise NotAllowed(
            what,
            code="not-approved",
            do_now="The plan was changed after signing, or it is another one: approve it.",
        )
    return approval


def verify_approval(
    approval: Approval,
    plan: DosingPlan,
    formulary: Formulary,
    profile: PumpProfile,
    previous: DosingPlan | None,
) -> None:
    """Make sure that the signed inputs are still those at hand, and give the signed limits.

    Raises:
        NotAllowed: plan, formulary, profile or what is behind the limits (a catheter's volume) has changed.
    """
    pairs = (
        ("plan", approval.plan_sha256, plan.sha256),
        ("formulary", approval.formulary_sha256, formulary.sha256),
        ("pump profile", approval.profile_sha256, profile.sha256),
        ("limits", _hash(approval.limits), _hash(compile_limits(plan, formulary, profile, previous))),
    )
    changed = [name for name, signed, now in pairs if signed != now]
    if changed:
        raise NotAllowed(
            f"Changed since {plan.id} was approved: {', '.join(changed)}.",
            code="not-approved",
            do_now="Approve it again.",
        )


def _parse(source: Path) -> Approval:
    raw = read_bounded(str(source), _MAX_BYTES, "an approval file")
    try:
        values = json.loads(
            raw.decode("ascii"), object_pairs_hook=_unique, parse_float=_no_float, parse_constant=_no_float
        )
        return _approval(values)
    except (ValueError, RecursionError) as error:
        raise InvalidInput((Problem(str(source), None, "", f"is no approval: {error}"),)) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_float(text: str) -> Any:  # noqa: ANN401
    raise ValueError(f"{text} is no whole number")


def _approval(values: Any) -> Approval:  # noqa: ANN401 - whatever JSON gave
    if not isinstance(values, dict) or values.get("schema") != SCHEMA:
        raise ValueError(f"schema is not {SCHEMA}")
    body = {key: value for key, value in values.items() if key != "checksum"}
    if values.get("checksum") != _hash(body):
        raise ValueError("its checksum does not fit: it was damaged or changed after signing")
    if _at(body, ("limits", "plan", "sha256"), str) != _at(body, ("plan", "sha256"), str):
        raise ValueError("its limits are of another plan")
    signer, *others = _signed_by(body)
    return Approval(
        plan_id=_at(body, ("plan", "id"), str),
        plan_sha256=_at(body, ("plan", "sha256"), str),
        previous_sha256=_at(body, ("plan", "previous"), str, NoneType),
        formulary_sha256=_at(body, ("formulary_sha256",), str),
        profile=_at(body, ("profile", "name"), str),
        profile_sha256=_at(body, ("profile", "sha256"), str),
        findings=tuple(_finding(value) for value in _at(body, ("findings",), list)),
        reasons={key: _at(body, ("reasons", key), str) for key in _at(body, ("reasons",), dict)},
        signer=signer,
        second=others[0] if others else None,
        signed_utc_ms=_at(body, ("signed_utc_ms",), int),
        limits=_at(body, ("limits",), dict),
        authenticated="authenticated" in body and _at(body, ("authenticated",), bool),
    )


def _at(values: Mapping[str, Any], place: tuple[str, ...], *kinds: type) -> Any:  # noqa: ANN401
    """The value at a place, name within name, of exactly one of these types: a bool is no number."""
    found: Any = values
    for name in place:
        if type(found) is not dict or name not in found:
            raise ValueError(f"{'.'.join(place)} is missing")
        found = found[name]
    if type(found) not in kinds:
        allowed = " or ".join(_KINDS[kind] for kind in kinds)
        raise ValueError(f"{'.'.join(place)} is {_KINDS[type(found)]}; allowed: {allowed}")
    return found


def _signed_by(body: Mapping[str, Any]) -> list[str]:
    names: list[str] = _at(body, ("signers",), list)
    if not 1 <= len(names) <= 2 or not all(type(name) is str for name in names):
        raise ValueError("signers is not a list of one or two names")
    return names


def _finding(value: Any) -> Finding:  # noqa: ANN401
    if type(value) is not dict or set(value) != {field.name for field in fields(Finding)}:
        raise ValueError(f"a finding is a table of {', '.join(field.name for field in fields(Finding))}")
    for name in value:
        _at(value, (name,), *((str, NoneType) if name == "drug" else (str,)))
    if value["code"] not in CODES:
        raise ValueError(f"finding {value['code']!r} is not known")
    return Finding(**value)
