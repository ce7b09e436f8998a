"""The pump's room: what it shows, what may be asked there, and a STOP that nothing keeps back."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from html import unescape
from itertools import count
from urllib.parse import urlencode

import anyio
import pytest
from starlette.types import Message

from pump_ctrl.clinic import Reviewed
from pump_ctrl.clinic.store import Store
from pump_ctrl.errors import JournalError
from pump_ctrl.therapy.approval import approval_path, load_approval
from pump_ctrl.therapy.formulary import load_formulary
from pump_ctrl.therapy.profiles import load_profile
from pump_ctrl.web import pumps as pumps_module
from pump_ctrl.web.pages.pump import BUTTONS, CONFIRM_BUTTON
from pump_ctrl.web.pumps import Pumps
from tests.unit.clinic.kit import PLAIN, put_before
from tests.unit.review_bench import old, plan
from tests.unit.web.fake_controller import ALARM, STATUS, Controller
from tests.unit.web.kit import PASSWORD, Desk, Page, room, served
from tests.unit.web.test_pumps import ends, until

NUMBER = count()


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A page in a short directory: the name of a socket has at most 107 bytes."""
    with pytest.MonkeyPatch.context() as patch, room() as place:
        patch.setattr(pumps_module, "EVERY_S", 0.005)
        patch.setattr(pumps_module, "PATIENCE_S", 0.1)
        with served(place) as found:
            yield found


def heard(page: Page, controller: Controller) -> Controller:
    """Wait until the page has heard of it."""
    page.house.pumps.look()
    until(lambda: (seen := page.house.pumps.get(controller.key)) and seen.status)
    return controller


@pytest.fixture
def one(page: Page) -> Iterator[Controller]:
    """A controller that the page has heard, gone again afterwards."""
    with Controller(page.clinic.place / f"j{next(NUMBER)}") as found:
        yield heard(page, found)
    page.clock.advance(3_600_000)
    page.house.pumps.look()


def shows(page: Page, one: Controller, **status: object) -> str:
    """Let it say something else, and look at its page."""
    one.status = {**STATUS, **status}
    until(lambda: (seen := page.house.pumps.get(one.key)) and seen.status == one.status)
    return unescape(page.desk("ann").get(f"/pumps/{one.key}").text)


def ask(desk: Desk, one: Controller, verb: str, **fields: str) -> str:
    """Send a form of its page; what the page says then."""
    token = desk.token(f"/pumps/{one.key}", f"/pumps/{one.key}/bolus")
    answer = desk.post(f"/pumps/{one.key}/{verb}", {"form": token, **fields})
    found = re.search(r'<p role="alert" class="note[^>]*>(.*?)</p>', answer.text, re.DOTALL)
    return unescape(re.sub("<[^>]*>", "", found[1])) if found else f"{answer.status_code}"


# --- what it shows --------------------------------------------------------------------------------------------------


def test_state_rates_volumes_reservoir_and_what_comes_next_with_their_units(
    page: Page, one: Controller
) -> None:
    text = shows(page, one)
    assert "RUNNING" in text
    assert "0.0080 mL/h (0.1920 mL/day)" in text
    assert "0.0090 mL/h (0.2160 mL/day)" in text
    assert "7.000 mL" in text
    assert "5.500 mL" in text
    assert "10.000 mL to 12.000 mL (alarm at 2.000 mL)" in text
    assert "0.020 mL at Friday 20 November 2026, 15:00" in text
    assert "✔ No alarm." in text
    assert "Heard 0 s ago." in text


def test_what_a_plan_is_called_is_text(page: Page, one: Controller) -> None:
    assert "<b>" not in page.desk("ann").get(f"/pumps/{one.key}").text


def test_the_bar_shows_what_is_surely_there_and_what_is_perhaps(page: Page, one: Controller) -> None:
    text = shows(page, one)
    bars = re.findall(r'<rect x="(\d+)" y="2" width="(\d+)"', text)
    assert bars == [("0", "1000"), ("0", "250"), ("250", "50")]
    assert '<line x1="50"' in text
    assert 'aria-label="Reservoir: 10.000 mL to 12.000 mL of 40.000 mL; alarm at 2.000 mL"' in text


def test_each_alarm_says_how_urgent_it_is_what_it_is_and_what_to_do(page: Page, one: Controller) -> None:
    high = {
        **ALARM,
        "code": "journal",
        "priority": "high",
        "condition": "it cannot be written",
        "do": "See to it.",
    }
    text = shows(page, one, alarms=[high, {**ALARM, "holds": False, "acknowledged": True}])
    assert text.index("‼ high: journal") < text.index("! medium: reservoir-low")
    assert "See to it." in text
    assert "Refill it." in text
    assert "its cause is gone; seen" in text
    said = re.search(r'data-alarms="([^"]*)"', text)
    assert said
    assert said[1] == (
        "high priority alarm journal: it cannot be written. medium priority alarm reservoir-low: little is left. "
    )


