"""What ``run``, ``status`` and ``watch`` say: one line for each thing that a person cares about.

Layer      cli. Words only; every figure is the controller's.
Hazard     a sentence that a tired person reads the wrong way round.
Invariant  times are the plan's own wall clock, the month a word; what is not known is never told as known.
Tests      tests/unit/test_cli_run.py, tests/unit/test_cli_restart.py
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from pump_ctrl.cli.second_text import power_cut_line, seen_line, witness_rows
from pump_ctrl.cli.text import indented, pairs
from pump_ctrl.figures import date, length, local, ml
from pump_ctrl.journal import Record
from pump_ctrl.live.advice import advice
from pump_ctrl.live.outcome import busy_words, why
from pump_ctrl.safety.alarms import ROWS
from pump_ctrl.safety.ask import readable

if TYPE_CHECKING:  # who asks for a status need not wait for the reader of plans
    from pump_ctrl.live.order import Parting
    from pump_ctrl.therapy.plan import DosingPlan

Status = Mapping[str, Any]
STATES: Final = {
    "WAITING": "waits until a person has confirmed what was given; nothing new is given",
    "READY": "may deliver; nothing runs at this moment",
    "RUNNING": "the basal runs",
    "BOLUS": "a bolus runs, then the basal",
    "PRIMING": "a prime runs, nothing else",
    "UNCERTAIN": "the outcome of a command is not known; nothing new is given until the pump has told it",
    "PAUSED": "paused; nothing new is given until: pump-ctrl resume",
    "STOPPED": "the pump was told to stop; nothing new is given until: pump-ctrl resume",
    "FAULT": "an alarm forbids delivery; nothing new is given until its cause is gone, then: pump-ctrl ack, and "
    "pump-ctrl resume",
}
NOT_TAKEN: Final = {"busy": " (it may still listen to a controller before this one; it is asked again)"}
WORTH_NL: Final = 100  # a gap of less than a pump's step is in the sums, and worth no line


class Times:
    """UTC as the plan's wall clock."""

    def __init__(self, offset_ms: int) -> None:
        self._offset_ms = offset_ms

    def full(self, utc_ms: int) -> str:
        """``Sunday 22 November 2026 16:05``."""
        at = local(utc_ms, self._offset_ms)
        return f"{date(at)} {at:%H:%M}"

    def short(self, utc_ms: int) -> str:
        """``22 Nov 16:05:09``."""
        at = local(utc_ms, self._offset_ms)
        return f"{at.day:>2} {at:%b %H:%M:%S}"


# --- records ------------------------------------------------------------------------------------------------


class Lines:
    """Turns records into lines; most records are nobody's concern and give none."""

    def __init__(self, times: Times) -> None:
        self._times = times

    def of(self, record: Record) -> list[str]:
        """The line of a record, or none."""
        return self.of_parts(record.kind, record.utc_ms, record.data)

    def of_parts(self, kind: str, utc_ms: int, data: Mapping[str, Any]) -> list[str]:
        """The same of its parts."""
        tell = _TOLD.get(kind)
        text = "" if tell is None else tell(data)
        return [f"{self._times.short(utc_ms)}  {text}"] if text else []


def _state(data: Mapping[str, Any]) -> str:
    return f"{data['state']}: {STATES.get(data['state'], '')}"


def _intent(data: Mapping[str, Any]) -> str:
    volume = sum(step[1] for step in data["steps"])
    lasts = length(sum(step[2] for step in data["steps"]))
    if data["purpose"] in ("patient", "scheduled"):
        bolus = data["steps"][0]
        then = ", then basal" if len(data["steps"]) > 1 else ""
        what = f"{data['purpose']} bolus of {ml(bolus[1] - bolus[3])} in {length(bolus[2])}{then}"
    else:
        what = f"{data['purpose']} of {ml(volume)}"
    return f"Telling the pump: {what}; it then stops by itself after {lasts} if it hears no more"


def _outcome(data: Mapping[str, Any]) -> str:
    if data["what"] == "unknown":
        return f"NOT KNOWN whether the pump took it: {data['detail']}. It counts as given (command {data['id']:x})"
    if data["what"] == "acked":
        return ""
    return f"The pump did not take it: {data['code']}{NOT_TAKEN.get(data['code'], '')}"


