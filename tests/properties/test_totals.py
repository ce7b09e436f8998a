"""|commanded + missed - planned| stays under one pump step, whatever is asked, cut, late or lost."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from pump_ctrl.controller.runs import Limits, chain
from pump_ctrl.controller.totals import Run, Totals
from tests.toy_pace import DAY, FLEX, HOUR, ToyPace

STEP = 100
LIMITS = Limits(step_nl=STEP, max_nl_per_h=1_000_000, max_steps=13)
PACES = st.sampled_from(
    [FLEX, ToyPace((0, 48_000)), ToyPace((0, 400_001)), ToyPace((0, 120_000), (3 * HOUR, 600_000))]
)
WAITS = st.sampled_from([1, 777, 60_000, HOUR - 1, HOUR, 5 * HOUR, DAY, DAY + 1])
WORDS = st.tuples(st.sampled_from(["basal", "bolus", "stop", "idle", "skip"]), WAITS, st.integers(-2, 0))


@given(PACES, st.lists(WORDS, max_size=40))
def test_the_residual_is_always_less_than_one_step_and_missed_is_the_sum_of_the_gaps(
    pace: ToyPace, words: list[tuple[str, int, int]]
) -> None:
    totals, now, gaps = Totals(STEP), 0, Fraction(0)
    for word, wait, jitter in words:
        now += wait
        given_nl = 0
        if totals.run is not None:
            most = totals.run.delivered_by(now, STEP)
            given_nl = max(0, min(most, totals.run.delivered_by(now, STEP) + jitter * STEP))
        run = totals.run
        in_bolus = run is not None and bool(run.spans[0].bolus) and now < run.spans[0].to_ms
        if word == "stop" or (in_bolus and word in {"basal", "bolus"}):  # nothing replaces a bolus but STOP
            new = totals.cut(now, given_nl, "stopped")
        elif word == "idle":
            new = totals.idle(now, pace, "paused")
        elif word == "skip":
            new = (totals.skip(now, now, Fraction(1_234, 7), "refused"),)
        else:
            if totals.run is None:
                gaps += sum((gap.volume for gap in totals.idle(now, pace, "paused")), Fraction(0))
            cut = 0 if totals.run is None else totals.run.delivered_by(now, STEP)
            carried = totals.residual_at(now, cut)
            bolus = (600_000, Fraction(20_001, 2)) if word == "bolus" else None
            spans, lost = chain(pace, now, now + DAY, bolus, carried, LIMITS)
            new = totals.grant(Run("x", word, "stage-0", tuple(spans), pace, cut, lost), given_nl)
        gaps += sum((gap.volume for gap in new), Fraction(0))
        # the basal beside a bolus is missed as the run is granted; its gap is named when the run ends
        beside = totals.run.missed_until(totals.run.to_ms) if totals.run is not None else Fraction(0)
        assert totals.missed == gaps + beside
        assert -STEP < totals.residual < STEP
        planned, commanded, missed = totals.at(now, pace)
        assert abs(planned - commanded - missed) < STEP
