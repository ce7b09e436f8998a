"""The finish page and the signatures: what is shown, what is asked for, and everything that is refused."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from httpx import Response

from pump_ctrl.clinic import Reviewed, Session, Version
from pump_ctrl.therapy.approval import approval_path, load_approval
from pump_ctrl.therapy.formulary import load_formulary
from pump_ctrl.therapy.plan import DosingPlan, load_plan
from pump_ctrl.therapy.plan_write import plan_text
from pump_ctrl.therapy.profiles import load_profile
from pump_ctrl.web.comparison import Line, compared
from pump_ctrl.web.entry.draft import fields_of
from pump_ctrl.web.pages import entry
from tests.unit.review_bench import ASKED, MIXTURE, after, old, plan
from tests.unit.web.kit import PASSWORD, Desk, Page

EXAMPLES = Path(__file__).parents[3] / "examples"
MORPHINE = {"morphine": "10 mg/mL"}
SOFT = "start-soft:baclofen"
WHY = "it replaces a pump that gave the same"
_counted = iter(range(1, 1000))


def fresh(**more: Any) -> DosingPlan:  # noqa: ANN401
    """A plan that nobody has signed yet; at 400 ug/day it passes a soft limit of the first dose."""
    return plan(**{"id": f"T-{next(_counted)}", **more})


def words(answer: Response) -> str:
    """What stands on a page, without its markup."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", answer.text.partition("<main")[2])).split())


SPENT = "This form was sent before. What became of it is not told here: look at the plan's page"


def hidden(answer: Response, name: str) -> str:
    found = re.search(rf'name="{re.escape(name)}" value="([^"]*)"', answer.text)
    assert found, f"there is no {name}"
    return unescape(found[1])


class Case:
    """A draft of a plan, its finish page, and its signature page."""

    def __init__(self, page: Page, of: DosingPlan, before: DosingPlan | None = None) -> None:
        self.page, self.plan = page, of
        if before is not None:
            ann = page.clinic.accounts.get("ann")
            assert ann is not None
            page.clinic.versions.know(before, ann)
        self.draft = page.clinic.drafts.new("ann", fields_of(of))
        self.finish = f"/plans/{self.draft.key}/finish"
        self.signing = f"/plans/{self.draft.key}/sign"
        self.signed = f"/signed/{of.sha256}"

    def form(self, who: Desk, **more: str) -> dict[str, str]:
        """What a browser would send from the finish page."""
        shown = who.get(self.finish)
        asked = {unescape(name): WHY for name in re.findall(r'name="(reason:[^"]*)"', shown.text)}
        form = {"form": who.token(self.finish, f"{self.signing}#sign"), "digest": hidden(shown, "digest")}
        return {**form, "password": PASSWORD, **asked, **more}

    def sign(self, who: Desk, **more: str) -> Response:
        return who.post(self.signing, self.form(who, **more))

    def second_form(self, who: Desk, **more: str) -> dict[str, str]:
        form = {
            "form": who.token(self.signed, f"{self.signed}/second"),
            "digest": hidden(who.get(self.signed), "digest"),
            "first": hidden(who.get(self.signed), "first"),
        }
        return {**form, "password": PASSWORD, **more}

    def second(self, who: Desk, **more: str) -> Response:
        return who.post(f"{self.signed}/second", self.second_form(who, **more))

    def version(self) -> Version | None:
        return self.page.clinic.versions.get(self.plan.sha256)

    def refused(self, answer: Response, sentence: str, code: int = 403) -> None:
        """It says so, and nothing was signed by it."""
        assert answer.status_code == code, words(answer)[:500]
        assert sentence in words(answer)
        assert self.version() is None

    def still_waits(self, answer: Response, sentence: str) -> None:
        """The same of a second signature."""
        assert answer.status_code == 403
        assert sentence in words(answer)
        version = self.version()
        assert version is not None
        assert version.state == "awaits second"
        assert len(version.signatures) == 1
        assert version.file is None


@pytest.fixture
def soft(page: Page) -> Case:
    """A plan that needs a reason and a second person."""
    return Case(page, fresh())


def waiting(case: Case, ann: Desk) -> Case:
    assert case.sign(ann).status_code == 303
    return case


# --- what stands on the page -----------------------------------------------------------------------------------------