def test_an_alarm_says_its_detail_within_its_sentence(page: Page, one: Controller) -> None:
    text = shows(page, one, alarms=[{**ALARM, "detail": "below 2 mL."}])
    assert "</strong>: little is left (below 2 mL). Since" in text


def test_a_pump_that_listens_to_another_controller_is_not_called_anything_else(
    page: Page, one: Controller
) -> None:
    assert "not taken by the pump" not in shows(page, one)
    text = shows(page, one, busy_s=53)
    assert '<th scope="row">not taken by the pump</th>' in text
    assert (
        "listen to a controller before this one; it takes new commands in 53 s at most. STOP works at once."
        in text
    )


def test_a_state_is_said_in_words_too(page: Page, one: Controller) -> None:
    for state, words in (
        ("STOPPED", "nothing is given until Resume"),
        ("FAULT", "an alarm forbids to give anything"),
    ):
        assert f"<strong>{state}</strong>: {words}." in shows(page, one, state=state)


@pytest.mark.parametrize("state", ["STOPPED", "PAUSED", "FAULT", "UNCERTAIN"])
def test_a_pump_that_did_not_confirm_a_stop_is_not_said_to_give_nothing(
    page: Page, one: Controller, state: str
) -> None:
    """The controller's state is what it wants of the pump, and the pump may go on."""
    unknown = {**ALARM, "code": "stop-unknown", "priority": "high"}
    text = shows(page, one, state=state, alarms=[unknown])
    assert f"<strong>{state}</strong>: the pump has NOT confirmed the STOP and may go on giving." in text
    assert "nothing is given" not in text
    gone = shows(page, one, state=state, alarms=[{**unknown, "holds": False}])
    assert "may go on giving" not in gone


def test_nothing_within_the_part_that_is_replaced_speaks_by_itself(page: Page, one: Controller) -> None:
    shows(page, one, alarms=[ALARM])
    part = page.desk("ann").get(f"/pumps/{one.key}/status").text
    assert not re.search("role=.(alert|status)|aria-live|<input|<button|<a ", part)
    assert "<html" not in part


def test_what_was_heard_three_seconds_ago_is_grey_and_says_so(page: Page, one: Controller) -> None:
    shows(page, one)
    ends(page.house.pumps, one)
    page.clock.advance(65_000)
    text = page.desk("ann").get(f"/pumps/{one.key}").text
    assert "✖ The controller is silent." in text
    assert "What stands here is 1.1 min old." in text
    assert "What the pump was told last goes on to its end." in text
    assert 'aria-label="Status" class="silent"' in text
    page.house.pumps.look()
    assert "✖ The controller has ended." in page.desk("ann").get(f"/pumps/{one.key}/status").text
    assert "✖ ended" in page.desk("ann").get("/pumps").text


def test_who_is_silent_is_not_said_to_have_no_alarm_and_the_pumps_own_word_grows_old_too(
    page: Page, one: Controller
) -> None:
    text = shows(page, one)
    assert "✔ No alarm." in text
    assert "running, 7 s ago" in text
    ends(page.house.pumps, one)
    page.clock.advance(65_000)
    text = page.desk("ann").get(f"/pumps/{one.key}").text
    assert "✔" not in text
    assert "No alarm then. Whether there is one now is not known." in text
    assert "running, 1.2 min ago" in text
    assert "none when it was heard" in page.desk("ann").get("/pumps/list").text


@pytest.mark.parametrize(
    ("state", "caption"),
    [
        ("RUNNING", "Next"),
        ("BOLUS", "Next"),
        ("READY", "Next"),
        ("STOPPED", "Next, if it runs again by then"),
        ("PAUSED", "Next, if it runs again by then"),
        ("FAULT", "Next, if it runs again by then"),
        ("WAITING", "Next, if it runs again by then"),
    ],
)
def test_what_comes_next_is_not_promised_while_nothing_is_given(
    page: Page, one: Controller, state: str, caption: str
) -> None:
    assert f"<caption>{caption}</caption>" in shows(page, one, state=state)


