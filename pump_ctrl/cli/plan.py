"""``pump-ctrl plan``: check, show, compare and sign dosing plans.

Layer      cli. Prints what therapy finds; decides nothing.
Exit       3 when a plan is invalid or a finding blocks it.
Tests      tests/unit/test_cli.py
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import click

from pump_ctrl.cli.files import (
    FORMULARY,
    OWN_PUMP,
    PREVIOUS,
    PUMP,
    Opened,
    Places,
    open_plan,
    open_profile,
    own_pump_of,
    plan_json,
    pump_of,
    told,
)
from pump_ctrl.cli.lazy import Group
from pump_ctrl.cli.options import AS_JSON, PLAN_FILE
from pump_ctrl.cli.plan_text import changed_lines, figures, figures_json, heading
from pump_ctrl.cli.signers import accounts_of, house_of_accounts, signed_by
from pump_ctrl.cli.text import indented, say, say_json
from pump_ctrl.cli.web import STATE
from pump_ctrl.clinic import Clinic, Reviewed
from pump_ctrl.clock import SystemClock
from pump_ctrl.errors import InvalidInput, NotAllowed
from pump_ctrl.therapy.approval import Approval, approval_path, write_approval
from pump_ctrl.therapy.approval import approve as sign
from pump_ctrl.therapy.overview import overview
from pump_ctrl.therapy.plan import load_plan
from pump_ctrl.therapy.plan_toml import read_document
from pump_ctrl.therapy.review import Finding, blocked, side_by_side

_REFUSED: Final = 3
_TITLES: Final = {"blocked": "Blocked", "reason": "Needs a reason", "note": "Notes"}


@click.group(cls=Group)
def plan() -> None:
    """Check, show, compare and sign dosing plans. Opens no pump."""


@plan.command("check")
@click.argument("plan_file", metavar="PLAN", type=PLAN_FILE)
@PREVIOUS
@PUMP
@FORMULARY
@AS_JSON
@click.pass_context
def check(
    ctx: click.Context,
    plan_file: Path,
    previous: Path | None,
    pump: str | None,
    formulary: Path | None,
    as_json: bool,
) -> None:
    """Say whether PLAN is valid and what a review finds. Exit status 3 when it is invalid or blocked."""
    try:
        opened = open_plan(plan_file, previous, pump, formulary)
    except InvalidInput as error:
        if as_json:
            say_json({"schema": "pump-ctrl/plan-check/1", "verdict": "invalid", "problems": _problems(error)})
        raise
    found = opened.review()
    if as_json:
        say_json(_check_json(opened, found))
    else:
        say([*_verdict(opened, found), *finding_lines(opened.file, found)])
    ctx.exit(_REFUSED if blocked(found) else 0)


def _problems(error: InvalidInput) -> list[dict[str, Any]]:
    return [
        {"file": p.file, "line": p.line, "field": p.field, "what": p.what, "allowed": p.allowed}
        for p in error.problems
    ]


def _check_json(opened: Opened, found: Sequence[Finding]) -> dict[str, Any]:
    return {
        "schema": "pump-ctrl/plan-check/1",
        "plan": plan_json(opened.plan),
        "pump": opened.profile.name,
        "verdict": _word(found),
        "findings": [_finding_json(item) for item in found],
    }


def _word(found: Sequence[Finding]) -> str:
    levels = {item.level for item in found}
    return "blocked" if "blocked" in levels else "reasons" if "reason" in levels else "clear"


def _finding_json(item: Finding) -> dict[str, Any]:
    return {
        "level": item.level,
        "code": item.code,
        "key": item.key,
        "field": item.field,
        "drug": item.drug,
        "second": item.second,
        "text": item.text,
    }


def _verdict(opened: Opened, found: Sequence[Finding]) -> list[str]:
    count = {level: sum(item.level == level for item in found) for level in _TITLES}
    said = {
        "blocked": "blocked, cannot be approved",
        "reasons": "can be approved with a reason for each finding that needs one",
        "clear": "nothing stands against it",
    }[_word(found)]
    needs = "needs" if count["reason"] == 1 else "need"
    notes = f"{count['blocked']} blocked, {count['reason']} {needs} a reason, {count['note']} notes"
    lines = [f"{opened.plan.id} on {opened.profile.name}: valid; {said} ({notes})"]
    return [*lines, *opened.notices]


def finding_lines(file: Path, found: Sequence[Finding]) -> list[str]:
    """Findings grouped by level; the key of each is what a reason names, then file, line and field."""
    lines: list[str] = []
    places = Places(read_document(file))
    for level, title in _TITLES.items():
        group = [item for item in found if item.level == level]
        if group:
            lines += ["", title, *indented(line for item in group for line in _finding(item, places))]
    return lines


def _finding(item: Finding, places: Places) -> list[str]:
    second = " (and a second person)" if item.second else ""
    return [f"{item.key}{second}, {places.of(item.field)}", *indented(told(item).splitlines())]


@plan.command("show", short_help="Show PLAN in figures: rates, the day, windows, dates.")
@click.argument("plan_file", metavar="PLAN", type=PLAN_FILE)
@PREVIOUS
@PUMP
@FORMULARY
@AS_JSON
def show(
    plan_file: Path, previous: Path | None, pump: str | None, formulary: Path | None, as_json: bool
) -> None:
    """Show PLAN in figures: rates, the day, windows against limits, dates, findings."""
    opened = open_plan(plan_file, previous, pump, formulary)
    found = opened.review()
    if as_json:
        say_json({**_check_json(opened, found), "schema": "pump-ctrl/plan-show/1", **_figures_json(opened)})
        return
    kind = f"{opened.profile.kind}, {opened.profile.capacity}"
    head = [*heading(opened.plan, opened.profile.name, kind), *opened.notices]
    say([*head, *_figures(opened), *finding_lines(opened.file, found)])


def _figures(opened: Opened) -> list[str]:
    try:
        return figures(overview(opened.case))
    except InvalidInput as error:
        return ["", "No figures: the plan cannot be compiled.", *indented(str(error).splitlines())]


def _figures_json(opened: Opened) -> dict[str, Any]:
    try:
        return {"figures": figures_json(overview(opened.case))}
    except InvalidInput as error:
        return {"figures": None, "problems": _problems(error)}


@plan.command("diff", short_help="Put two plans side by side, changed rows marked with *.")
@click.argument("in_force", metavar="OLD", type=PLAN_FILE)
@click.argument("pending", metavar="NEW", type=PLAN_FILE)
@click.option("--changed", is_flag=True, help="Leave out the rows that are the same.")
@OWN_PUMP
@AS_JSON
def diff(in_force: Path, pending: Path, changed: bool, pump: str | None, as_json: bool) -> None:
    """Put two plans side by side, changed rows marked with *: derived figures first, then every field."""
    old, new = load_plan(in_force), load_plan(pending)
    own = open_profile(pump) if pump else None
    profiles = [
        own if own is not None and own.name == each.pump else pump_of(file, each)
        for file, each in ((pending, new), (in_force, old))
    ]
    rows = side_by_side(old, new, *profiles)
    shown = [row for row in rows if row.marked or not changed]
    if as_json:
        say_json(
            {
                "schema": "pump-ctrl/plan-diff/1",
                "old": plan_json(old),
                "new": plan_json(new),
                "rows": _rows(shown),
            }
        )
        return
    marked = sum(row.marked for row in rows)
    say([f"{old.id} -> {new.id}: {marked} of {len(rows)} rows differ", "", *changed_lines(shown)])


def _rows(rows: Iterable[Any]) -> list[dict[str, Any]]:
    return [
        {
            "field": row.field,
            "old": row.current,
            "new": row.pending,
            "changed": row.marked,
            "change_ppm": None if row.change is None else round(row.change * 10**6),
        }
        for row in rows
    ]


@plan.command("approve")
@click.argument("plan_file", metavar="PLAN", type=PLAN_FILE)
@PREVIOUS
@OWN_PUMP
@FORMULARY
@click.option("--signer", required=True, metavar="NAME", help="Who signs: an account, if there are accounts.")
@click.option("--second", metavar="NAME", help="The second person, where a finding needs one.")
@STATE
@click.option(
    "--reason",
    "reasons",
    multiple=True,
    metavar="KEY=TEXT",
    help="Why a finding is accepted; KEY as plan check prints it. May be repeated.",
)
@AS_JSON
def approve(
    plan_file: Path,
    previous: Path | None,
    pump: str | None,
    formulary: Path | None,
    signer: str,
    second: str | None,
    place: Path | None,
    reasons: tuple[str, ...],
    as_json: bool,
) -> None:
    """Sign PLAN with its compiled limits. Writes PLAN.approval.json beside it; refuses a blocked plan.

    Where there are accounts (pump-ctrl user), they sign, and each is asked for its password: unseen on a terminal, else
    one line each of standard input; the plan is then listed on their page too. Without accounts the names are taken as
    they are given.
    """
    opened = open_plan(plan_file, previous, pump, formulary)
    own_pump_of(opened.file, opened.plan, pump)
    given = _reasons(reasons)
    opened.refuse_blocked(opened.review())
    path = approval_path(plan_file)
    with house_of_accounts(place) as clinic:
        signed = _signed(opened, clinic, (signer, second), given)
        kept = _kept(opened, clinic)
        _write(path, signed, kept)
    names = [name for name in (signed.signer, signed.second) if name]
    if as_json:
        about = {"signers": names, "authenticated": signed.authenticated}
        say_json(
            {"schema": "pump-ctrl/plan-approve/1", "plan": plan_json(opened.plan), "file": str(path), **about}
        )
        return
    say([f"{opened.plan.id} approved by {' and '.join(names)} for {opened.profile.name}: {path}"])
    if kept is not None:
        say([f"It stands on the page too (pump-ctrl web), as {kept}"])
    if not signed.authenticated:
        say([f"Nobody verified the name{'s'[: len(names) - 1]}: there are no accounts (pump-ctrl user add)."])


def _signed(
    opened: Opened, clinic: Clinic | None, names: tuple[str, str | None], reasons: dict[str, str]
) -> Approval:
    if clinic is None:
        return _by_name(opened, *names, reasons)
    accounts = accounts_of(clinic, *names)
    first, *others = (each.full_name for each in accounts)
    # What is refused is so before anybody types a password.
    _by_name(opened, first, next(iter(others), None), reasons)
    given = Reviewed(opened.plan, opened.formulary, opened.profile, opened.previous)
    return signed_by(clinic, accounts, given, reasons)


def _kept(opened: Opened, clinic: Clinic | None) -> Path | None:
    """The plan's file among those of the page, if accounts signed it."""
    version = clinic.versions.get(opened.plan.sha256) if clinic is not None else None
    return version.file if version is not None else None


