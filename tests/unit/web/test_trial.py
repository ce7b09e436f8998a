"""A plan tried out: one at a time, in a process that is ended if it hangs; a result is of exactly one plan."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from pathlib import Path

import pytest

from pump_ctrl.clinic import Reviewed
from pump_ctrl.errors import NotAllowed
from pump_ctrl.therapy.formulary import load_formulary
from pump_ctrl.therapy.plan import DosingPlan
from pump_ctrl.therapy.profiles import load_profile
from pump_ctrl.web.entry.draft import fields_of
from pump_ctrl.web.trial import KEPT, Trials
from tests.unit.review_bench import after, old, plan
from tests.unit.web.kit import Desk, Page
from tests.unit.web.test_finish import Case, fresh, hidden, words

RESULT = {
    "pump": {"name": "implant-40"},
    "volume_nl": {"planned": 12_000_000, "delivered": 11_999_900, "missed": 2_000},
    "drugs": [
        {
            "name": "baclofen", "planned_ng": 12_000_000, "delivered_ng": 11_999_900, "at_tip_ng": 11_999_900,
            "windows": [{"hours": 24, "truth_ng": 400_000, "limit_ng": 417_335}],
        }
    ],
    "boluses": [{"outcome": "delivered"}, {"outcome": "denied"}],
    "alarms": [{"code": "reservoir-low", "priority": "medium", "raised_at_s": 864_000}],
    "violations": [],
}  # fmt: skip
# What stands for ``pump-ctrl``: it gets the words of ``simulate``, the drawing's file after --plot.
DRAWS = """
import json, pathlib, sys
pathlib.Path(sys.argv[sys.argv.index("--plot") + 1]).write_text("<svg/>")
print({result!r})
"""


def program(script: str) -> tuple[str, ...]:
    return sys.executable, "-S", "-c", script


def given(of: DosingPlan | None = None, before: DosingPlan | None = None) -> Reviewed:
    found = of or plan()
    return Reviewed(found, load_formulary(), load_profile(found.pump), before)


def draws(**more: object) -> tuple[str, ...]:
    return program(DRAWS.format(result=json.dumps({**RESULT, **more})))


def test_a_plan_runs_thirty_days_on_its_pump_and_is_drawn() -> None:
    trial = asyncio.run(Trials().run(given(plan(title="<script>")), None))
    assert trial.failed == ""
    assert trial.result is not None
    assert (trial.result["duration_s"], trial.result["violations"]) == (30 * 86_400, [])
    assert trial.result["drugs"][0]["planned_ng"] == 30 * 400_000
    assert trial.drawing.startswith("<svg")
    assert "<script" not in trial.drawing


def test_a_plan_that_the_simulator_refuses_says_why_and_names_no_file_of_ours() -> None:
    trial = asyncio.run(Trials().run(given(plan(rate="2001 ug/day")), None))
    assert trial.result is None
    assert "2.001 mg" in trial.failed
    assert "/tmp" not in trial.failed
    assert "Traceback" not in trial.failed


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("", "ended without a result (exit code 0)"),
        ("raise ValueError('x')", "ended without a result (exit code 1)"),
        ("print('no json')", "ended without a result"),
        (DRAWS.format(result="no json"), "ended without a result"),
        ("import os; os.abort()", "ended without a result (exit code -6)"),
    ],
)
def test_a_process_without_a_result_is_told_as_that(script: str, why: str) -> None:
    trial = asyncio.run(Trials(program(script)).run(given(), None))
    assert why in trial.failed
    assert "Traceback" not in trial.failed


def test_a_process_that_hangs_is_ended_and_another_may_run() -> None:
    async def both() -> None:
        trials = Trials(
            program("import os, time; print(os.getpid(), flush=True); time.sleep(600)"), longest_s=0.3
        )
        began = time.monotonic()
        trial = await trials.run(given(), None)
        assert trial.failed == "The simulation took longer than 0.3 s, and was ended."
        assert time.monotonic() - began < 60
        await trials.run(given(), None)

    asyncio.run(both())


def test_a_process_whose_asker_goes_away_is_ended(tmp_path: Path) -> None:
    sign = tmp_path / "pid"
    script = (
        f"import os, time, pathlib; pathlib.Path({str(sign)!r}).write_text(str(os.getpid())); time.sleep(600)"
    )

    async def ask() -> int:
        task = asyncio.ensure_future(Trials(program(script)).run(given(), None))
        while not (sign.exists() and sign.read_text()):
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return int(sign.read_text())

    pid = asyncio.run(ask())
    assert not Path(f"/proc/{pid}").exists()


def test_one_runs_at_a_time_and_another_is_told_to_wait() -> None:
    async def both() -> None:
        trials = Trials(draws())
        first = asyncio.ensure_future(trials.run(given(), None))
        await asyncio.sleep(0)
        with pytest.raises(NotAllowed, match="another simulation runs"):
            await trials.run(given(), None)
        assert (await first).failed == ""
        assert (await trials.run(given(), None)).failed == ""

    asyncio.run(both())


def test_a_result_is_shown_for_its_own_plan_and_plan_in_force_only() -> None:
    trials = Trials(draws())
    new, before = after(old(rate="390 ug/day"))
    kept = asyncio.run(trials.run(given(new, before), None))
    assert trials.last(given(new, before)) is kept
    assert trials.last(given(new)) is None
    assert trials.last(given(plan(rate="399 ug/day"))) is None


def test_only_the_last_results_are_kept() -> None:
    trials = Trials(draws())
    plans = [plan(id=f"T-{n}") for n in range(KEPT + 1)]
    for each in plans:
        asyncio.run(trials.run(given(each), None))
    assert [trials.last(given(each)) is not None for each in plans] == [False] + [True] * KEPT


# --- on the page -----------------------------------------------------------------------------------------------------


def tried(
    page: Page, ann: Desk, program: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> tuple[Case, str]:
    monkeypatch.setattr(page.house.trials, "_program", program)
    case = Case(page, fresh())
    action = f"/plans/{case.draft.key}/try"
    answer = ann.post(action, {"form": ann.token(case.finish, f"{action}#try")})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{case.finish}#try")
    return case, words(ann.get(case.finish))


def test_the_result_is_on_the_page_in_figures_and_drawn_and_stays_there(
    page: Page, ann: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, text = tried(page, ann, draws(), monkeypatch)
    assert "✔ 30 days simulated: no limit was passed." in text
    assert "baclofen 12 mg 12 mg 12 mg" in text
    assert "baclofen 24 h 400 ug 417.3 ug" in text
    assert "Boluses 2, of which 1 delivered; 0.002 mL of what was planned was missed" in text
    assert "Alarms reservoir-low (medium) after 10 d" in text
    assert "Refill by Tuesday 23 February 2027" in text
    refused = case.sign(ann, password="not it at all")
    assert "✔ 30 days simulated" in words(refused)
    assert hidden(refused, "reason:start-soft:baclofen")


def test_a_violation_is_on_the_page_and_is_no_good_result(
    page: Page, ann: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, text = tried(page, ann, draws(violations=["I3 at 600 s: more than the limit"]), monkeypatch)
    assert "1 invariant was violated: I3 at 600 s: more than the limit" in text
    assert "no limit was passed" not in text


def test_the_page_answers_while_a_plan_is_tried_out(
    page: Page, ann: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    script = f"import time, pathlib\nwhile not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)\n"
    monkeypatch.setattr(page.house.trials, "_program", program(script))
    case, eve = Case(page, fresh()), page.desk("eve")
    action = f"/plans/{case.draft.key}/try"
    form = {"form": ann.token(case.finish, f"{action}#try")}
    other = {"form": eve.token(case.finish, f"{action}#try")}
    slow = threading.Thread(target=ann.post, args=(action, form))
    slow.start()
    try:
        while not page.house.trials._busy:
            time.sleep(0.01)
        assert eve.get("/plans").status_code == 200
        refused = eve.post(action, other)
        assert refused.status_code == 409
        assert "another simulation runs" in words(refused)
    finally:
        go.touch()
        slow.join()
    assert "ended without a result (exit code 0)" in words(ann.get(case.finish))


def test_an_incomplete_plan_is_not_tried_out(page: Page, ann: Desk) -> None:
    fields = {name: text for name, text in fields_of(plan()).items() if name != "basal.rate"}
    draft = page.clinic.drafts.new("ann", fields)
    account = page.clinic.sessions.of(ann.http.cookies["pump_ctrl_session_8080"])
    assert account is not None
    token = page.clinic.sessions.form(account, f"try {draft.key}")
    answer = ann.post(f"/plans/{draft.key}/try", {"form": token})
    assert answer.status_code == 409
    assert "Nothing to try out: the plan is not complete." in words(answer)