def _evidence(data: Mapping[str, Any]) -> str:
    if data["what"] == "not-given":
        return f"The pump proves that command {data['id']:x} was not carried out: {data['why']}"
    return f"The pump tells that command {data['id']:x} was carried out"


def _bolus(data: Mapping[str, Any]) -> str:
    kind, outcome = data["kind"], data["outcome"]
    if outcome == "delivered":
        return f"The {kind} bolus is given: {ml(data['delivered_nl'])}"
    if outcome == "interrupted":
        return (
            f"The {kind} bolus was INTERRUPTED: {ml(data['delivered_nl'])} of {ml(data['volume_nl'])} given; the "
            "rest is not made up"
        )
    if outcome == "unknown":
        return f"It is NOT KNOWN how much of the {kind} bolus was given: {data['reason']}"
    return f"The {kind} bolus was {outcome.upper()}: {why(data)}"


def _alarm(data: Mapping[str, Any]) -> str:
    code, row = data["code"], ROWS.get(data["code"])
    if data["what"] == "gone":
        return f"The cause of alarm {code} has gone; it stays until somebody types: pump-ctrl ack"
    if data["what"] == "acknowledged":
        return f"Alarm {code} was seen by {data['by']}"
    priority = "" if row is None else f", {row.priority.value} priority"
    condition = "" if row is None else f": {row.condition}"
    detail = f" ({readable(data['detail'])})" if data["detail"] else ""
    return f"ALARM {code}{priority}{condition}{detail}. {advice(code)}"


def _reminder(data: Mapping[str, Any]) -> str:
    code, row = data["code"], ROWS[data["code"]]
    holds = "" if data["holds"] else ", its cause has gone"
    head = f"STILL NOT SEEN BY ANYBODY, for {length(data['age_ms'])}{holds}"
    return f"{head}: ALARM {code}, {row.priority.value} priority: {row.condition}. {advice(code, holds=data['holds'])}"


def _missed(data: Mapping[str, Any]) -> str:
    volume, lasted = Fraction(data["nl"]), length(data["to_ms"] - data["from_ms"])
    if volume < WORTH_NL:
        return ""
    return f"Missed, and not made up: {ml(volume)} over {lasted} ({data['why']})"


def _stop(data: Mapping[str, Any]) -> str:
    said = {"acked": "the pump confirmed it", "refused": "the pump REFUSED it"}.get(
        data["what"], "the pump did NOT confirm it; it is sent again"
    )
    return f"STOP ({data['why']}): {said}"


_TOLD: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = MappingProxyType(
    {
        "state": _state,
        "intent": _intent,
        "outcome": _outcome,
        "evidence": _evidence,
        "bolus": _bolus,
        "alarm": _alarm,
        "reminder": _reminder,
        "missed": _missed,
        "stop": _stop,
        "power-cut": power_cut_line,
        "seen": seen_line,
        "console": lambda data: f"Asked: {data['do']} ({data['id']})",
        "told": lambda data: f"Answered: {data['text'].splitlines()[0]}" if data["exit"] else "",
        "refill": lambda data: f"Filled by {data['by']}: at most {ml(data['fill_nl'])} in the reservoir",
        "vouched": lambda data: (
            f"{data['by']} vouches that the cause of {data['code']} is gone: {data['reason']}"
        ),
        "resolve": lambda data: f"Command {data['id']:x} resolved by {data['by']}: {data['reason']}",
        "confirm": lambda data: f"Confirmed by {data['by']} (code {data['code']})",
        "loaded": lambda data: f"Another plan is in force: {data['plan'][:12]}..., loaded by {data['by']}",
        "torn": lambda data: (
            f"The last record was torn by a crash and dropped ({data['bytes']} bytes); its command "
            "was never sent"
        ),
    }
)


# --- start and end ------------------------------------------------------------------------------------------


def found_lines(status: Status, plan: DosingPlan, journal: Path) -> list[str]:
    """What a start found: given, may have been given, and what to type next."""
    found = status["reconciliation"]
    if found is None:
        again = f"pump-ctrl status --journal {shlex.quote(str(journal))}"
        return [*_state_lines(status), f"Ask it in another terminal: {again}"]
    times = Times(plan.utc_offset_ms)
    lines = [
        "The controller was started again. Before anything new is given, a person has to confirm this:",
        "",
    ]
    lines += indented(found["words"].splitlines())
    lines += ["", *_runs_now(status, times), *_busy_lines(status)]
    if status["unsettled"] is not None:
        lines += _unsettled_lines(status)
    return [*lines, "If that is right, type in another terminal:", f"  {_confirm_command(status, journal)}"]


