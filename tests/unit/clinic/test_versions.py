"""Signing: what is signed is what was shown, by who gave the password, and the file says exactly that."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pump_ctrl.clinic import Clinic, Reviewed, Signature, Withdrawal, reviewed, versions
from pump_ctrl.clock import VirtualClock
from pump_ctrl.errors import JournalError, NotAllowed
from pump_ctrl.live.signed import open_shelf
from pump_ctrl.therapy.approval import Approval, approval_path, load_approval, replace_durably
from pump_ctrl.therapy.formulary import load_formulary
from pump_ctrl.therapy.plan import load_plan
from pump_ctrl.therapy.plan_write import plan_text
from tests.unit.clinic.kit import (
    NOW,
    PASSWORD,
    PLAIN,
    SOFT,
    WHY,
    journal,
    put_before,
    seal,
    second,
    sign,
    who,
)
from tests.unit.review_bench import after, old, plan


def approval_of(file: Path | None) -> dict[str, Any]:
    assert file is not None
    found: dict[str, Any] = json.loads(approval_path(file).read_text())
    return found


def refused(act: Callable[[], object], words: str) -> None:
    with pytest.raises(NotAllowed, match=words):
        act()


# --- what a signature is of -------------------------------------------------------------------------------------------


def test_the_digest_is_of_plan_formulary_profile_limits_and_findings(monkeypatch: pytest.MonkeyPatch) -> None:
    given = put_before(SOFT)
    seen = {given.digest}
    assert put_before(SOFT).digest == given.digest
    others = [
        put_before(plan(rate="400 ug/day", title="another title")),
        Reviewed(given.plan, replace(given.formulary, sha256="0" * 64), given.profile, None),
        Reviewed(given.plan, given.formulary, replace(given.profile, sha256="0" * 64), None),
    ]
    seen |= {each.digest for each in others}
    first, *rest = given.findings
    for changed in (
        replace(first, level="note"), replace(first, text=first.text + "."), replace(first, field="basal.rate"),
        replace(first, code="daily-soft"),
    ):  # fmt: skip
        with monkeypatch.context() as patch:
            patch.setattr(reviewed, "review", lambda *_, found=(changed, *rest): found)
            seen.add(put_before(SOFT).digest)
    with monkeypatch.context() as patch:
        patch.setattr(reviewed, "review", lambda *_: tuple(rest))
        seen.add(put_before(SOFT).digest)
    with monkeypatch.context() as patch:
        patch.setattr(reviewed, "compile_limits", lambda *_: {"another": 1})
        seen.add(put_before(SOFT).digest)
    assert len(seen) == 10
    assert all(len(each) == 64 for each in seen)


def test_a_blocked_plan_has_a_digest_and_no_signature(staffed: Clinic) -> None:
    given = put_before(plan(rate="2001 ug/day"))
    others = [
        Reviewed(given.plan, replace(given.formulary, sha256="0" * 64), given.profile, None),
        Reviewed(given.plan, given.formulary, replace(given.profile, sha256="0" * 64), None),
    ]
    assert len({given.digest, *(each.digest for each in others)}) == 3
    refused(lambda: sign(staffed, given, reasons=WHY), "1 blocked: daily-hard:baclofen")
    assert staffed.versions.all() == ()


# --- one signature ----------------------------------------------------------------------------------------------------


def test_a_plan_with_nothing_to_explain_is_approved_by_one_signature(staffed: Clinic, place: Path) -> None:
    given = put_before(PLAIN)
    made = sign(staffed, given)
    assert made == staffed.versions.get(PLAIN.sha256)
    assert (made.state, made.digest, made.key, made.made_utc_ms) == ("approved", given.digest, "draft", NOW)
    assert made.signatures == (Signature("ann", "Ann Example", given.digest, NOW),)
    assert made.file == place / "plans" / f"T-1-{PLAIN.sha256[:12]}.toml"
    assert made.plan == staffed.versions.plan(PLAIN.sha256) == PLAIN
    assert journal(place)[-1] == (
        "signed", {"plan": PLAIN.sha256, "digest": given.digest, "number": 1, "by": "ann"},
    )  # fmt: skip


def test_its_files_are_what_a_controller_takes_and_say_that_the_signer_is_known(staffed: Clinic) -> None:
    file = sign(staffed, put_before(PLAIN)).file
    assert file is not None
    _, signed = open_shelf(file, None, load_formulary(), ())
    assert signed.plan.sha256 == PLAIN.sha256
    written = approval_of(file)
    assert (written["signers"], written["authenticated"], written["signed_utc_ms"]) == (
        ["Ann Example"],
        True,
        NOW,
    )
    assert load_approval(approval_path(file), load_plan(file)).authenticated is True
    for path in (file, approval_path(file)):
        assert path.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_a_plan_after_another_is_signed_with_it(staffed: Clinic) -> None:
    new, before = after(old(), bridge={})
    given = Reviewed(new, load_formulary(), put_before().profile, before)
    made = sign(staffed, given, reasons={"bridge-unneeded": "the fill may be of another lot"})
    assert made.state == "approved"
    assert approval_of(made.file)["plan"]["previous"] == before.sha256


@pytest.mark.parametrize("name", ["bob", "cleo", "dan"])
def test_who_may_not_sign_does_not(staffed: Clinic, name: str) -> None:
    refused(lambda: sign(staffed, put_before(), by=name), rf"Not signed: {name} \(.*\) may not.")
    assert staffed.versions.all() == ()


def test_what_is_signed_is_what_was_shown_or_nothing(staffed: Clinic) -> None:
    given, shown = put_before(PLAIN), put_before(plan(rate="201 ug/day")).digest
    for digest in (shown, "", given.digest[:-1], given.digest.upper()):
        refused(
            lambda digest=digest: staffed.versions.sign(
                "k", given, who(staffed, "ann"), PASSWORD, {}, digest
            ),  # type: ignore[misc]
            "not what was shown. Nothing was signed. .* Review it again",
        )
    assert staffed.versions.all() == ()


def test_each_signature_asks_for_the_password_and_counts_what_is_wrong(staffed: Clinic) -> None:
    given, ann = put_before(), who(staffed, "ann")
    for _ in range(5):
        refused(
            lambda: staffed.versions.sign("k", given, ann, "wrong", {}, given.digest), "password is wrong"
        )
    refused(lambda: sign(staffed, given), "5 wrong passwords in a row")
    assert staffed.versions.all() == ()


def test_an_account_that_was_disabled_meanwhile_signs_nothing(staffed: Clinic) -> None:
    ann = who(staffed, "ann")
    staffed.accounts.disable("ann", "root")
    given = put_before()
    refused(lambda: staffed.versions.sign("k", given, ann, PASSWORD, {}, given.digest), "password is wrong")


def test_a_finding_that_wants_a_reason_has_one(staffed: Clinic) -> None:
    given = put_before(SOFT)
    refused(lambda: sign(staffed, given), "no reason for start-soft:baclofen")
    refused(lambda: sign(staffed, given, reasons={"start-soft:baclofen": " "}), "no reason for start-soft")
    refused(lambda: sign(staffed, given, reasons={**WHY, "daily-hard": "x"}), "no finding asks a reason")
    assert staffed.versions.all() == ()


def test_a_plan_is_signed_once(staffed: Clinic) -> None:
    sign(staffed, put_before(PLAIN))
    refused(lambda: sign(staffed, put_before(PLAIN), by="eve"), "in exactly this form is signed already")
    sign(staffed, put_before(SOFT), reasons=WHY)
    refused(lambda: sign(staffed, put_before(SOFT), by="eve", reasons=WHY), "is signed already")


# --- two signatures ---------------------------------------------------------------------------------------------------


def test_a_soft_limit_is_passed_by_two_people_and_no_file_is_there_before(
    staffed: Clinic, place: Path, clock: VirtualClock
) -> None:
    given = put_before(SOFT)
    first = sign(staffed, given, reasons=WHY)
    assert (first.state, first.file, len(first.signatures)) == ("awaits second", None, 1)
    assert not (place / "plans").exists()
    clock.advance(60_000)
    done = second(staffed, given)
    assert done.state == "approved"
    assert [(s.account, s.digest, s.utc_ms) for s in done.signatures] == [
        ("ann", given.digest, NOW), ("bob", given.digest, NOW + 60_000),
    ]  # fmt: skip
    written = approval_of(done.file)
    assert (written["signers"], written["reasons"]) == (["Ann Example", "Bob Example"], WHY)
    assert (written["authenticated"], written["signed_utc_ms"]) == (True, NOW + 60_000)
    assert done.file is not None
    open_shelf(done.file, None, load_formulary(), ())


def test_a_prescriber_may_be_the_second_person_and_others_may_not(staffed: Clinic) -> None:
    given = put_before(SOFT)
    sign(staffed, given, reasons=WHY)
    for name in ("cleo", "dan"):
        refused(lambda name=name: second(staffed, given, name), rf"Not signed: {name} \(.*\) may not")  # type: ignore[misc]
    assert second(staffed, given, "eve").state == "approved"


def test_nobody_is_the_second_person_after_themselves(
    staffed: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = put_before(SOFT)
    sign(staffed, given, reasons=WHY)
    refused(
        lambda: second(staffed, given, "ann"),
        "Ann Example has signed it, and cannot be the second person too",
    )
    for alike in ("EVE example", "\uff25ve Example", "Eve\ufe0f Example"):
        with staffed._store.write() as tx:  # the same person under two accounts, whoever brought that about
            tx.do("UPDATE signatures SET full_name = ?", alike)
        refused(lambda: second(staffed, given, "eve"), "cannot be the second person too")
    found = staffed.versions.get(SOFT.sha256)
    assert found is not None
    assert (found.state, len(found.signatures)) == ("awaits second", 1)


def test_the_second_person_signs_what_the_first_one_signed(staffed: Clinic) -> None:
    given = put_before(SOFT)
    sign(staffed, given, reasons=WHY)
    bob = who(staffed, "bob")
    refused(
        lambda: staffed.versions.second(given, bob, PASSWORD, "0" * 64, seal(staffed, given)),
        "not what was shown",
    )
    refused(lambda: staffed.versions.second(given, bob, "wrong", given.digest, ""), "password is wrong")
    since = Reviewed(given.plan, replace(given.formulary, sha256="0" * 64), given.profile, None)
    refused(
        lambda: second(staffed, since),
        "since Ann Example signed T-1, the formulary, the pump's profile or what the review finds has changed",
    )
    assert second(staffed, given).state == "approved"


def test_only_what_waits_is_signed_a_second_time(staffed: Clinic) -> None:
    given = put_before(SOFT)
    refused(lambda: second(staffed, given), "waits for no second signature")
    sign(staffed, given, reasons=WHY)
    second(staffed, given)
    refused(lambda: second(staffed, given, "eve"), "waits for no second signature")
    plain = put_before(PLAIN)
    sign(staffed, plain)
    refused(lambda: second(staffed, plain), "waits for no second signature")


def test_a_plan_that_others_withdrew_and_signed_anew_meanwhile_is_not_signed_unseen(
    staffed: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = put_before(SOFT)
    sign(staffed, given, reasons=WHY)
    bob, own = who(staffed, "bob"), versions.Versions._signer

    def meanwhile(self: versions.Versions, *args: Any) -> Any:  # noqa: ANN401
        found = own(self, *args)
        if args[2] == "second":
            staffed.versions.withdraw(SOFT.sha256, who(staffed, "ann"))
            sign(staffed, given, by="eve", reasons={"start-soft:baclofen": "another one"})
        return found

    monkeypatch.setattr(versions.Versions, "_signer", meanwhile)
    shown = seal(staffed, given)
    refused(
        lambda: staffed.versions.second(given, bob, PASSWORD, given.digest, shown),
        "what is signed now is not what was shown",
    )
    found = staffed.versions.get(SOFT.sha256)
    assert found is not None
    assert (found.state, [s.account for s in found.signatures]) == ("awaits second", ["eve"])


@pytest.mark.parametrize(
    ("by", "why", "later_ms"), [("eve", WHY, 0), ("ann", {"start-soft:baclofen": "new"}, 0), ("ann", WHY, 1)]
)
def test_whoever_signs_second_has_seen_who_signed_first_when_and_why(
    staffed: Clinic, clock: VirtualClock, by: str, why: dict[str, str], later_ms: int
) -> None:
    given = put_before(SOFT)
    sign(staffed, given, reasons=WHY)
    shown = seal(staffed, given)
    staffed.versions.withdraw(SOFT.sha256, who(staffed, "ann"))
    clock.advance(later_ms)
    sign(staffed, given, by=by, reasons=why)
    refused(
        lambda: staffed.versions.second(given, who(staffed, "bob"), PASSWORD, given.digest, shown),
        "what is signed now is not what was shown. Nothing was signed.",
    )
    assert second(staffed, given).state == "approved"


# --- withdrawing ------------------------------------------------------------------------------------------------------


def test_what_waits_can_be_withdrawn_and_signed_anew(staffed: Clinic) -> None:
    given = put_before(SOFT)
    sign(staffed, given, reasons=WHY)
    assert staffed.versions.withdraw(SOFT.sha256, who(staffed, "eve")).state == "withdrawn"
    refused(lambda: second(staffed, given), "waits for no second signature")
    again = sign(staffed, given, by="eve", reasons=WHY)
    assert ([s.account for s in again.signatures], again.withdrawal) == (["eve"], None)
    assert second(staffed, given, "ann").state == "approved"


def test_the_file_of_a_withdrawn_approval_is_told_while_the_plan_waits_for_its_second_signature_anew(
    staffed: Clinic,
) -> None:
    """``run`` would take it: the record has no approval, and the disk has one."""
    given = put_before(SOFT)
    sign(staffed, given, reasons=WHY)
    file = second(staffed, given).file
    staffed.versions.withdraw(SOFT.sha256, who(staffed, "eve"))
    again = sign(staffed, given, by="eve", reasons=WHY)
    assert (again.state, again.file) == ("awaits second", file)
    assert file is not None
    approval_path(file).unlink()
    found = staffed.versions.get(SOFT.sha256)
    assert found is not None
    assert found.file is None


def test_what_is_not_there_or_withdrawn_cannot_be_withdrawn_and_only_who_may_sign_does(
    staffed: Clinic,
) -> None:
    sign(staffed, put_before(PLAIN))
    for sha256 in (PLAIN.sha256, "0" * 64):
        refused(lambda at=sha256: staffed.versions.withdraw(at, who(staffed, "bob")), "may not withdraw")  # type: ignore[misc]
    staffed.versions.withdraw(PLAIN.sha256, who(staffed, "ann"))
    for sha256 in (PLAIN.sha256, "0" * 64):
        refused(
            lambda at=sha256: staffed.versions.withdraw(at, who(staffed, "ann")),  # type: ignore[misc]
            "Only a plan that is approved, or waits",
        )


def test_an_approved_plan_can_be_withdrawn_and_its_files_are_neither_taken_nor_made_again(
    staffed: Clinic, place: Path, clock: VirtualClock
) -> None:
    file = sign(staffed, put_before(PLAIN)).file
    assert file is not None
    taken = staffed.versions.withdraw(PLAIN.sha256, who(staffed, "eve"))
    assert (taken.state, taken.file) == ("withdrawn", file)
    assert taken.withdrawal == Withdrawal("eve", "Eve Example", NOW)
    assert journal(place)[-1] == ("withdrawn", {"plan": PLAIN.sha256, "by": "eve"})
    open_shelf(file, None, load_formulary(), ())
    file.unlink()
    staffed.close()
    with Clinic.open(place, clock) as again:
        assert not file.exists()
        assert again.versions.plan(PLAIN.sha256) == PLAIN


def test_versions_are_listed_the_newest_first(staffed: Clinic, clock: VirtualClock) -> None:
    sign(staffed, put_before(PLAIN))
    clock.advance(1)
    sign(staffed, put_before(SOFT), reasons=WHY)
    assert [v.sha256 for v in staffed.versions.all()] == [SOFT.sha256, PLAIN.sha256]
    assert staffed.versions.get("0" * 64) is None
    assert staffed.versions.plan("0" * 64) is None


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("written", [0, 1])
def test_a_crash_between_the_record_and_its_files_is_healed_at_the_next_start(
    staffed: Clinic, place: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    left, own = [written], replace_durably

    def crash(target: Path, content: bytes) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        own(target, content)

    with monkeypatch.context() as patch:
        patch.setattr(versions, "replace_durably", crash)
        with pytest.raises(KeyboardInterrupt):
            sign(staffed, put_before(PLAIN))
    staffed.close()
    assert len(list(place.glob("plans/*"))) == written
    with Clinic.open(place, clock) as again:
        made = again.versions.get(PLAIN.sha256)
        assert made is not None
        assert made.file is not None
        assert approval_of(made.file)["signers"] == ["Ann Example"]
        open_shelf(made.file, None, load_formulary(), ())


def test_the_plan_is_on_disk_before_its_approval(staffed: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    monkeypatch.setattr(versions, "replace_durably", lambda target, _: order.append("".join(target.suffixes)))
    sign(staffed, put_before(PLAIN))
    assert order == [".toml", ".approval.json"]


def test_a_disk_that_refuses_the_files_is_told_with_what_is_signed_all_the_same(
    staffed: Clinic, place: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(versions, "replace_durably", full)
        with pytest.raises(
            JournalError, match=r"T-1 is signed, and its file .* cannot be written: No space left"
        ):
            sign(staffed, put_before(PLAIN))
        staffed.close()
        with pytest.raises(JournalError, match="No space left"):
            Clinic.open(place, clock)
    with Clinic.open(place, clock) as again:
        made = again.versions.get(PLAIN.sha256)
        assert made is not None
        assert approval_of(made.file)["signers"] == ["Ann Example"]


def test_files_that_are_there_are_left_alone_at_the_start(
    staffed: Clinic, place: Path, clock: VirtualClock
) -> None:
    file = sign(staffed, put_before(PLAIN)).file
    assert file is not None
    before = [(path.stat().st_ino, path.stat().st_mtime_ns) for path in (file, approval_path(file))]
    staffed.close()
    Clinic.open(place, clock).close()
    assert [(path.stat().st_ino, path.stat().st_mtime_ns) for path in (file, approval_path(file))] == before


# --- a file of somebody's own -----------------------------------------------------------------------------------------


def sign_file(
    clinic: Clinic, given: Reviewed, *names: str, reasons: dict[str, str] | None = None
) -> Approval:
    people = [(who(clinic, name), PASSWORD) for name in names]
    return clinic.versions.sign_file(given, people, reasons or {})


def test_a_plan_that_lies_elsewhere_is_signed_by_its_people_at_once_and_is_a_version_like_any_other(
    staffed: Clinic, place: Path
) -> None:
    given = put_before(SOFT)
    signed = sign_file(staffed, given, "ann", "bob", reasons=WHY)
    assert (signed.signer, signed.second, signed.authenticated) == ("Ann Example", "Bob Example", True)
    about = {"plan": SOFT.sha256, "digest": given.digest, "how": "plan approve"}
    assert journal(place)[-2:] == [
        ("signed", {**about, "number": 1, "by": "ann"}), ("signed", {**about, "number": 2, "by": "bob"}),
    ]  # fmt: skip
    (made,) = staffed.versions.all()
    assert (made.key, made.state, made.digest, made.made_utc_ms) == (None, "approved", given.digest, NOW)
    assert [(s.account, s.full_name, s.digest, s.utc_ms) for s in made.signatures] == [
        ("ann", "Ann Example", given.digest, NOW), ("bob", "Bob Example", given.digest, NOW),
    ]  # fmt: skip
    assert (made.plan, made.reasons) == (SOFT, WHY)
    assert made.file == place / "plans" / f"T-1-{SOFT.sha256[:12]}.toml"
    assert load_approval(approval_path(made.file), load_plan(made.file)) == signed
    open_shelf(made.file, None, load_formulary(), ())


def test_it_is_withdrawn_and_signed_anew_like_any_other(staffed: Clinic) -> None:
    given = put_before(PLAIN)
    sign_file(staffed, given, "ann")
    assert staffed.versions.withdraw(PLAIN.sha256, who(staffed, "eve")).state == "withdrawn"
    sign_file(staffed, given, "eve")
    made = staffed.versions.get(PLAIN.sha256)
    assert made is not None
    assert (made.state, [s.account for s in made.signatures], made.withdrawal) == ("approved", ["eve"], None)


@pytest.mark.parametrize("by_page", [False, True])
def test_what_is_approved_as_it_is_is_not_approved_a_second_time(staffed: Clinic, by_page: bool) -> None:
    given = put_before(PLAIN)
    if by_page:
        sign(staffed, given)
    else:
        sign_file(staffed, given, "ann")
    before = staffed.versions.all()
    words = r"T-1 in exactly this form is approved already, by Ann Example: .*/T-1-.*toml, with its approval beside"
    refused(lambda: staffed.versions.require_unsigned(given), words)
    refused(lambda: sign_file(staffed, given, "eve"), words)
    refused(lambda: sign(staffed, given, by="eve"), "in exactly this form is signed already")
    assert staffed.versions.all() == before


def test_what_waits_on_the_page_is_signed_there(staffed: Clinic) -> None:
    given = put_before(SOFT)
    sign(staffed, given, reasons=WHY)
    refused(
        lambda: sign_file(staffed, given, "eve", "bob", reasons=WHY),
        "is signed on the page by Ann Example, and waits there for its second signature",
    )
    assert second(staffed, given).state == "approved"


def test_an_approval_that_holds_no_more_is_signed_anew_and_takes_the_place_of_the_old_one(
    staffed: Clinic, place: Path, clock: VirtualClock
) -> None:
    sign_file(staffed, put_before(PLAIN), "ann")
    clock.advance(60_000)
    own = put_before(PLAIN)
    since = Reviewed(own.plan, replace(own.formulary, sha256="0" * 64), own.profile, None)
    staffed.versions.require_unsigned(since)
    sign_file(staffed, since, "eve")
    (made,) = staffed.versions.all()
    assert ([s.account for s in made.signatures], made.digest) == (["eve"], since.digest)
    assert approval_of(made.file)["formulary_sha256"] == "0" * 64
    assert [about["by"] for kind, about in journal(place) if kind == "signed"] == ["ann", "eve"]


def test_the_plan_that_it_follows_is_kept_to_compare_with_and_is_no_version(staffed: Clinic) -> None:
    new, before = after(old(), bridge={})
    given = Reviewed(new, load_formulary(), put_before().profile, before)
    sign_file(staffed, given, "ann", reasons={"bridge-unneeded": "the fill may be of another lot"})
    assert staffed.versions.plan(before.sha256) == before
    assert [each.sha256 for each in staffed.versions.all()] == [new.sha256]


def test_a_crash_between_its_record_and_its_files_is_healed_at_the_next_start(
    staffed: Clinic, place: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_file(staffed, put_before(PLAIN), "ann")
    staffed.versions.withdraw(PLAIN.sha256, who(staffed, "ann"))

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(versions, "replace_durably", crash)
        with pytest.raises(KeyboardInterrupt):
            sign_file(staffed, put_before(PLAIN), "eve")
    staffed.close()
    with Clinic.open(place, clock) as again:
        made = again.versions.get(PLAIN.sha256)
        assert made is not None
        assert approval_of(made.file)["signers"] == ["Eve Example"]  # and not the former signer's


@pytest.mark.parametrize(
    ("people", "words"),
    [
        ([("ann", "wrong")], "password is wrong"),
        ([("bob", PASSWORD)], "may not"),
        ([("ann", PASSWORD)], "need a second person"),
        ([("ann", PASSWORD), ("ann", PASSWORD)], "cannot be the second person too"),
        ([("ann", PASSWORD), ("dan", PASSWORD)], "may not"),
        ([("ann", PASSWORD), ("bob", "wrong")], "password is wrong"),
    ],
)
def test_what_is_refused_there_is_written_down_as_no_signature(
    staffed: Clinic, place: Path, people: list[tuple[str, str]], words: str
) -> None:
    given = [(who(staffed, name), password) for name, password in people]
    refused(lambda: staffed.versions.sign_file(put_before(SOFT), given, WHY), words)
    assert "signed" not in [kind for kind, _ in journal(place)]
    assert staffed.versions.all() == ()
    assert not (place / "plans").exists()


# --- a plan that is known to compare with -----------------------------------------------------------------------------


def test_a_plan_that_was_approved_elsewhere_is_known_to_compare_with_and_is_no_version(
    staffed: Clinic, place: Path, clock: VirtualClock
) -> None:
    staffed.versions.know(PLAIN, who(staffed, "ann"))
    assert staffed.versions.plan(PLAIN.sha256) == PLAIN
    assert (staffed.versions.get(PLAIN.sha256), staffed.versions.all()) == (None, ())
    assert journal(place)[-1] == ("plan-given", {"plan": PLAIN.sha256, "by": "ann"})
    staffed.close()
    with Clinic.open(place, clock) as again:
        assert again.versions.plan(PLAIN.sha256) == PLAIN
        assert again.versions.all() == ()
        sign(again, put_before(PLAIN))  # it can be signed here as any other
        assert [each.state for each in again.versions.all()] == ["approved"]
        for path in place.rglob("plans/**/*.toml"):
            assert path.stat().st_mode & 0o777 == 0o600


def test_a_known_plan_is_found_by_its_whole_hash_and_only_if_its_file_is_that_plan(
    staffed: Clinic, place: Path
) -> None:
    staffed.versions.know(PLAIN, who(staffed, "ann"))
    for name in (PLAIN.sha256[:-1], PLAIN.sha256.upper(), f"../known/{PLAIN.sha256}", ""):
        assert staffed.versions.plan(name) is None
    (place / "plans" / "known" / f"{PLAIN.sha256}.toml").write_text(plan_text(SOFT), encoding="utf-8")
    assert staffed.versions.plan(PLAIN.sha256) is None


def test_a_disk_that_refuses_a_known_plan_is_told_and_no_act_says_it_was_given(
    staffed: Clinic, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(versions, "replace_durably", full)
    with pytest.raises(JournalError, match=r"The file of T-1 cannot be written: No space left"):
        staffed.versions.know(PLAIN, who(staffed, "ann"))
    assert staffed.versions.plan(PLAIN.sha256) is None
    assert "plan-given" not in [kind for kind, _ in journal(place)]