def test_a_controller_that_cannot_be_read_has_a_page_and_a_stop(page: Page) -> None:
    with Controller(page.clinic.place / f"j{next(NUMBER)}") as one:
        one.status = {"schema": "pump-ctrl/status/2"}
        page.house.pumps.look()
        until(lambda: (seen := page.house.pumps.get(one.key)) and seen.why)
        ann = page.desk("ann")
        text = ann.get(f"/pumps/{one.key}").text
        assert "has said nothing that can be read" in text
        assert f'action="/pumps/{one.key}/stop"' in text
        assert f'action="/pumps/{one.key}/bolus"' not in text
        assert "not known" in ann.get("/pumps").text


def test_a_restart_is_confirmed_in_words_with_its_code(page: Page, one: Controller) -> None:
    words = "The host was off for 2 min.\nAt most 0.4 mL were given."
    text = shows(page, one, state="WAITING", reconciliation={"words": words, "code": "AB12"})
    assert words in text
    assert 'name="code" value="AB12"' in text
    ann = page.desk("ann")
    assert ask(ann, one, "confirm", code="AB12", off="2 min") == "Confirm after the restart: done. Done."
    assert one.requests()[-1] == {
        "id": one.requests()[-1]["id"], "do": "resume", "code": "AB12", "off": "2 min", "by": "Ann Example",
    }  # fmt: skip


def test_the_forms_know_when_they_are_out_of_date(page: Page, one: Controller) -> None:
    def asks(text: str) -> set[str]:
        return set(re.findall(r'data-asks="([^"]*)"', text))

    before = asks(shows(page, one))
    waiting = asks(shows(page, one, reconciliation={"words": "", "code": "AB12"}))
    open_one = asks(shows(page, one, unsettled={"id": "7f", "volume_nl": 1, "bolus_nl": 0}))
    assert len(before) == len(waiting) == len(open_one) == 1
    assert len(before | waiting | open_one) == 3


# --- what may be asked ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["bolus", "prime", "pause", "resume"])
def test_plain_requests_go_out_under_the_number_of_their_form_once(
    page: Page, one: Controller, verb: str
) -> None:
    cleo = page.desk("cleo")
    token = cleo.token(f"/pumps/{one.key}", f"/pumps/{one.key}/{verb}")
    for _ in range(2):  # the controller carries one number out once, and tells again what became of it
        assert cleo.post(f"/pumps/{one.key}/{verb}", {"form": token}).status_code == 200
    assert one.requests() == [{"id": f"page-{token.partition('.')[0]}", "do": verb}] * 2


def test_a_second_click_tells_what_became_of_the_first_and_never_that_nothing_was_sent(
    page: Page, one: Controller
) -> None:
    ann = page.desk("ann")
    token = ann.token(f"/pumps/{one.key}", f"/pumps/{one.key}/bolus")
    answers = [unescape(ann.post(f"/pumps/{one.key}/bolus", {"form": token}).text) for _ in range(2)]
    assert "Patient bolus: done" in answers[0]
    assert "This form was sent before" not in answers[0]
    assert "Patient bolus: done" in answers[1]
    assert (
        "This form was sent before; it counts once, as it first came to the controller. Done." in answers[1]
    )
    wrong = ann.post(f"/pumps/{one.key}/refill", {"form": token, "found": "1,5"}).text
    assert "This form was sent before" in wrong
    for text in (*answers, wrong):
        assert "othing was sent" not in text
    assert len(one.requests()) == 2


@pytest.mark.parametrize(
    ("exit_code", "verdict"), [(0, "done"), (3, "not done as asked"), (4, "not known to be done")]
)
def test_a_second_press_of_the_patient_bolus_has_the_verdict_of_the_first(
    page: Page, exit_code: int, verdict: str
) -> None:
    told = {"exit": exit_code, "text": "The words of the controller."}
    with Controller(page.clinic.place / f"j{next(NUMBER)}", lambda _: told) as one:
        ann, path = page.desk("ann"), f"/pumps/{heard(page, one).key}"
        form = {"form": ann.token(path, f"{path}/bolus")}
        answers = [unescape(re.sub("<[^>]*>", "", ann.post(f"{path}/bolus", form).text)) for _ in range(2)]
    assert f"Patient bolus: {verdict}. The words of the controller." in answers[0]
    again = "This form was sent before; it counts once, as it first came to the controller."
    assert f"Patient bolus: {verdict}. {again} The words of the controller." in answers[1]


def test_a_plan_that_was_withdrawn_is_not_loaded(page: Page, one: Controller) -> None:
    account = page.clinic.accounts.get("ann")
    assert account is not None
    given = put_before(PLAIN)
    page.clinic.versions.sign("0" * 12, given, account, PASSWORD, {}, given.digest)
    page.clinic.versions.withdraw(PLAIN.sha256, account)
    said = ask(page.desk("ann"), one, "load", sha256=PLAIN.sha256)
    assert "There is no approved plan of this fingerprint." in said
    assert one.requests() == []