def changed_lines(status: Status, journal: Path) -> list[str]:
    """What has to be confirmed now, after the words that were printed before are no more true."""
    words = status["reconciliation"]["words"].splitlines()
    return [
        "",
        "What has to be confirmed has changed. It is now:",
        *indented(words),
        "If that is right, type in another terminal (the code before is void):",
        f"  {_confirm_command(status, journal)}",
    ]


def _confirm_command(status: Status, journal: Path) -> str:
    return f"pump-ctrl resume --journal {shlex.quote(str(journal))} --confirm NAME {status['reconciliation']['code']}"


def _unsettled_lines(status: Status) -> list[str]:
    open_, name = status["unsettled"], status["unsettled"]["id"]
    what = f"{ml(open_['volume_nl'])}, {ml(open_['bolus_nl'])} of it as a bolus" if open_["bolus_nl"] else ""
    return [
        f"The pump has not told yet what became of command {name} ({what or ml(open_['volume_nl'])}); it is asked "
        "again and again. If it never can, stop it, look that it stands still, and type:",
        "  pump-ctrl stop",
        f"  pump-ctrl resolve {name} --by NAME --reason TEXT",
        "",
    ]


def _busy_lines(status: Status) -> list[str]:
    """For a minute after a kill the pump obeys STOP, answers, and refuses what is new."""
    seconds = status["busy_s"]
    if seconds is None:
        return []
    return [
        f"{busy_words(seconds)} STOP works at once, and what runs goes on; nobody has to wait before typing."
    ]


def _runs_now(status: Status, times: Times) -> list[str]:
    run, ends = status["run"], status["next"]["hold_ends_utc_ms"]
    if run is None and ends is None:
        return ["Nothing flows now."]
    if run is None:
        return [f"Nothing flows now; a hold at the lowest rate may run until {times.full(ends)}."]
    until = times.full(run["until_utc_ms"])
    if run["bolus_until_utc_ms"] is not None and status["plan_utc_ms"] < run["bolus_until_utc_ms"]:
        ends = times.full(run["bolus_until_utc_ms"])
        bolus = f"A {run['purpose']} bolus of {ml(run['bolus_nl'])} runs until {ends}"
        if _alone(run):
            return [f"{bolus}; then nothing until the pump is told the basal."]
        return [f"{bolus}; the basal follows by itself, until {until} at the latest."]
    what = "The hold" if run["purpose"] == "hold" else "The basal that the pump was told"
    return [f"{what} runs until {until} at the latest."]


def parting_lines(parting: Parting, plan: DosingPlan) -> list[str]:
    """What the pump does after the end."""
    times = Times(plan.utc_offset_ms)
    until = "" if parting.until_utc_ms is None else times.full(parting.until_utc_ms)
    match parting.how:
        case "stopped":
            return ["The controller ends. The pump is stopped: nothing flows until somebody starts it again."]
        case "hold":
            return [
                f"The controller ends. The pump HOLDS the lowest rate until {until}, then it stops by itself.",
                "Start the controller again before that, or care for the patient otherwise.",
            ]
        case "left":
            return [
                f"The controller ends. What the pump was told before goes on until {until} at the latest."
            ]
        case "unsettled":
            return [
                "The controller ends. It is NOT KNOWN whether the pump took the last command; whatever runs ends by "
                f"itself{', at ' + until + ' at the latest' if until else ''}. Look at the pump."
            ]
    return [
        "The controller ends. STOP was sent and the pump did NOT confirm it: stop it by hand or take its power away."
        + (f" What it was told ends at {until} at the latest." if until else "")
    ]


def summary_lines(status: Status, plan: DosingPlan) -> list[str]:
    """Sums at the end."""
    volume = status["volume_nl"]
    rows = [
        ("planned", ml(volume["planned"])),
        ("commanded", ml(volume["commanded"])),
        ("missed", ml(volume["missed"])),
        ("ledger", f"at least {ml(volume['ledger_low'])}, at most {ml(volume['ledger_high'])} left the pump"),
    ]
    return [f"{plan.id}, sums of this journal:", *indented(pairs(rows))]


# --- status -------------------------------------------------------------------------------------------------


