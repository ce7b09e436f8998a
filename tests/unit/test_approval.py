"""Sign-off: who may sign what, and which files are refused afterwards."""

from __future__ import annotations

import json
import os
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from pump_ctrl.errors import InvalidInput
from pump_ctrl.therapy import approval as module
from pump_ctrl.therapy.approval import (
    Approval,
    approval_path,
    approve,
    load_approval,
    verify_approval,
    write_approval,
)
from pump_ctrl.therapy.formulary import load_formulary
from pump_ctrl.therapy.limits import compile_limits
from pump_ctrl.therapy.plan import DosingPlan
from pump_ctrl.therapy.profiles import load_profile
from tests.refusals import refused
from tests.unit.review_bench import BACLOFEN, after, old, plan

NOW = 1_763_625_600_000  # 20 November 2025, 08:00 UTC
PLAIN = plan(rate="200 ug/day")  # nothing to explain
SOFT = plan(rate="400 ug/day")  # start-soft:baclofen
WHY = {"start-soft:baclofen": "replaces a pump that gave 400 ug/day"}


def sign(
    of: DosingPlan = PLAIN,
    reasons: dict[str, str] | None = None,
    signer: str = "A. Adams",
    second: str | None = None,
    before: DosingPlan | None = None,
    pump: str = "implant-40",
) -> Approval:
    return approve(of, load_formulary(), load_profile(pump), before, signer, second, reasons or {}, NOW)


def test_a_plan_without_reasons_is_signed_by_one_person() -> None:
    signed = sign()
    assert (signed.signer, signed.second, signed.signed_utc_ms) == ("A. Adams", None, NOW)
    assert signed.plan_sha256 == PLAIN.sha256
    assert signed.formulary_sha256 == load_formulary().sha256
    assert signed.profile_sha256 == load_profile("implant-40").sha256
    assert signed.limits == compile_limits(PLAIN, load_formulary(), load_profile("implant-40"))


def test_a_blocked_finding_cannot_be_signed_with_any_reason() -> None:
    blocked = plan(rate="2001 ug/day")
    with refused("plan-blocked", r"1 blocked: daily-hard:baclofen.*2\.001 mg.*no override"):
        sign(blocked, {"start-soft": "x", "daily-hard": "because"}, second="B. Brown")


def test_a_soft_limit_needs_a_reason_and_a_second_person() -> None:
    with refused("reason-missing", "no reason for start-soft:baclofen"):
        sign(SOFT, second="B. Brown")
    with refused("second-missing", "start-soft:baclofen need a second person"):
        sign(SOFT, WHY)
    assert sign(SOFT, WHY, second="B. Brown").second == "B. Brown"


def test_a_reason_for_a_code_covers_every_finding_of_that_code() -> None:
    assert sign(SOFT, {"start-soft": "pump replacement"}, second="B. Brown").reasons == {
        "start-soft": "pump replacement"
    }


def test_a_reason_without_a_soft_limit_needs_no_second_person() -> None:
    new, before = after(old(), bridge={})
    assert sign(new, {"bridge-unneeded": "the fill may be of another lot"}, before=before).second is None


@pytest.mark.parametrize("second", [
    "A. Adams", "a. adams", "A.  Adams ", "\tA. Adams",
    "\uff21. Adams", "\uff21\uff0e\u3000\uff21\uff24\uff21\uff2d\uff33",  # wide letters, points and blanks
    "A. Ada\ufe0fms", "A.\u00a0Adam\u034fs", "A. Adam\u017f", "\U0001d400. Adams",
])  # fmt: skip
def test_one_person_cannot_sign_twice(second: str) -> None:
    with refused("signer-unfit", "cannot be the second person"):
        sign(SOFT, WHY, second=second)


@pytest.mark.parametrize("name", ["", "  ", "A\x1b[31m", "A" * 1001])
def test_what_is_no_name_does_not_sign(name: str) -> None:
    with refused("signer-unfit", "is no name"):
        sign(signer=name)


@pytest.mark.parametrize("text", ["", "   ", "a\x00b", "line\nline"])
def test_what_is_no_text_is_no_reason(text: str) -> None:
    with refused("reason-missing", "no reason for"):
        sign(SOFT, {"start-soft:baclofen": text}, second="B. Brown")