def in_force(page: Page, one: Controller, plan_sha256: str) -> str:
    """What the pump's page says while it carries that plan out."""
    return shows(page, one, plan={"id": "T-1", "title": "test", "sha256": plan_sha256})


def test_a_withdrawn_plan_that_a_pump_carries_out_is_still_the_plan_in_force_and_said_to_be_withdrawn(
    page: Page, one: Controller
) -> None:
    ann, of = page.clinic.accounts.get("ann"), plan(rate="199 ug/day")
    assert ann is not None
    page.clinic.versions.sign_file(put_before(of), [(ann, PASSWORD)], {})
    link = f'<a href="/signed/{of.sha256}">The plan in force</a>'
    before = in_force(page, one, of.sha256)
    assert link in before
    assert f"For <strong>{of.patient}</strong>, pump {of.pump}." in before
    assert "withdrawn" not in before
    page.clinic.versions.withdraw(of.sha256, ann)
    text = in_force(page, one, of.sha256)
    assert link in text
    assert re.search(
        r"! That plan was withdrawn on \w+day \d+ \w+ 20\d\d, \d\d:\d\d UTC, by Ann Example \(ann\); it is still the "
        r"one in force here\.",
        text,
    )
    assert f'<option value="{of.sha256}">' not in text


def test_a_plan_in_force_that_no_account_signed_here_is_said_to_be_so(page: Page, one: Controller) -> None:
    words = "The plan in force was not signed by accounts here: it has no page and no sheet."
    assert words in in_force(page, one, "7" * 64)


def test_a_plan_after_a_withdrawn_one_follows_it_while_a_pump_carries_it_out(
    page: Page, one: Controller
) -> None:
    ann, of = page.clinic.accounts.get("ann"), plan(rate="198 ug/day")
    assert ann is not None
    page.clinic.versions.sign_file(put_before(of), [(ann, PASSWORD)], {})
    page.clinic.versions.withdraw(of.sha256, ann)
    desk = page.desk("ann")
    begun = []
    for running in ("7" * 64, of.sha256):
        in_force(page, one, running)
        form = {"form": desk.token("/plans"), "from": "version", "sha256": of.sha256}
        key = desk.post("/plans", form).headers["location"].split("/")[2]
        draft = page.clinic.drafts.get(key)
        assert draft is not None
        begun.append(draft.fields.get("previous"))
    assert begun == [None, of.sha256]
    assert f"({of.sha256[:12]}, withdrawn)" in desk.get(f"/plans/{key}/change").text


def test_a_plan_that_was_approved_on_the_command_line_is_offered_and_loaded(
    page: Page, one: Controller
) -> None:
    ann, before = page.clinic.accounts.get("ann"), old(rate="200 ug/day")
    assert ann is not None
    of = plan(rate="205 ug/day", previous=before.sha256)
    given = Reviewed(of, load_formulary(), load_profile(of.pump), before)
    page.clinic.versions.sign_file(given, [(ann, PASSWORD)], {})
    text = in_force(page, one, before.sha256)
    assert f'<option value="{of.sha256}">T-1: test' in text
    assert f"({of.sha256[:12]}), from Friday 20 November 2026, 08:00</option>" in text
    assert "Its start must have come" in text
    ask(page.desk("ann"), one, "load", sha256=of.sha256)
    sent = one.requests()[-1]
    kept = page.clinic.place / "plans" / f"T-1-{of.sha256[:12]}.toml"
    assert (sent["do"], sent["plan"]) == ("load", str(kept))
    assert load_approval(approval_path(kept), of).authenticated
    page.clinic.versions.withdraw(of.sha256, ann)
    assert f'<option value="{of.sha256}">' not in in_force(page, one, before.sha256)


@pytest.mark.parametrize(
    ("verb", "fields", "sent"),
    [
        ("ack", {}, {}),
        (
            "refill",
            {"found": "1.5", "filled": " 40 "},
            {"found": "1.5 mL", "filled": "40 mL", "new_path": False},
        ),
        ("refill", {"found": "unknown", "new_path": "yes"}, {"found": "unknown", "new_path": True}),
        ("refill", {}, {"found": "unknown", "new_path": False}),
        ("resolve", {"command": "7f", "reason": "seen"}, {"command": "7f", "reason": "seen"}),
    ],
)
def test_what_a_form_says_goes_out_in_somebodys_name(
    page: Page, one: Controller, verb: str, fields: Mapping[str, str], sent: Mapping[str, object]
) -> None:
    ask(page.desk("ann"), one, verb, **fields, by="Somebody Else", do="stop", id="1")
    assert {**one.requests()[-1], "id": ""} == {"id": "", "do": verb, "by": "Ann Example", **sent}