def status_lines(status: Status, journal: Path) -> list[str]:
    """The status as a person reads it."""
    times = Times(status["utc_offset_ms"])
    volume, left = status["volume_nl"], status["reservoir_nl"]
    rows = [
        ("plan", f"{status['plan']['id']}: {status['plan']['title']}"),
        ("plan time", times.full(status["plan_utc_ms"])),
        (
            "rate now",
            f"{ml(status['rate_nl_per_h'])}/h told, {ml(status['planned_rate_nl_per_h'])}/h planned",
        ),
        ("volume", ", ".join(f"{ml(volume[name])} {name}" for name in ("planned", "commanded", "missed"))),
        ("left the pump", f"at least {ml(volume['ledger_low'])}, at most {ml(volume['ledger_high'])}"),
        (
            "reservoir",
            f"{ml(left['low'])} to {ml(left['high'])}; low when {ml(left['alarm'])} or less is sure",
        ),
        *_next_rows(status, times),
        ("pump", _pump_words(status["pump"])),
        ("", "" if status["busy_s"] is None else busy_words(status["busy_s"])),
        *witness_rows(status["witness"]),
    ]
    lines = [*_state_lines(status), *pairs(rows), *_alarm_lines(status["alarms"], times)]
    if status["unsettled"] is not None:
        lines += ["", *_unsettled_lines(status)]
    if status["reconciliation"] is not None:
        lines += [
            "",
            "A person has to confirm this:",
            *indented(status["reconciliation"]["words"].splitlines()),
        ]
        lines += ["Type:", f"  {_confirm_command(status, journal)}"]
    return lines


def _state_lines(status: Status) -> list[str]:
    return [f"{status['state']}: {STATES[status['state']]}."]


def _next_rows(status: Status, times: Times) -> Iterable[tuple[str, str]]:
    ahead, run = status["next"], status["run"]
    if run is not None:
        yield "told", _told_run(run, status["plan_utc_ms"], times)
    if ahead["bolus"] is not None:
        bolus = ahead["bolus"]
        yield "next bolus", f"{times.full(bolus['at_utc_ms'])}, {ml(bolus['volume_nl'])}"
    if ahead["rate_change_utc_ms"] is not None:
        yield "next rate", times.full(ahead["rate_change_utc_ms"])
    if ahead["hold_ends_utc_ms"] is not None:
        yield "hold ends", times.full(ahead["hold_ends_utc_ms"])
    if ahead["load_waits"]:
        yield "load", "another plan waits for the end of a bolus"


def _told_run(run: Status, now_ms: int, times: Times) -> str:
    """What the pump was told last, and when it ends by itself."""
    until = f"until {times.full(run['until_utc_ms'])} at the latest"
    if not run["bolus_nl"]:
        return f"{run['purpose']}, {ml(run['volume_nl'])} {until}"
    if now_ms >= run["bolus_until_utc_ms"]:
        return f"basal {until}"
    then = "nothing until it is told the basal" if _alone(run) else f"basal {until}"
    ends = times.short(run["bolus_until_utc_ms"]).strip()
    return f"{run['purpose']} bolus of {ml(run['bolus_nl'])} until {ends}, then {then}"


def _alone(run: Status) -> bool:
    """Whether the pump was told the bolus and nothing that follows it, as one that is told a thing at a time."""
    return bool(run["until_utc_ms"] <= run["bolus_until_utc_ms"])


def _pump_words(pump: Status | None) -> str:
    if pump is None:
        return "has not said anything yet"
    battery = "" if pump["battery_percent"] is None else f", battery {pump['battery_percent']} %"
    return f"{pump['state']}{battery}, said {length(pump['age_s'] * 1_000)} ago"


def _alarm_lines(alarms: list[Status], times: Times) -> list[str]:
    lines = []
    for alarm in alarms:
        gone = "" if alarm["holds"] else "; its cause has gone"
        seen = "seen" if alarm["acknowledged"] else "NOT SEEN BY ANYBODY"
        since = f"since {times.short(alarm['since_utc_ms']).strip()}, {length(alarm['age_s'] * 1_000)}"
        head = f"ALARM {alarm['code']} ({alarm['priority']}; {since}; {seen}{gone})"
        lines += ["", f"{head}: {alarm['condition']}."]
        lines += indented([readable(alarm["detail"]), alarm["do"]] if alarm["detail"] else [alarm["do"]])
    return lines