def test_a_reason_that_no_finding_asks_is_refused() -> None:
    with refused("reason-spare", "no finding asks a reason for daily-soft"):
        sign(SOFT, {**WHY, "daily-soft": "old note"}, second="B. Brown")
    with refused("reason-spare", "no finding asks a reason for alarm-late"):
        sign(reasons={"alarm-late": "a note needs none"})


def test_another_pump_than_the_plans_is_not_signed() -> None:
    with refused("plan-of-other-pump", "names the pump implant-40, not implant-20"):
        sign(plan(rate="200 ug/day", filled="20 mL"), pump="implant-20")


# --- file ---------------------------------------------------------------------------------------------------


@pytest.fixture
def signed_file(tmp_path: Path) -> Path:
    path = approval_path(tmp_path / "t-1.toml")
    write_approval(path, sign(SOFT, WHY, second="B. Brown"))
    return path


def test_the_approval_stands_beside_the_plan() -> None:
    assert approval_path("plans/itb-014.toml") == Path("plans/itb-014.approval.json")


def test_what_is_written_is_read_back(signed_file: Path) -> None:
    assert load_approval(signed_file, SOFT) == sign(SOFT, WHY, second="B. Brown")


def test_the_file_says_who_what_why_and_when(signed_file: Path) -> None:
    values = json.loads(signed_file.read_text("ascii"))
    assert values["schema"] == "pump-ctrl/approval/1"
    assert values["signers"] == ["A. Adams", "B. Brown"]
    assert values["reasons"] == WHY
    assert values["signed_utc"] == "2025-11-20T08:00:00.000Z"
    assert values["plan"]["sha256"] == values["limits"]["plan"]["sha256"] == SOFT.sha256
    assert {item["code"] for item in values["findings"]} >= {"start-soft", "unverified"}
    assert values["limits"]["simulation"] is False


def test_the_approval_of_another_plan_is_refused(signed_file: Path) -> None:
    with refused("not-approved", r"approves T-1 .*changed after signing"):
        load_approval(signed_file, plan(rate="400.001 ug/day"))


def test_a_plan_without_approval_is_not_approved(tmp_path: Path) -> None:
    with refused("not-approved", "T-1 is not approved: there is no"):
        load_approval(tmp_path / "none.approval.json", PLAIN)