def test_a_first_plan_says_so_and_marks_no_row(page: Page, ann: Desk) -> None:
    shown = ann.get(Case(page, fresh()).finish)
    assert "First plan: nothing is in force" in words(shown)
    assert 'class="changed"' not in shown.text
    assert "Low-reservoir alarm at reservoir.alarm 2 mL" in words(shown)


def test_changed_rows_are_marked_with_a_sign_and_the_change_in_per_cent(page: Page, ann: Desk) -> None:
    before, new = load_plan(EXAMPLES / "e-bridge-before.toml"), load_plan(EXAMPLES / "e-bridge.toml")
    text = words(ann.get(Case(page, new, before).finish))
    assert "● changed volume a day 0.6 mL/day 0.3 mL/day -50 %" in text
    assert "● changed Drug 1, Concentration reservoir.drugs#1.concentration 5 mg/mL 10 mg/mL +100 %" in text
    assert "● changed Start start Monday 2 November 2026, 09:00 Monday 30 November 2026, 09:00" in text
    assert "Filled reservoir.filled 20 mL 20 mL" in text  # folded, and there
    assert "● changed Filled" not in text


def lines(new: DosingPlan, before: DosingPlan | None) -> list[Line]:
    found = compared(before, new, load_profile(new.pump))
    return [line for part in (*found.told, *found.same) for line in part.lines]


def test_every_written_field_stands_in_one_row() -> None:
    new, before = (
        load_plan(EXAMPLES / "c-patient-bolus.toml"),
        load_plan(EXAMPLES / "b-morphine-continuous.toml"),
    )
    names = [line.name for line in lines(new, before) if line.name]
    assert len(names) == len(set(names))
    gone = {"on_loss.hold", "patient_bolus.dose", "reservoir.drugs#3.name", "basal.rate"}
    assert gone < set(names)
    assert {line.name for line in lines(new, None) if line.name} <= set(names)


def test_a_row_that_is_new_or_gone_says_so_and_is_no_change_in_per_cent() -> None:
    base = fresh()
    more = base.model_copy(
        update={"patient_bolus": plan(MIXTURE, "4 mg/day", patient_bolus=ASKED, on_loss="stop").patient_bolus}
    )
    there = {line.name: line.change for line in lines(more, base)}
    away = {line.name: line.change for line in lines(base, more)}
    assert there["patient_bolus.dose"] == "new"
    assert away["patient_bolus.dose"] == "gone"


def test_the_tenth_step_comes_after_the_ninth() -> None:
    steps = [{"from": f"{hour:02d}:00", "dose": "30 ug"} for hour in range(11)]
    names = [line.name for line in lines(plan(basal={"steps": steps}), None) if line.name.endswith(".dose")]
    assert names == [f"basal.steps#{n}.dose" for n in range(1, 12)]


TENFOLD = after(old({"baclofen": "50 ug/mL"}, "30 ug/day"), {"baclofen": "500 ug/mL"}, "30 ug/day", bridge={})
UNBRIDGED = after(old({"hydromorphone": "10 mg/mL"}, "3 mg/day"), {"hydromorphone": "5 mg/mL"}, "3 mg/day")
ONE_A_DAY = {"over": "10 min", "lockout": "3 h", "max_per_day": 1}
THOUSANDTH = after(
    old(patient_bolus={**ONE_A_DAY, "dose": "10 ug"}), patient_bolus={**ONE_A_DAY, "dose": "10 ng"}
)
SENTENCES = {  # plan, group, sentence
    "a jump beyond the formulary's step": (
        after(old(rate="300 ug/day"), rate="360 ug/day"),
        "! Needs a reason",
        "300 ug/day to 360 ug/day (+20 %) is above 15 % [S57]",
    ),
    "a jump beyond the hard step": (
        after(old(rate="200 ug/day"), rate="300 ug/day"),
        "✖ Blocked",
        "200 ug/day to 300 ug/day (+50 %) is above 30 % [S57]",
    ),
    "ten times the one before": (
        TENFOLD,
        "! Needs a reason",
        "concentration of baclofen is about 10 times the one in force; check point and unit",
    ),
    "a thousandth of the one before": (
        THOUSANDTH,
        "! Needs a reason",
        "patient bolus of baclofen is about a 1000th of the one in force; check point and unit",
    ),
    "a missing bridge": (UNBRIDGED, "✖ Blocked", "6 mg/day of hydromorphone for 13.44 h"),
    "a rate below the pump's lowest": (
        (plan(MORPHINE, "0.2 mg/day"), None),
        "✖ Blocked",
        "below the lowest that the pump can be told, 0.048 mL/day (480 ug/day of morphine at 10 mg/mL)",
    ),
    "patient boluses over the limit": (
        (plan({"morphine": "15 mg/mL"}, "18.5 mg/day", patient_bolus=ASKED), None),
        "✖ Blocked",
        "at most 20.1 mg of morphine in 24 h, every patient bolus taken, is above 20 mg [S65]",
    ),
}