def _write(path: Path, signed: Approval, kept: Path | None) -> None:
    try:
        write_approval(path, signed)
    except InvalidInput as error:
        if kept is None:
            raise
        raise InvalidInput(
            f"{error}. It is approved all the same: run {kept}, which has it beside it."
        ) from None


def _by_name(opened: Opened, signer: str, second: str | None, reasons: dict[str, str]) -> Approval:
    before, now = opened.previous, SystemClock().utc_ms()
    try:
        return sign(opened.plan, opened.formulary, opened.profile, before, signer, second, reasons, now)
    except NotAllowed as error:
        how = (
            "Options: --reason KEY=TEXT for each finding, --second NAME; pump-ctrl plan check lists the keys."
        )
        raise NotAllowed(error.what, code=error.code, do_now=f"{error.do_now} {how}") from None


def _reasons(texts: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        key, sign_, why = text.partition("=")
        if not sign_ or not key.strip() or not why.strip():
            raise click.BadParameter(f"{text!r} is not KEY=TEXT", param_hint="--reason")
        if key.strip() in found:
            raise click.BadParameter(f"{key.strip()!r} is given twice", param_hint="--reason")
        found[key.strip()] = why.strip()
    return found


@plan.command("schema")
def schema() -> None:
    """Print the JSON schema of the plan file, for editors."""
    click.echo((files("pump_ctrl.data") / "plan.schema.json").read_text(encoding="utf-8"), nl=False)