def edited(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    """Change the values of a file without its checksum."""

    def apply(path: Path) -> None:
        values = json.loads(path.read_text("ascii"))
        change(values)
        path.write_text(json.dumps(values), "ascii")

    return apply


def becomes(content: bytes) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        path.write_bytes(content)

    return apply


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def text_edit(old_text: str, new: str) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        text = path.read_text("ascii")
        assert old_text in text
        path.write_text(text.replace(old_text, new, 1), "ascii")

    return apply


DAMAGED: dict[str, Callable[[Path], None]] = {
    "cap raised": edited(lambda v: v["limits"]["caps"][0].update(pg=9_999_999_999)),
    "signer added": edited(lambda v: v["signers"].append("C. Clark")),
    "reason changed": edited(lambda v: v["reasons"].update({"start-soft:baclofen": "other"})),
    "finding left out": edited(lambda v: v["findings"].pop()),
    "later": edited(lambda v: v.update(signed_utc_ms=v["signed_utc_ms"] + 1)),
    "key added": edited(lambda v: v.update(note="x")),
    "no checksum": edited(lambda v: v.pop("checksum")),
    "other schema": edited(lambda v: v.update(schema="pump-ctrl/approval/2")),
    "cut off": cut,
    "empty": becomes(b""),
    "no JSON": becomes(b"\xff\x00"),
    "a list": becomes(b"[]"),
    "deeply nested": becomes(b"[" * 100_000),
    "a float": text_edit('"signed_utc_ms": 1763625600000', '"signed_utc_ms": 1763625600000.0'),
    "nan": text_edit('"signed_utc_ms": 1763625600000', '"signed_utc_ms": NaN'),
    "a key twice": text_edit('"schema":', '"schema": "x", "schema":'),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_or_changed_file_is_refused(signed_file: Path, name: str) -> None:
    DAMAGED[name](signed_file)
    with pytest.raises(InvalidInput, match=r"t-1\.approval\.json: is no approval"):
        load_approval(signed_file, SOFT)


def test_a_file_whose_limits_are_of_another_plan_is_refused_even_with_a_right_checksum(
    tmp_path: Path,
) -> None:
    other = compile_limits(PLAIN, load_formulary(), load_profile("implant-40"))
    path = tmp_path / "t.approval.json"
    write_approval(path, replace(sign(SOFT, WHY, second="B. Brown"), limits=other))
    with pytest.raises(InvalidInput, match="limits are of another plan"):
        load_approval(path, SOFT)


def test_a_folder_or_a_pipe_in_place_of_the_file_is_refused_without_waiting(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is a directory; allowed: an approval file"):
        load_approval(tmp_path, SOFT)
    pipe = tmp_path / "t.approval.json"
    os.mkfifo(pipe)
    with pytest.raises(InvalidInput, match="is not a regular file"):
        load_approval(pipe, SOFT)


def test_a_file_of_any_size_is_refused_before_it_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "t.approval.json"
    path.write_bytes(b" " * 5_000_000)
    with pytest.raises(InvalidInput, match="is no approval"):
        load_approval(path, SOFT)
    os.truncate(path, 1_000_000_000)  # holes: they take no place on disk, but would in memory
    tracemalloc.start()
    with pytest.raises(InvalidInput, match="is too large; allowed: at most 5000000 bytes"):
        load_approval(path, SOFT)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000


def rechecked(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the values of a file and give it the checksum that fits."""
    values = json.loads(path.read_text("ascii"))
    change(values)
    del values["checksum"]
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    path.write_text(json.dumps({**values, "checksum": sha256(text.encode()).hexdigest()}), "ascii")


def put(*place: str | int, value: object) -> Callable[[dict[str, Any]], None]:
    def change(values: dict[str, Any]) -> None:
        inner: Any = values
        for name in place[:-1]:
            inner = inner[name]
        inner[place[-1]] = value

    return change


OF_ANOTHER_KIND: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (put("signers", value="x"), "signers is a text; allowed: a list"),
    (put("signers", value=[]), "signers is not a list of one or two names"),
    (put("signers", value=["a", "b", "c"]), "signers is not a list of one or two names"),
    (put("signers", value=["a", 1]), "signers is not a list of one or two names"),
    (put("signed_utc_ms", value="1"), "signed_utc_ms is a text; allowed: a whole number"),
    (put("signed_utc_ms", value=True), "signed_utc_ms is true or false; allowed: a whole number"),
    (put("plan", value=[]), "plan.sha256 is missing"),
    (put("plan", "id", value=7), "plan.id is a whole number; allowed: a text"),
    (put("plan", "previous", value={}), "plan.previous is a table; allowed: a text or null"),
    (put("profile", "name", value=None), "profile.name is null; allowed: a text"),
    (put("profile", value="implant-40"), "profile.name is missing"),
    (put("formulary_sha256", value=0), "formulary_sha256 is a whole number; allowed: a text"),
    (put("reasons", value=["start-soft"]), "reasons is a list; allowed: a table"),
    (put("reasons", "start-soft:baclofen", value=1), "reasons.start-soft:baclofen is a whole number"),
    (put("findings", value={}), "findings is a table; allowed: a list"),
    (put("findings", 0, value="start-soft"), "a finding is a table of level, code, field, drug, text"),
    (put("findings", 0, "extra", value=1), "a finding is a table of level, code, field, drug, text"),
    (put("findings", 0, "drug", value=[]), "drug is a list; allowed: a text or null"),
    (put("findings", 0, "code", value=[]), "code is a list; allowed: a text"),
    (put("findings", 0, "code", value="unheard-of"), "finding 'unheard-of' is not known"),
    (put("limits", value=[]), "limits.plan.sha256 is missing"),
    (put("limits", "plan", "sha256", value=1), "limits.plan.sha256 is a whole number; allowed: a text"),
    (lambda values: values.pop("reasons"), "reasons is missing"),
]


@pytest.mark.parametrize(("change", "says"), OF_ANOTHER_KIND, ids=[says for _, says in OF_ANOTHER_KIND])
def test_a_value_of_another_kind_is_refused_by_name_even_with_a_right_checksum(
    signed_file: Path, change: Callable[[dict[str, Any]], object], says: str
) -> None:
    rechecked(signed_file, lambda values: None)
    load_approval(signed_file, SOFT)
    rechecked(signed_file, change)
    with pytest.raises(InvalidInput) as caught:
        load_approval(signed_file, SOFT)
    assert f"{signed_file}: is no approval: {says}" in str(caught.value)


def test_the_file_says_whether_its_signers_gave_their_passwords(tmp_path: Path) -> None:
    path = tmp_path / "t.approval.json"
    for known in (True, False):
        write_approval(path, replace(sign(SOFT, WHY, second="B. Brown"), authenticated=known))
        assert json.loads(path.read_text())["authenticated"] is known
        assert load_approval(path, SOFT).authenticated is known
    assert sign().authenticated is False  # unless it is said


def test_a_file_that_does_not_say_so_is_of_names_that_nobody_verified(signed_file: Path) -> None:
    rechecked(signed_file, lambda values: values.pop("authenticated"))
    assert load_approval(signed_file, SOFT).authenticated is False


@pytest.mark.parametrize("value", [1, "true", None])
def test_what_is_neither_true_nor_false_is_not_taken_for_a_verified_name(
    signed_file: Path, value: object
) -> None:
    rechecked(signed_file, put("authenticated", value=value))
    with pytest.raises(InvalidInput, match=r"authenticated is .*; allowed: true or false"):
        load_approval(signed_file, SOFT)


def test_nobody_makes_a_name_verified_by_hand(signed_file: Path) -> None:
    text = signed_file.read_text("ascii")
    assert '"authenticated": false' in text
    signed_file.write_text(text.replace('"authenticated": false', '"authenticated": true'), "ascii")
    with pytest.raises(InvalidInput, match="checksum does not fit"):
        load_approval(signed_file, SOFT)


def test_the_file_is_for_its_owner_alone(signed_file: Path) -> None:
    assert signed_file.stat().st_mode & 0o777 == 0o600


def test_a_crash_while_writing_leaves_the_old_file_whole(
    signed_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signed_file.read_bytes()

    def fail(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(InvalidInput, match="cannot be written: No space left"):
        write_approval(signed_file, sign())
    assert signed_file.read_bytes() == before
    assert [path.name for path in signed_file.parent.iterdir()] == [signed_file.name]


def test_a_place_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be written"):
        write_approval(tmp_path / "none" / "t.approval.json", sign())


# --- still valid? -------------------------------------------------------------------------------------------


def test_an_approval_holds_while_nothing_has_changed() -> None:
    verify_approval(sign(), PLAIN, load_formulary(), load_profile("implant-40"), None)


def test_a_changed_formulary_or_profile_ends_an_approval() -> None:
    formulary, profile = load_formulary(), load_profile("implant-40")
    with refused("not-approved", "approved: formulary, limits"):
        verify_approval(sign(), PLAIN, replace(formulary, sha256="0" * 64), profile, None)
    with refused("not-approved", "approved: pump profile, limits"):
        verify_approval(sign(), PLAIN, formulary, replace(profile, sha256="0" * 64), None)


def test_limits_that_are_not_those_of_the_plan_end_an_approval() -> None:
    weaker = {**sign().limits, "max_hold_ms": 1}
    with refused("not-approved", "approved: limits"):
        verify_approval(
            replace(sign(), limits=weaker), PLAIN, load_formulary(), load_profile("implant-40"), None
        )


def test_an_approval_after_another_plan_is_verified_with_that_plan() -> None:
    new, before = after(old(BACLOFEN, "200 ug/day"), rate="200 ug/day")
    signed = sign(new, before=before)
    assert signed.previous_sha256 == before.sha256
    verify_approval(signed, new, load_formulary(), load_profile("implant-40"), before)


def test_the_module_signs_without_reading_a_clock() -> None:
    assert not hasattr(module, "time")