@pytest.mark.parametrize(("pair", "group", "sentence"), SENTENCES.values(), ids=SENTENCES)
def test_what_is_dangerous_has_a_sentence_of_its_own(
    page: Page, ann: Desk, pair: tuple[DosingPlan, DosingPlan | None], group: str, sentence: str
) -> None:
    shown = words(ann.get(Case(page, *pair).finish)).partition("Findings")[2].partition("In figures")[0]
    found = shown.partition(group)[2]
    for other in ("✖ Blocked", "! Needs a reason", "· Notes"):
        found = found.partition(other)[0]
    assert sentence in found, shown


def test_findings_stand_under_what_they_ask_for(page: Page, ann: Desk) -> None:
    text = words(ann.get(Case(page, fresh(rate="2001 ug/day")).finish))
    heads = [text.index(head) for head in ("✖ Blocked", "! Needs a reason", "· Notes")]
    assert heads == sorted(heads)
    assert "It cannot be signed: " in text
    assert "no reason can override that" in text


def test_an_incomplete_plan_says_what_is_missing_and_asks_for_no_signature(page: Page, ann: Desk) -> None:
    draft = page.clinic.drafts.new("ann", {"id": "T-0"})
    shown = ann.get(f"/plans/{draft.key}/finish")
    assert "The plan is not complete" in words(shown)
    assert 'name="password"' not in shown.text
    form = {
        "form": page.clinic.sessions.form(session_of(page, ann), f"sign {draft.key}"),
        "password": PASSWORD,
    }
    answer = ann.post(f"/plans/{draft.key}/sign", form)
    assert answer.status_code == 403
    assert "Not signed: the plan is not complete." in words(answer)


def session_of(page: Page, who: Desk) -> Session:
    found = page.clinic.sessions.of(who.http.cookies["pump_ctrl_session_8080"])
    assert found is not None
    return found


# --- the first signature ---------------------------------------------------------------------------------------------


def test_a_plan_without_reasons_is_approved_by_one_signature(page: Page, ann: Desk) -> None:
    case = Case(page, fresh(rate="200 ug/day"))
    answer = case.sign(ann)
    assert (answer.status_code, answer.headers["location"]) == (303, case.signed)
    version = case.version()
    assert version is not None
    assert version.state == "approved"
    assert version.file is not None
    assert load_approval(approval_path(version.file), load_plan(version.file)).signer == "Ann Example"
    assert "✔ Approved." in words(ann.get(case.signed))


def test_a_soft_limit_waits_for_a_second_different_person(soft: Case, page: Page, ann: Desk) -> None:
    waiting(soft, ann)
    assert "… Waits for a second signature." in words(ann.get(soft.signed))
    bob = page.desk("bob")
    assert soft.second(bob).status_code == 303
    version = soft.version()
    assert version is not None
    assert [each.account for each in version.signatures] == ["ann", "bob"]
    assert version.file is not None
    approval = load_approval(approval_path(version.file), soft.plan)
    assert (approval.second, approval.reasons, approval.authenticated) == ("Bob Example", {SOFT: WHY}, True)


def test_a_tampered_digest_is_refused(soft: Case, ann: Desk) -> None:
    soft.refused(soft.sign(ann, digest="0" * 64), "what is signed now is not what was shown")


def test_a_draft_that_somebody_changed_meanwhile_is_not_signed_and_the_reasons_stay(
    soft: Case, page: Page, ann: Desk
) -> None:
    form = soft.form(ann)
    changed_title = {"title": "changed behind the back"}
    changed = fields_of(soft.plan) | changed_title
    page.clinic.drafts.save(soft.draft.key, changed, soft.draft.revision, "eve")
    answer = ann.post(soft.signing, form)
    soft.refused(answer, "what is signed now is not what was shown")
    assert "changed behind the back" in words(answer)
    assert hidden(answer, f"reason:{SOFT}") == WHY
    assert page.clinic.versions.get(soft.plan.model_copy(update=changed_title).sha256) is None