def test_a_refusal_is_shown_with_its_reason(page: Page) -> None:
    why = "Refused: the lockout lasts 42 s more."
    with Controller(page.clinic.place / f"j{next(NUMBER)}", lambda _: {"exit": 3, "text": why}) as one:
        heard(page, one)
        assert ask(page.desk("ann"), one, "bolus") == f"Patient bolus: not done as asked. {why}"


@pytest.mark.parametrize(
    ("verb", "title"), [("refill", "Refill"), ("resolve", "Vouch"), ("ack", "Alarms were seen")]
)
def test_what_is_refused_in_part_is_told_in_the_controllers_words_alone(
    page: Page, verb: str, title: str
) -> None:
    why = "Noted: filled with 40 mL. The found volume is not what was expected."
    with Controller(page.clinic.place / f"j{next(NUMBER)}", lambda _: {"exit": 3, "text": why}) as one:
        heard(page, one)
        fields = {"found": "1.5", "command": "7f", "reason": "seen"}
        assert ask(page.desk("ann"), one, verb, **fields) == f"{title}: answered. {why}"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"found": "1,5", "filled": "40"}, "Found, mL: 1,5"),
        ({"found": "1.5", "filled": "4O"}, "Filled, mL: 4O"),
        ({"found": ".5", "filled": "40"}, "Found, mL: .5"),
        ({"found": "5.", "filled": "40"}, "Found, mL: 5."),
        ({"found": "\u0661", "filled": "40"}, "Found, mL: \u0661"),
        ({"found": "1.5", "filled": "unknown"}, "Filled, mL: unknown"),
    ],
)
def test_a_volume_that_is_no_figure_is_not_sent_and_stands_there_again(
    page: Page, one: Controller, fields: Mapping[str, str], said: str
) -> None:
    ann, path = page.desk("ann"), f"/pumps/{one.key}"
    token = ann.token(path, f"{path}/refill")
    text = unescape(ann.post(f"{path}/refill", {"form": token, "new_path": "yes", **fields}).text)
    assert said in text
    assert "with a point, not a comma" in text
    assert "Refill: not done as asked." in text
    assert "Nothing was sent." in text
    assert f'name="found" size="8" inputmode="decimal" value="{fields["found"]}"' in text
    assert f'name="filled" size="8" inputmode="decimal" value="{fields["filled"]}"' in text
    assert 'value="yes" checked' in text
    assert one.requests() == []


def test_what_was_typed_is_gone_when_it_was_done(page: Page, one: Controller) -> None:
    ann, path = page.desk("ann"), f"/pumps/{one.key}"
    form = {"form": ann.token(path, f"{path}/refill"), "found": "1.5", "filled": "39.5"}
    assert 'value="39.5"' not in ann.post(f"{path}/refill", form).text


@pytest.mark.parametrize(
    ("why", "kept"), [("Noted: filled with 40 mL. It is not what was expected.", False), ("Too much.", True)]
)
def test_what_was_noted_is_not_offered_a_second_time_and_what_was_refused_is_kept(
    page: Page, why: str, kept: bool
) -> None:
    with Controller(page.clinic.place / f"j{next(NUMBER)}", lambda _: {"exit": 3, "text": why}) as one:
        ann, path = page.desk("ann"), f"/pumps/{heard(page, one).key}"
        form = {"form": ann.token(path, f"{path}/refill"), "found": "1.5", "filled": "39.5"}
        assert ('value="39.5"' in ann.post(f"{path}/refill", form).text) is kept


def test_the_script_judges_a_volume_by_the_pattern_of_the_server(page: Page, one: Controller) -> None:
    assert 'id="refill" data-figure="[0-9]+([.][0-9]+)?"' in page.desk("ann").get(f"/pumps/{one.key}").text


def test_each_status_says_what_is_expected_in_the_reservoir_now(page: Page, one: Controller) -> None:
    shows(page, one, reservoir_nl={**STATUS["reservoir_nl"], "low": 9_000_000, "high": 11_500_000})
    part = page.desk("ann").get(f"/pumps/{one.key}/status").text
    assert 'data-low="9.0" data-high="11.5" data-expected="9.000 mL to 11.500 mL"' in part


