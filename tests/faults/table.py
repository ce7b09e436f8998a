"""The faults of the safety specification that a simulated pump can show, as data, with what may come of them.

The plan is the short one of ``driver_stacks``: basal from 0, a bolus of 60 uL over 20 min due at 30 min, a higher
basal from 70 min on, a patient bolus on request. A person looks at it from ``TEND`` on, when all that was broken is
as new. Text of an event: a fault of ``pump-sim faults`` without its time, or what people and hosts do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from pump_ctrl.controller.machine import State
from tests.driver_stacks import Kind
from tests.whole_stack import HOUR, MINUTE, profile

BASAL, BOLUS = 20 * MINUTE, 35 * MINUTE  # in the basal; in the middle of the bolus
SLOT, BOLUS_END = 30 * MINUTE, 50 * MINUTE
BEFORE = SLOT - 20_000  # so that what starts the bolus is the next of its kind
TEND, END = 80 * MINUTE, 125 * MINUTE


@dataclass(frozen=True)
class Row:
    """One fault.

    ``events``: what happens when (ms). ``over_nl``: the most that may be given beyond both the plan and what the books
    call commanded; ``counts``: and three digits of the pump's counter, by which it is noticed. ``polled_nl`` stands in
    for ``over_nl`` on a pump that is asked every few hours only. ``unseen_nl``: the most that may be given and no
    counter shows; ``hidden_nl``: the most that a counter which lied may hide. ``alarms``: one of these has to be raised, where there are any. ``ends``: the states it may end in.
    ``on``: pumps (by the beginning of their name), if not all of them.
    """

    id: str
    what: str
    safe: str
    events: tuple[tuple[int, str], ...]
    over_nl: int = 100
    polled_nl: int | None = None
    counts: bool = False
    unseen_nl: int = 100
    hidden_nl: int = 0
    alarms: frozenset[str] = field(default_factory=frozenset)
    ends: tuple[State, ...] = (State.RUNNING,)
    on: str = ""

    def applies(self, kind: Kind) -> bool:
        return kind.pump.startswith(self.on)

    def most_nl(self, kind: Kind) -> int:
        """The bound of over-delivery, nL."""
        told = profile(kind.pump)
        seldom = self.polled_nl is not None and told.poll.ms > HOUR
        most = self.polled_nl if seldom and self.polled_nl is not None else self.over_nl
        return most + (3 * told.counter_unit.nl if self.counts else 0)


def _one(at: int, what: str) -> tuple[tuple[int, str], ...]:
    return ((at, what),)


_SILENCE = frozenset({"silence", "unsettled", "refused", "bolus-missed", "stop-unknown"})
_TOO_MUCH = frozenset({"over-delivery"})
_TOO_LITTLE = frozenset({"disagreement", "under-delivery", "stalled"})
# A pump that runs ten times as fast as told is found at the next poll, and its wire has 2 s to carry the STOP.
_POLL_MS = 17_000  # a poll and the STOP after it
_SLOT_AHEAD_MS = SLOT - BASAL + 4_000  # when a pump that is asked seldom is asked next
_TEN_TIMES_NL = 9 * 12_500 * _POLL_MS // HOUR + 100
_OF_ITS_OWN_NL = 90_000 * _POLL_MS // HOUR + 100

ROWS: Final = (
    Row(
        "F-01",
        "reply to the start of the bolus lost",
        "found out by evidence; never sent again",
        _one(BEFORE, "lose-reply:type=commit"),
    ),
    Row(
        "F-01",
        "all replies lost for a minute from the start of the bolus on",
        "unsettled until it answers",
        _one(BEFORE, "lose-reply:type=any,count=40"),
        alarms=_SILENCE,
    ),
    Row(
        "F-02", "start of the bolus lost", "not given only by proof", _one(BEFORE, "lose-request:type=commit")
    ),
    Row(
        "F-03 F-04",
        "start of the bolus arrives twice, 1 s apart",
        "one bolus",
        _one(BEFORE, "duplicate-request:type=commit,by=1s"),
    ),
    Row(
        "F-05",
        "an older reply instead of that to the start",
        "not believed",
        _one(BEFORE, "replay-reply:type=commit,back=3"),
    ),
    Row(
        "F-06",
        "every request arrives twice for a while",
        "harmless: set, read back, run once",
        _one(BEFORE, "duplicate-request:type=any,count=60,by=30ms"),
    ),
    Row(
        "F-07",
        "every reply arrives twice for a while",
        "ignored",
        _one(BEFORE, "duplicate-reply:type=any,count=60"),
    ),
    Row(
        "F-08",
        "start of the bolus arrives 0.9 s late",
        "unsettled, then proved",
        _one(BEFORE, "delay-request:type=commit,by=900ms"),
    ),
    Row(
        "F-08",
        "reply to the start arrives 3 s late",
        "unsettled, then proved",
        _one(BEFORE, "delay-reply:type=commit,by=3s"),
    ),
    Row(
        "F-09",
        "start of the bolus overtaken by a STOP",
        "stopped, or refused",
        ((BEFORE, "reorder:type=commit"), (SLOT + 3_000, "stop")),
    ),
    Row(
        "F-10",
        "a bit of the start flipped",
        "refused or never seen",
        _one(BEFORE, "corrupt-request:type=commit,byte=5,mask=4"),
    ),
    Row(
        "F-11",
        "a bit of the reply to the start flipped",
        "as a lost reply",
        _one(BEFORE, "corrupt-reply:type=commit,byte=3,mask=16"),
    ),
    Row(
        "F-12",
        "bits of what is told flipped under a right check sum",
        "read back, not started",
        _one(BEFORE, "corrupt-request:type=propose,nth=2,byte=7,mask=4,crc=repair"),
    ),
    Row(
        "F-13",
        "a request cut short",
        "nothing of it is done",
        _one(BEFORE, "truncate-request:type=propose,nth=2,keep=5"),
    ),
    Row("F-13", "a reply cut short", "as a lost reply", _one(BEFORE, "truncate-reply:type=commit,keep=3")),
    Row(
        "F-14",
        "the line babbles",
        "bounded; nothing believed",
        _one(BEFORE, "garbage:hex=7e01ff02413e11,times=4000"),
    ),
    Row(
        "F-15",
        "every status as the one before, for 15 min",
        "stopped, or held",
        _one(BASAL, "status-stuck:for=15min"),
    ),
    Row(
        "F-16",
        "an old status instead of a new one",
        "no news",
        _one(BASAL, "replay-reply:type=status,back=40,count=2"),
        on="implant",
    ),
    Row(
        "F-17",
        "writes work and reads never, from the basal on",
        "the run ends by itself",
        _one(BASAL, "lose-reply:type=any,count=0"),
        alarms=_SILENCE,
    ),
    Row(
        "F-18",
        "link lost in the bolus, for 10 min",
        "no new dose; the pump ends what it runs",
        _one(BOLUS, "silence:for=10min"),
    ),
    Row(
        "F-21",
        "pump resets in the bolus",
        "closed by what is known, never resumed",
        _one(BOLUS, "power-loss"),
        alarms=frozenset({"pump-reset", "refused", "bolus-missed", "disagreement", "stalled"}),
    ),
    Row(
        "F-21 F-68",
        "pump without power for 10 min in the bolus",
        "closed, never resumed",
        _one(BOLUS, "power-loss:for=10min"),
    ),
    Row(
        "F-22",
        "pump resets in the bolus and goes on by itself",
        "stopped; what flows is counted",
        _one(BOLUS, "resume-after-reset"),
        over_nl=1_000,
        counts=True,
    ),
    Row(
        "F-23",
        "pump resets and runs at a rate of its own",
        "stopped at the next look",
        _one(BASAL, "power-loss:then_nl_per_h=90000"),
        over_nl=_OF_ITS_OWN_NL,
        counts=True,
    ),
    Row(
        "F-11 F-23",
        "the same, and what it says of the reset by itself is lost",
        "stopped at the next look",
        ((BASAL, "lose-reply:type=alarm"), (BASAL, "power-loss:then_nl_per_h=90000")),
        over_nl=_OF_ITS_OWN_NL,
        polled_nl=90_000 * _SLOT_AHEAD_MS // HOUR + 200,
        counts=True,
    ),
    Row(
        "F-24",
        "counter falls to zero",
        "a new baseline; nothing is taken back; where nobody asks for long, a disagreement",
        _one(BASAL, "counter-reset:value_nl=0"),
        hidden_nl=4_100,  # what it had counted by then
    ),
    Row(
        "F-26",
        "counter runs and nothing flows, for 30 min",
        "upper bound by the counter; only a balance can tell",
        _one(BASAL, "counter-stuck:for=30min"),
    ),
    Row(
        "F-27",
        "motor stalls, and the pump sees it",
        "stopped, alarm, no make-up",
        _one(BASAL, "stall"),
        alarms=_TOO_LITTLE | {"refused"},
    ),
    Row(
        "F-27",
        "motor stalls, and the pump does not see it",
        "alarm; nothing made up",
        _one(BASAL, "stall:silent=1"),
        alarms=_TOO_LITTLE,
    ),
    Row(
        "F-28",
        "a stall clears and the pump catches up",
        "counted; over the plan's rate it is stopped",
        ((BASAL, "stall:silent=1"), (BASAL + 6 * MINUTE, "stall-clear:catch_up=1")),
    ),
    Row(
        "F-29",
        "pump runs ten times as fast as told",
        "stopped at the next look",
        _one(BASAL, "runaway:factor=10"),
        over_nl=_TEN_TIMES_NL,
        polled_nl=9 * 12_500 * _SLOT_AHEAD_MS // HOUR + 200,
        counts=True,
        alarms=_TOO_MUCH,
    ),
    Row(
        "F-29",
        "pump gives half as much again as it counts",
        "counted as commanded; only a balance can tell",
        _one(BASAL, "over-infusion:gain_ppm=1500000"),
        unseen_nl=60_000,
    ),
    Row(
        "F-30",
        "STOP is not obeyed, and the pump says so",
        "repeated, alarm, run ends by itself",
        ((BOLUS - 1, "stop-ignored:reply=honest"), (BOLUS, "stop")),
        alarms=frozenset({"stop-unknown"}),
    ),
    Row(
        "F-30 F-63",
        "STOP is not answered",
        "repeated until it is",
        ((BOLUS - 1, "stop-ignored:reply=silent"), (BOLUS, "stop")),
        alarms=frozenset({"stop-unknown"}),
    ),
    Row(
        "F-31",
        "fluid runs out by itself at 0.2 mL/h for 10 min",
        "no counter shows it: a residual risk without a balance",
        ((BASAL, "free-flow:nl_per_h=200000,for=10min"),),
        unseen_nl=200_000 // 6 + 100,
    ),
    Row(
        "F-33",
        "line blocked for 20 min, pump keeps turning",
        "counted in full; latent in the line",
        _one(BASAL, "occlusion:for=20min"),
    ),
    Row(
        "F-34",
        "line blocked, then cleared",
        "what comes out at once was counted",
        ((BASAL, "occlusion"), (BASAL + 5 * MINUTE, "occlusion-clear")),
    ),
    Row(
        "F-35",
        "nothing left to draw",
        "never more than was filled; no make-up",
        _one(BASAL, "empty:left_nl=2000"),
    ),
    Row(
        "F-42",
        "wall clock 1 h back",
        "alarm; nothing moves",
        _one(BASAL, "wall -1h"),
        alarms=frozenset({"wall-clock"}),
    ),
    Row(
        "F-43",
        "wall clock 24 h ahead",
        "alarm; nothing moves",
        _one(BASAL, "wall 24h"),
        alarms=frozenset({"wall-clock"}),
    ),
    Row(
        "F-44 F-60",
        "host stands still for 40 min in the bolus",
        "the pump ends what it runs",
        _one(BOLUS, "freeze 40min"),
    ),
    Row(
        "F-46",
        "host reboots in the basal",
        "waits; no age counted until a person says",
        _one(BASAL, "reboot"),
    ),
    Row(
        "F-46 F-60",
        "host reboots in the bolus, 10 min off",
        "waits; the bolus counts in full",
        _one(BOLUS, "reboot 10min"),
    ),
    Row(
        "F-47",
        "pump's clock 5 % fast",
        "host's time only",
        _one(0, "clock-drift:ppm=50000"),
        counts=True,
        ends=(State.RUNNING, State.READY),
    ),
    Row(
        "F-56 F-57",
        "patient presses 200 times in 20 s",
        "one bolus",
        tuple((5 * MINUTE + i * 100, "press") for i in range(200)),
    ),
    Row(
        "F-63",
        "reply to a STOP in the bolus lost",
        "sent again until it is acknowledged",
        ((BOLUS - 15_000, "lose-reply:type=stop"), (BOLUS, "stop")),
    ),
    Row("F-64", "STOP as the bolus ends", "one bolus, whichever is first", _one(BOLUS_END + 1_000, "stop")),
    Row(
        "F-65",
        "bolus stopped, then resumed",
        "the rest of it is never given",
        ((BOLUS, "stop"), (BOLUS + 5 * MINUTE, "resume")),
    ),
    Row(
        "F-68",
        "battery dies in the bolus",
        "all of it counts",
        _one(BOLUS, "battery-dead"),
        alarms=frozenset({"failed"}),
        ends=(State.FAULT,),
        on="implant",
    ),
)

# Where the guard's bound is below the truth, or a window at the tip holds more than it counts, and why.
BELOW: Final = {
    "pump resets and runs at a rate of its own": "until the next look; a counter of a new session is a new baseline",
    "counter falls to zero": "within a session the reference protocol promises a counter that never falls",
    "a stall clears and the pump catches up": "it comes later than its step; the sum is counted",
    "pump gives half as much again as it counts": "no counter shows it (docs/safety/hazards.md, HZ-05)",
    "fluid runs out by itself at 0.2 mL/h for 10 min": "no counter shows it (docs/safety/hazards.md, HZ-05)",
    "line blocked for 20 min, pump keeps turning": "what was held comes at once, later than it is counted (HZ-07)",
    "line blocked, then cleared": "what was held comes at once, later than it is counted (HZ-07)",
}

# What is none of a running pump, or needs more than one, and the tests that show its response.
ELSEWHERE: Final = {
    "F-19": (
        "tests/unit/test_harvard_connect.py::test_another_pump_on_the_line_gets_nothing_until_the_first_is_back",
        "tests/safety/test_rule_limits.py::test_another_pump_on_the_same_port_gets_nothing_and_the_right_one_does_again",
    ),
    "F-20": ("tests/wire/test_link_pty.py::test_a_second_controller_is_told_which_process_has_the_port",),
    "F-25": (
        "tests/unit/test_new_era_meter.py::test_a_roll_over_that_can_have_been_goes_on_counting",
        "tests/unit/test_new_era_meter.py::test_a_fall_that_nothing_explains_is_a_new_life_and_no_credit",
    ),
    "F-32": ("tests/unit/test_new_era_driver.py::test_fluid_that_the_pump_drew_in_is_told",),
    "F-36": ("tests/unit/test_live_filling.py::test_a_refill_that_is_off_stops_the_pump_and_latches",),
    "F-37": (
        "tests/unit/test_volumes.py::"
        "test_a_residual_of_stronger_fluid_makes_the_new_fluid_stronger_than_its_label",
    ),
    "F-38": (
        "tests/unit/test_units.py::test_a_wrong_unit_or_a_value_out_of_range_is_refused_with_what_is_allowed",
    ),
    "F-39": (
        "tests/unit/test_units.py::test_what_is_not_digits_a_point_a_blank_and_a_unit_is_refused",
        "tests/safety/test_limits.py::test_no_number_may_be_anything_but_a_whole_number_from_0_on",
    ),
    "F-40": (
        "tests/safety/test_rule_malformed.py::test_a_volume_that_is_no_whole_number_of_steps_is_refused",
    ),
    "F-41": (
        "tests/unit/test_totals.py::test_hourly_cuts_with_a_100_nl_step_do_not_drift_in_90_days",
        "tests/properties/test_long_run.py::test_a_healthy_pump_is_exact_after_seven_years",
    ),
    "F-45": (
        "tests/unit/test_dose_path_rules.py::test_d16_each_slot_is_given_once_though_plan_time_goes_back_over_it",
    ),
    "F-48": (
        "tests/faults/test_kill_every_exchange.py::"
        "test_a_death_at_some_exchanges_gives_no_bolus_twice_and_forgets_none",
        "tests/crash/test_crash_matrix.py::test_every_point_of_every_cell_comes_to_what_the_table_says",
    ),
    "F-49": (
        "tests/unit/test_journal_damage.py::test_a_last_record_torn_at_any_byte_is_dropped_and_the_drop_recorded",
    ),
    "F-50": ("tests/unit/test_journal_damage.py::test_an_edited_byte_anywhere_is_refused",),
    "F-51": ("tests/unit/test_live_desk.py::test_a_stop_goes_out_with_a_full_disk_and_says_so",),
    "F-52": ("tests/unit/test_journal_disk.py::test_the_first_failure_to_write_stands_for_good",),
    "F-53": (
        "tests/safety/test_guard.py::test_a_journal_restored_from_an_older_copy_is_raised_to_the_pumps_counter",
    ),
    "F-54": (
        "tests/unit/test_journal_damage.py::"
        "test_a_head_file_that_is_missing_garbled_or_of_another_journal_is_refused",
        "tests/safety/test_rule_limits.py::"
        "test_nobody_confirms_while_another_pump_answers_and_the_journal_keeps_its_own",
    ),
    "F-55": ("tests/safety/test_rule_limits.py::test_a_file_that_is_no_limits_file_denies_and_says_why",),
    "F-58": (
        "tests/safety/test_rule_inhibition.py::"
        "test_acknowledging_opens_nothing_while_the_condition_holds_nor_does_its_end_before_the_ack",
    ),
    "F-59": (
        "tests/safety/test_rule_inhibition.py::test_a_less_urgent_alarm_under_a_worse_one_still_forbids",
    ),
    "F-61": (
        "tests/safety/test_rule_malformed.py::"
        "test_an_object_that_shows_other_steps_the_next_time_it_is_asked_is_no_request",
        "tests/safety/test_guard.py::test_a_permit_that_is_not_sent_within_2_s_is_void",
    ),
    "F-62": ("tests/safety/test_guard.py::test_two_requests_that_each_fit_alone_do_not_fit_together",),
    "F-66": ("tests/unit/test_load.py::test_a_load_during_a_bolus_waits_for_its_end",),
    "F-67": (
        "tests/safety/test_guard.py::test_a_stop_request_is_seen_before_the_rules_and_again_after_the_intent",
        "tests/safety/test_rule_inhibition.py::"
        "test_an_alarm_raised_while_the_intent_is_judged_is_seen_by_the_next_request",
    ),
    "F-69": ("tests/properties/test_thirty_days.py::test_thirty_days_of_everything_at_once",),
    "F-70": (
        "tests/safety/test_rule_bolus_window.py::"
        "test_what_ended_just_a_window_ago_counts_no_more_and_a_millisecond_less_does",
    ),
}