def another_formulary(monkeypatch: pytest.MonkeyPatch, room: Path) -> None:
    """From now on a number of the drug library is another one."""
    text = (Path(entry.__file__).parents[2] / "data" / "formulary.toml").read_text(encoding="utf-8")
    assert "24 ug" in text
    changed = room / "formulary.toml"
    changed.write_text(text.replace("24 ug", "25 ug", 1), encoding="utf-8")
    monkeypatch.setattr(entry, "load_formulary", lambda _: load_formulary(changed))


def test_a_formulary_that_changed_meanwhile_is_refused(
    soft: Case, ann: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    form = soft.form(ann)
    another_formulary(monkeypatch, tmp_path)
    soft.refused(ann.post(soft.signing, form), "what is signed now is not what was shown")


def test_a_form_counts_once(soft: Case, ann: Desk) -> None:
    form = soft.form(ann, password="not it at all")
    ann.post(soft.signing, form)
    soft.refused(ann.post(soft.signing, {**form, "password": PASSWORD}), SPENT)


def test_a_wrong_password_signs_nothing_and_keeps_what_was_typed(soft: Case, ann: Desk) -> None:
    answer = soft.sign(ann, password="not it at all")
    soft.refused(answer, "password is wrong")
    assert hidden(answer, f"reason:{SOFT}") == WHY
    assert "not it at all" not in answer.text


@pytest.mark.parametrize("reason", ["", "   ", "\N{RIGHT-TO-LEFT OVERRIDE}"])
def test_a_soft_limit_without_a_reason_is_refused(soft: Case, ann: Desk, reason: str) -> None:
    soft.refused(soft.sign(ann, **{f"reason:{SOFT}": reason}), "no reason for start-soft:baclofen")


def test_a_reason_that_nobody_asked_for_is_refused(soft: Case, ann: Desk) -> None:
    soft.refused(soft.sign(ann, **{"reason:daily-hard": "because"}), "daily-hard")


@pytest.mark.parametrize(("who", "roles"), [("bob", "second"), ("cleo", "bench"), ("dan", "viewer")])
def test_who_may_not_sign_is_refused_by_page_and_by_post(
    soft: Case, page: Page, who: str, roles: str
) -> None:
    desk = page.desk(who)
    shown = desk.get(soft.finish)
    assert "Your account does not sign plans." in words(shown)
    assert 'name="password"' not in shown.text
    ann = soft.form(page.desk("ann"))
    own = page.clinic.sessions.form(session_of(page, desk), f"sign {soft.draft.key}")
    soft.refused(desk.post(soft.signing, {**ann, "form": own}), f"{who} ({roles}) may not do this")


def test_a_blocked_plan_is_refused_though_a_reason_is_forged(page: Page, ann: Desk) -> None:
    case = Case(page, fresh(rate="2001 ug/day"))
    assert 'name="digest"' not in ann.get(case.finish).text
    token = page.clinic.sessions.form(session_of(page, ann), f"sign {case.draft.key}")
    digest = Reviewed(case.plan, load_formulary(), load_profile(case.plan.pump), None).digest
    form = {
        "form": token,
        "digest": digest,
        "password": PASSWORD,
        "reason:daily-hard": "because",
        f"reason:{SOFT}": WHY,
    }
    case.refused(ann.post(case.signing, form), "no override")


def test_a_plan_is_signed_once(soft: Case, page: Page, ann: Desk) -> None:
    form, again = soft.form(ann), soft.form(ann)
    ann.post(soft.signing, form)
    answer = ann.post(soft.signing, again)
    assert answer.status_code == 403
    assert "in exactly this form is signed already" in words(answer)
    assert "Exactly this plan is signed" in words(ann.get(soft.finish))
    version = soft.version()
    assert version is not None
    assert len(version.signatures) == 1


def test_a_form_of_another_site_is_not_heard(soft: Case, ann: Desk) -> None:
    answer = ann.post(soft.signing, soft.form(ann), origin="http://evil.example")
    assert answer.status_code == 403
    assert soft.version() is None


def test_a_form_of_another_person_or_draft_is_refused(soft: Case, page: Page, ann: Desk) -> None:
    eve = page.desk("eve")
    soft.refused(eve.post(soft.signing, soft.form(ann)), "the form is not one that this page made for you")
    other = Case(page, fresh())
    form = soft.form(ann) | {"form": other.form(ann)["form"]}
    soft.refused(ann.post(soft.signing, form), "the form is not one that this page made for you")


# --- the second signature --------------------------------------------------------------------------------------------


def test_the_same_person_is_no_second_person_by_page_or_by_forged_post(
    soft: Case, page: Page, ann: Desk
) -> None:
    waiting(soft, ann)
    shown = ann.get(soft.signed)
    assert "who signed first cannot be the second" in words(shown)
    assert "/second" not in shown.text
    eve = soft.second_form(page.desk("eve"))
    own = page.clinic.sessions.form(session_of(page, ann), f"second {soft.plan.sha256}")
    answer = ann.post(f"{soft.signed}/second", {**eve, "form": own})
    soft.still_waits(answer, "Ann Example has signed it, and cannot be the second person too")


def test_a_second_signature_over_another_digest_is_refused(soft: Case, page: Page, ann: Desk) -> None:
    waiting(soft, ann)
    soft.still_waits(
        soft.second(page.desk("bob"), digest="0" * 64), "what is signed now is not what was shown"
    )


def test_a_second_signature_after_the_formulary_changed_is_refused(
    soft: Case, page: Page, ann: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    waiting(soft, ann)
    another_formulary(monkeypatch, tmp_path)
    bob = page.desk("bob")
    assert "! Changed since it was signed" in words(bob.get(soft.signed))
    soft.still_waits(soft.second(bob), "since Ann Example signed")


def test_a_second_signature_with_a_wrong_password_or_twice_is_refused(
    soft: Case, page: Page, ann: Desk
) -> None:
    waiting(soft, ann)
    bob = page.desk("bob")
    form = soft.second_form(bob)
    soft.still_waits(bob.post(f"{soft.signed}/second", {**form, "password": "not it"}), "password is wrong")
    soft.still_waits(bob.post(f"{soft.signed}/second", form), SPENT)


@pytest.mark.parametrize("who", ["cleo", "dan"])
def test_who_may_not_be_a_second_signer_is_refused(soft: Case, page: Page, ann: Desk, who: str) -> None:
    waiting(soft, ann)
    desk = page.desk(who)
    form = soft.second_form(page.desk("bob"))
    own = page.clinic.sessions.form(session_of(page, desk), f"second {soft.plan.sha256}")
    soft.still_waits(desk.post(f"{soft.signed}/second", {**form, "form": own}), "may not do this")


def test_a_withdrawn_plan_takes_no_second_signature_and_can_be_signed_anew(
    soft: Case, page: Page, ann: Desk
) -> None:
    waiting(soft, ann)
    bob = page.desk("bob")
    form = soft.second_form(bob)
    answer = ann.post(f"{soft.signed}/withdraw", {"form": ann.token(soft.signed, f"{soft.signed}/withdraw")})
    assert answer.status_code == 303
    assert "✖ Withdrawn." in words(ann.get(soft.signed))
    late = bob.post(f"{soft.signed}/second", form)
    assert late.status_code == 403
    assert "This plan waits for no second signature." in words(late)
    version = soft.version()
    assert version is not None
    assert (version.state, version.file) == ("withdrawn", None)
    assert soft.sign(ann).status_code == 303


def test_a_plan_that_waits_anew_says_that_the_file_of_the_withdrawn_approval_is_still_there(
    soft: Case, page: Page, ann: Desk
) -> None:
    waiting(soft, ann)
    bob = page.desk("bob")
    bob.post(f"{soft.signed}/second", soft.second_form(bob))
    ann.post(f"{soft.signed}/withdraw", {"form": ann.token(soft.signed, f"{soft.signed}/withdraw")})
    assert soft.sign(ann).status_code == 303
    shown = words(ann.get(soft.signed))
    assert "… Waits for a second signature." in shown
    assert "! Its file stays, with the approval that was withdrawn. No pump is offered this plan" in shown


def test_an_approved_plan_is_withdrawn_and_says_what_that_does_not_undo(page: Page, ann: Desk) -> None:
    case = Case(page, fresh(rate="200 ug/day"))
    case.sign(ann)
    assert "Its file stays valid for pump-ctrl run" in words(ann.get(case.signed))
    token = ann.token(case.signed, f"{case.signed}/withdraw")
    assert ann.post(f"{case.signed}/withdraw", {"form": token}).status_code == 303
    shown = words(ann.get(case.signed))
    assert "✖ Withdrawn." in shown
    assert "! Its file stays. No pump is offered this plan" in shown
    token = page.clinic.sessions.form(session_of(page, ann), f"withdraw {case.plan.sha256}")
    answer = ann.post(f"{case.signed}/withdraw", {"form": token})
    assert answer.status_code == 403
    assert "Only a plan that is approved, or waits for its second signature, can be withdrawn." in words(
        answer
    )


def test_a_second_person_approves_no_reasons_and_no_first_signature_they_did_not_see(
    soft: Case, page: Page, ann: Desk
) -> None:
    waiting(soft, ann)
    bob, eve = page.desk("bob"), page.desk("eve")
    form = soft.second_form(bob)
    ann.post(f"{soft.signed}/withdraw", {"form": ann.token(soft.signed, f"{soft.signed}/withdraw")})
    assert soft.sign(eve, **{f"reason:{SOFT}": "another one"}).status_code == 303
    answer = bob.post(f"{soft.signed}/second", form)
    soft.still_waits(answer, "what is signed now is not what was shown")
    assert "another one" in words(answer)


def test_the_password_and_the_reasons_of_one_plan_stand_nowhere_else(
    soft: Case, page: Page, ann: Desk
) -> None:
    waiting(soft, ann)
    assert PASSWORD not in ann.get(soft.signed).text
    assert PASSWORD not in (page.clinic.place / "page.jsonl").read_text(encoding="utf-8")


def test_markup_in_a_title_or_a_reason_is_text(page: Page, ann: Desk) -> None:
    case = Case(page, fresh(title="<script>alert(1)</script>"))
    case.sign(ann, **{f"reason:{SOFT}": "<img src=x onerror=alert(1)>"})
    for path in (case.finish, case.signed, f"{case.signed}/paper"):
        assert "<script>alert" not in ann.get(path).text
        assert "<img" not in ann.get(path).text


# --- a plan in force that was signed elsewhere -----------------------------------------------------------------------


def test_an_unknown_plan_in_force_is_asked_for_and_compared_with(page: Page, ann: Desk) -> None:
    new, before = after(old(rate="190 ug/day", id="T-OLD"), rate="200 ug/day", id="T-NEW")
    case = Case(page, new)
    shown = ann.get(case.finish)
    assert "The plan in force is not known here" in words(shown)
    assert "It cannot be signed" in words(shown)
    action = f"/plans/{case.draft.key}/previous"
    wrong = ann.post(action, {"form": ann.token(case.finish, f"{action}#previous"), "text": plan_text(new)})
    assert wrong.status_code == 400
    assert f"That is T-NEW with the fingerprint {new.sha256}; this plan follows {before.sha256}." in words(
        wrong
    )
    assert "T-NEW" in wrong.text.partition("<textarea")[2].partition("</textarea>")[0]
    bad = ann.post(action, {"form": ann.token(case.finish, f"{action}#previous"), "text": "schema = "})
    assert bad.status_code == 400
    right = ann.post(
        action, {"form": ann.token(case.finish, f"{action}#previous"), "text": plan_text(before)}
    )
    assert right.status_code == 303
    text = words(ann.get(case.finish))
    assert "190 ug/day 200 ug/day +5.264 %" in text
    assert "not known here" not in text
    assert page.clinic.versions.get(before.sha256) is None  # compared with, and not signed


@pytest.mark.parametrize("name", ["../../clinic", "g" * 64, "a" * 300, ""])
def test_only_a_hash_finds_a_plan(page: Page, name: str) -> None:
    ann = page.clinic.accounts.get("ann")
    assert ann is not None
    page.clinic.versions.know(fresh(), ann)
    assert page.clinic.versions.plan(name) is None


def test_a_file_in_force_that_was_changed_is_not_taken_for_the_plan(page: Page) -> None:
    one, other = fresh(), fresh()
    ann = page.clinic.accounts.get("ann")
    assert ann is not None
    page.clinic.versions.know(one, ann)
    (page.clinic.place / "plans" / "known" / f"{one.sha256}.toml").write_text(
        plan_text(other), encoding="utf-8"
    )
    assert page.clinic.versions.plan(one.sha256) is None