def test_a_person_chooses_among_what_can_be_vouched_for(page: Page, one: Controller) -> None:
    judged = {**ALARM, "code": "over-delivery"}
    text = shows(page, one, unsettled={"id": "7f", "volume_nl": 1, "bolus_nl": 0}, alarms=[ALARM, judged])
    assert re.findall(r'<option value="([^"]*)"[^>]*>([^<]*)', text) == [
        ("7f", "command 7f"),
        ("over-delivery", "alarm over-delivery"),
    ]
    nothing = shows(page, one)
    assert '<input id="command" name="command"' in nothing
    assert "nothing waits for a person's word now" in nothing


def test_an_alarm_that_a_person_judges_makes_the_forms_out_of_date(page: Page, one: Controller) -> None:
    def asks(text: str) -> list[str]:
        return re.findall(r'class="asks" data-asks="([^"]*)"', text)

    before = asks(shows(page, one))
    assert asks(shows(page, one, alarms=[ALARM])) == before
    assert asks(shows(page, one, alarms=[{**ALARM, "code": "flow"}])) != before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("To go on: pump-ctrl resume", "On this page: Resume."),
        ("Type: pump-ctrl resume --confirm NAME AB12", "On this page: That is right: go on."),
        ("pump-ctrl resolve flow --by NAME. Then pump-ctrl resume.", "On this page: Vouch for it, Resume."),
        ("What to do: pump-ctrl status", ""),
    ],
)
def test_what_the_controller_says_to_type_is_named_as_the_button_that_does_it(
    page: Page, one: Controller, text: str, said: str
) -> None:
    shown = shows(page, one, alarms=[{**ALARM, "do": text}])
    assert re.findall(r'<span class="do">(.*?)</span>', shown) == [text, said][: 2 if said else 1]


def test_every_button_that_is_named_stands_on_the_page(page: Page, one: Controller) -> None:
    text = shows(page, one, reconciliation={"words": "", "code": "AB12"})
    for name in {*BUTTONS.values(), CONFIRM_BUTTON} - {BUTTONS["load"]}:  # there is nothing to load
        assert re.search(rf"<button[^>]*>{re.escape(name)}\b", text), name


def test_the_list_says_who_is_silent_last_and_the_bar_keeps_its_order(
    page: Page, one: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    one.status = {**STATUS, "plan": {**STATUS["plan"], "id": "A-0"}}
    until(lambda: (seen := page.house.pumps.get(one.key)) and seen.title.startswith("A-0"))
    with Controller(page.clinic.place / f"j{next(NUMBER)}") as other:
        heard(page, other)
        monkeypatch.setattr(Pumps, "look", lambda _: None)  # it would see that it has ended
        ends(page.house.pumps, one)
        page.clock.advance(3_000)
        until(lambda: (seen := page.house.pumps.get(other.key)) and not seen.silent)
        ann = page.desk("ann")
        bar = re.findall(r"/pumps/(\w+)/stop", ann.get("/stops").text)
        rows = re.findall(r'href="/pumps/(\w+)"', ann.get("/pumps/list").text)
    assert bar == [one.key, other.key]
    assert rows == [other.key, one.key]


def test_the_list_is_followed_and_looking_at_it_keeps_nobody_logged_in(page: Page, one: Controller) -> None:
    ann = page.desk("ann")
    assert 'data-list="/pumps/list"' in ann.get("/pumps").text
    part = ann.get("/pumps/list").text
    assert "<html" not in part
    assert "0 s ago" in part
    for _ in range(3):
        page.clock.advance(10 * 60_000)
        answer = ann.get("/pumps/list")
    assert (answer.status_code, answer.text) == (401, "")


def test_a_page_without_the_database_does_not_say_that_there_are_no_plans(
    page: Page, one: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = page.desk("ann")
    assert "No approved plan follows" in ann.get(f"/pumps/{one.key}").text
    monkeypatch.setattr(Store, "all", broken)
    text = ann.get(f"/pumps/{one.key}").text
    assert "The approved plans were not looked up" in text
    assert "No approved plan follows" not in text


def test_no_answer_is_not_taken_for_a_yes(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pumps_module, "ASK_PATIENCE_S", 0.05)
    with Controller(page.clinic.place / f"j{next(NUMBER)}", lambda _: None) as one:
        heard(page, one)
        assert "not known to be done" in ask(page.desk("ann"), one, "bolus")


def test_only_an_approved_plan_of_this_house_is_loaded(page: Page, one: Controller) -> None:
    said = ask(page.desk("ann"), one, "load", sha256="f" * 64, plan="/etc/passwd")
    assert "There is no approved plan of this fingerprint" in said
    assert one.requests() == []


@pytest.mark.parametrize("who", ["bob", "dan"])
def test_who_may_not_operate_looks_and_stops(page: Page, one: Controller, who: str) -> None:
    desk = page.desk(who)
    text = desk.get(f"/pumps/{one.key}").text
    assert "Your account looks and stops." in text
    assert f'action="/pumps/{one.key}/bolus"' not in text
    assert desk.post(f"/pumps/{one.key}/bolus", {}).status_code == 403
    assert desk.post(f"/pumps/{one.key}/stop", {}).status_code == 200
    assert [request["do"] for request in one.requests()] == ["stop"]


def test_a_form_of_one_pump_is_none_for_another(page: Page, one: Controller) -> None:
    with Controller(page.clinic.place / f"j{next(NUMBER)}") as other:
        heard(page, other)
        ann = page.desk("ann")
        token = ann.token(f"/pumps/{one.key}", f"/pumps/{one.key}/bolus")
        assert ann.post(f"/pumps/{other.key}/bolus", {"form": token}).status_code == 403
        assert other.requests() == []
        assert ann.get("/pumps").text.count('class="stop"') == 2


def test_what_nobody_knows_is_not_asked(page: Page, one: Controller) -> None:
    ann = page.desk("ann")
    assert ann.post(f"/pumps/{one.key}/explode", {}).status_code == 404
    assert ann.post("/pumps/0123/bolus", {}).status_code == 404
    assert ann.get(f"/pumps/{one.key}/bolus").headers["location"] == f"/pumps/{one.key}"
    assert one.requests() == []


# --- STOP -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/plans", "/pumps", "/journal", "/formulary", "/accounts", "/nowhere"])
def test_stop_stands_on_every_page_for_everybody(page: Page, one: Controller, path: str) -> None:
    for who in ("ann", "dan"):
        assert f'<form method="post" action="/pumps/{one.key}/stop">' in page.desk(who).get(path).text
    assert "/stop" not in page.desk().get("/login").text


def test_a_journal_whose_name_is_no_text_costs_neither_a_page_nor_a_stop(page: Page, one: Controller) -> None:
    """The bar with STOP stands on every page: what cannot be written in one takes all of them away."""
    one.status = {**STATUS, "journal": "/bench/\udcff.jsonl"}
    dan = page.desk("dan")
    until(lambda: (seen := page.house.pumps.get(one.key)) and "\udcff" in seen.title)
    assert "STOP <span>BENCH-1 (?.jsonl)</span>" in dan.get("/formulary").text
    assert "STOP: done." in dan.post(f"/pumps/{one.key}/stop", {}).text


def test_a_stop_spends_no_form_and_may_be_repeated(page: Page, one: Controller) -> None:
    dan = page.desk("dan")
    page.clock.advance(3 * 60_000)
    for _ in range(3):
        text = dan.post(f"/pumps/{one.key}/stop", {}).text
        assert "STOP: done.</strong> Done." in text
    assert len({request["id"] for request in one.requests("stop")}) == 3


def test_the_pages_script_gets_the_answer_alone(page: Page, one: Controller) -> None:
    answer = page.desk("dan").http.post(
        f"/pumps/{one.key}/stop", headers={"Origin": "http://127.0.0.1:8080", "Accept": "application/json"}
    )
    assert answer.json() == {"exit": 0, "text": "Done."}


def test_an_answer_with_what_is_no_text_in_it_is_told_all_the_same(page: Page) -> None:
    """The controller names its journal where that cannot be written."""
    said = {"exit": 5, "text": "Stopped. /bench/\udcff.jsonl cannot be written."}
    headers = {"Origin": "http://127.0.0.1:8080", "Accept": "application/json"}
    with Controller(page.house.clinic.place / f"j{next(NUMBER)}", lambda _: said) as one:
        heard(page, one)
        answer = page.desk("dan").http.post(f"/pumps/{one.key}/stop", headers=headers)
    assert answer.json() == said


def test_a_stop_from_another_sites_page_is_refused(page: Page, one: Controller) -> None:
    for origin in ("", "null", "http://evil.example"):
        assert page.desk("ann").post(f"/pumps/{one.key}/stop", {}, origin).status_code == 403
    assert one.requests() == []


def broken(*_: object, **__: object) -> None:
    raise JournalError("The disk is full.")


def test_a_stop_goes_out_when_nothing_can_be_written(
    page: Page, one: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    dan = page.desk("dan")
    page.clock.advance(2 * 60_000)  # so that the session would be noted anew
    monkeypatch.setattr(Store, "write", broken)
    text = unescape(dan.post(f"/pumps/{one.key}/stop", {}).text)
    assert len(one.requests("stop")) == 1
    assert "STOP: done.</strong> Done." in text
    until(lambda: page.house.pumps.trouble)
    assert "A STOP is not written down yet. The disk is full." in dan.get("/journal").text
    assert dan.get(f"/pumps/{one.key}").status_code == 200  # looking goes on too


@pytest.mark.parametrize("after_ms", [1_000, 600_000])
def test_a_stop_of_who_was_known_goes_out_when_the_database_does_not_even_answer(
    page: Page, one: Controller, monkeypatch: pytest.MonkeyPatch, after_ms: int
) -> None:
    dan = page.desk("dan")
    dan.get("/pumps")
    page.clock.advance(after_ms)
    for name in ("write", "all", "one"):
        monkeypatch.setattr(Store, name, broken)
    text = dan.post(f"/pumps/{one.key}/stop", {}).text
    assert "STOP: done." in text
    assert len(one.requests("stop")) == 1


def test_a_stop_of_nobody_known_says_that_it_was_not_sent(
    page: Page, one: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    dan = page.desk("dan")
    for name in ("write", "all", "one"):
        monkeypatch.setattr(Store, name, broken)
    text = unescape(dan.post(f"/pumps/{one.key}/stop", {}).text)
    assert "STOP was NOT sent" in text
    assert "Stop the pump by hand" in text
    assert one.requests() == []


def test_a_stop_asks_the_database_nothing_if_it_was_asked_a_moment_ago(
    page: Page, one: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    dan = page.desk("dan")
    dan.get("/pumps")
    before: list[int] = []
    real = Store.all

    def counted(self: Store, sql: str, *values: object) -> object:
        if not threading.current_thread().name.startswith("note of a STOP"):
            before.append(len(one.requests("stop")))
        return real(self, sql, *values)

    monkeypatch.setattr(Store, "all", counted)
    dan.post(f"/pumps/{one.key}/stop", {})
    assert 0 not in before
    page.clock.advance(29 * 60_000)
    dan.post(f"/pumps/{one.key}/stop", {})
    assert 1 not in before
    page.clock.advance(60_000)
    dan.post(f"/pumps/{one.key}/stop", {})
    assert 2 in before


def test_a_stop_of_who_has_logged_out_is_refused(page: Page, one: Controller) -> None:
    dan = page.desk("dan")
    assert dan.post("/logout", {"form": dan.token("/pumps", "/logout")}).status_code == 303
    assert dan.post(f"/pumps/{one.key}/stop", {}).status_code == 401
    assert one.requests() == []


def test_looking_at_a_pump_keeps_nobody_logged_in(page: Page, one: Controller) -> None:
    ann = page.desk("ann")
    for _ in range(29):
        page.clock.advance(60_000)
        assert ann.get(f"/pumps/{one.key}/status").status_code == 200
    page.clock.advance(60_000)
    assert ann.get(f"/pumps/{one.key}/status").status_code == 401
    assert ann.post(f"/pumps/{one.key}/stop", {}).status_code == 401


def answered_while_others_wait(page: Page, who: Desk, path: str, body: bytes = b"") -> Message:
    """How the answer to a post begins while as many as there are threads wait for a pump, or for a disk."""
    cookie = "; ".join(f"{name}={value}" for name, value in who.http.cookies.items())
    headers = {
        "host": "127.0.0.1:8080", "origin": "http://127.0.0.1:8080", "cookie": cookie,
        "content-type": "application/x-www-form-urlencoded",
    }  # fmt: skip
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    async def post() -> None:
        others = anyio.to_thread.current_default_thread_limiter()
        for _ in range(int(others.total_tokens)):
            others.acquire_on_behalf_of_nowait(object())
        scope = {
            "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "scheme": "http",
            "query_string": b"", "headers": [(name.encode(), text.encode()) for name, text in headers.items()],
        }  # fmt: skip
        with anyio.fail_after(5):
            await page.app.app(scope, receive, send)

    anyio.run(post)
    return sent[0]


def test_a_stop_has_threads_of_its_own(page: Page, one: Controller) -> None:
    stop = f"/pumps/{one.key}/stop"
    assert answered_while_others_wait(page, page.desk("dan"), stop)["status"] == 200
    assert len(one.requests("stop")) == 1


def test_what_is_asked_of_a_pump_takes_no_thread_from_the_other_pages(
    page: Page, ann: Desk, one: Controller
) -> None:
    """A controller that hangs is waited for long; the pages of the other pumps must not wait with it."""
    path = f"/pumps/{one.key}/ack"
    form = urlencode({"form": ann.token(f"/pumps/{one.key}", path)}).encode()
    assert answered_while_others_wait(page, ann, path, form)["status"] == 200
    assert len(one.requests("ack")) == 1
