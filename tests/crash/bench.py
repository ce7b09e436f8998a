"""A controller as ``pump-ctrl run`` makes it, what it was doing when it was cut off, and a person who goes on.

Real journal, head file and sign of life on disk, the desk's requests, the whole start with its exit codes; the pump is
a simulated one of each family. Volumes nL, times ms.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

from pump_ctrl.assembly import prescription_of
from pump_ctrl.bench.stack import SimulatedStack
from pump_ctrl.clock import Clock
from pump_ctrl.controller.core import Controller
from pump_ctrl.controller.machine import State
from pump_ctrl.controller.prescription import Prescription
from pump_ctrl.errors import JournalError, LinkError, NotAllowed, PumpCtrlError
from pump_ctrl.live.order import Order, Port
from pump_ctrl.live.outcome import Answer
from pump_ctrl.live.session import Live
from pump_ctrl.live.tap import TappedJournal
from pump_ctrl.runner import VOUCHED, Runner
from pump_ctrl.safety.guard import GuardedPump
from pump_ctrl.therapy.approval import approval_path, approve, write_approval
from pump_ctrl.therapy.plan import DosingPlan, load_plan
from pump_ctrl.therapy.profiles import PumpProfile
from pump_ctrl.therapy.review import review
from sim.faults import Fault
from tests.driver_stacks import PLAN, Kind, check_gaps_are_named, check_ledger, check_sums
from tests.unit.live_life import Cable, House
from tests.whole_stack import MINUTE, formulary, profile, sums_now

PERSON: Final = "Ann"
PATIENT: Final = """
[patient_bolus]
dose = "10 ug"
over = "5 min"
lockout = "10 min"
max_per_day = 3
"""
PRIME: Final = '\n[prime]\nvolume = "0.200 mL"\npath = "back-table"\n'
BRIDGE: Final = "\n[bridge]\n"
READING: Final = 40_000  # a person reads what has to be confirmed, and types its code
SLOTS: Final = PLAN[PLAN.index("[[bolus]]") :]


@cache
def plan_text(kind: Kind, flavour: str, previous: str = "") -> str:
    """The short plan of ``driver_stacks`` with a patient bolus, in a flavour of its own."""
    on_loss = '"stop"' if kind.on_loss == "stop" else f'{{ hold = "{kind.on_loss}" }}'
    filled = "10 mL" if profile(kind.pump).kind == "syringe" else "40 mL"
    text = PLAN.format(pump=kind.pump, on_loss=on_loss, filled=filled) + PATIENT
    if flavour in ("basal", "prime"):
        text = text.replace(SLOTS, "").replace(PATIENT, "")
    if flavour == "other":
        text = text.replace('"SHORT"', '"OTHER"')
    if flavour == "prime":
        text += PRIME
    if flavour in ("next", "bridged"):
        text = text.replace('"SHORT"', f'"{flavour.upper()}"').replace('"12.5 ug/h"', '"12 ug/h"')
        text = text.replace("[reservoir]", f'previous = "{previous}"\n[reservoir]')
    if flavour == "bridged":
        text = text.replace("1000 ug/mL", "1100 ug/mL") + BRIDGE
    return text


@cache
def signed(kind: Kind, flavour: str, previous: DosingPlan | None, room: Path) -> Path:
    """A plan's file with its approval."""
    file = room / f"{kind.pump}-{kind.on_loss.replace(' ', '')}-{flavour}.toml"
    file.write_text(plan_text(kind, flavour, "" if previous is None else previous.sha256), encoding="utf-8")
    plan, pump = load_plan(file), profile(kind.pump)
    reasons = {f.key: "a test" for f in review(plan, formulary(), pump, previous) if f.level == "reason"}
    paper = approve(plan, formulary(), pump, previous, PERSON, "Ben", reasons, 0)
    write_approval(approval_path(file), paper)
    return file


class Bench(House):
    """One pump, its plans, its journal, and the controller that lives at this moment, if one does."""

    def __init__(self, kind: Kind, room: Path, flavour: str = "") -> None:
        self.flavour, self.papers = flavour, room.parent
        super().__init__(kind, room)
        self.name = "a.journal"
        self.previous: tuple[Path, ...] = ()
        self.life: Live | None = None
        self.typed: list[str] = []
        self.began_nl = 0  # the pump's true count when the journal was begun
        self.misled = False  # a wrong wall clock was confirmed: what is due by now is not what it says
        self._requests = 0

    def signed(self, name: str, previous: DosingPlan | None = None) -> Path:
        """The plan that is run; ``name`` is not looked at."""
        return signed(self.kind, self.flavour, previous, self.papers)

    def paper(self, flavour: str) -> Path:
        """A plan to be loaded after the one that was started with."""
        return signed(self.kind, flavour, self.plan, self.papers)

    def sha256(self, flavour: str) -> str:
        """Of such a plan."""
        return load_plan(self.paper(flavour)).sha256

    # As a stack: what the checks of ``driver_stacks`` look at.

    @property
    def live_life(self) -> Live:
        assert self.life is not None, "no controller lives"
        return self.life

    @property
    def runner(self) -> Runner:
        return self.live_life.runner

    @property
    def guard(self) -> GuardedPump:
        return self.runner.guard

    @property
    def controller(self) -> Controller:
        return self.runner.controller

    @property
    def journal(self) -> TappedJournal:
        return self.live_life.journal

    @property
    def profile(self) -> PumpProfile:
        return profile(self.kind.pump)

    @property
    def prescription(self) -> Prescription:
        """The plan that was started with, as a controller carries it out."""
        return prescription_of(self.plan, self.profile, formulary(), None)

    @property
    def journal_file(self) -> Path:
        return self.room / self.name

    @property
    def as_stack(self) -> SimulatedStack:
        return cast("SimulatedStack", self)

    # Time.

    def wait(self, ms: int) -> None:
        """Let the controller, or the pump alone, go on."""
        if self.life is None:
            self.clock.advance(ms)
        else:
            self.go(self.life, ms)

    def wait_until(self, at: int) -> None:
        self.wait(max(0, at - self.clock.true_ms))

    # Starting and ending.

    def start(self, *, beside: bool = False) -> None:
        """``pump-ctrl run``: everything is opened, the journal taken up, the pump asked.

        ``beside``: on a port of its own, as another controller holds the first.
        """
        order = Order(self.file, "/dev/pump", self.journal_file, formulary(), previous=self.previous)
        life = Live(order, opener=self._port_beside if beside else self._port, notice=self.told.append)
        try:
            life.__enter__()
            life.start()
        except BaseException:
            life.__exit__()
            raise
        self.life = life

    def _port(self, url: str, clock: Clock, baud: int) -> Port:
        return House.open(self, url, clock, baud)

    def _port_beside(self, url: str, clock: Clock, baud: int) -> Port:
        del url, clock, baud
        return Cable(self.wire, self.clock)

    def first(self, given: str = "none") -> None:
        """A journal that nobody has confirmed: ``--confirm NAME --given DOSE``."""
        self.live_life.confirm_first(PERSON, given)

    def begin(self) -> None:
        self.start()
        self.first()

    def begin_anew(self) -> None:
        """D-17: another journal, and what was given in the last 24 h; the larger figure, as in doubt."""
        self.typed.append("run NEW JOURNAL")
        given_ug = -(-self.world.truth.counted_nl() // 1_000) + 1
        self.name = "b.journal"
        self.start()
        self.first(f"{given_ug} ug")
        self.began_nl = self.world.truth.counted_nl()

    def die(self) -> None:
        """The process is gone; nothing is written on the way."""
        life, self.life = self.life, None
        if life is not None:
            life.journal._journal.abandon()
            life.__exit__()

    def end(self) -> str:
        """Ctrl-C: what the pump does now."""
        life, self.life = self.live_life, None
        try:
            return life.leave().how
        finally:
            with suppress(JournalError):
                life.__exit__()

    # People.

    def ask(self, verb: str, **more: str | bool) -> Answer:
        """Somebody types a command."""
        self._requests += 1
        request = {"id": more.pop("key", f"key-{self._requests}"), "do": verb, **more}
        try:
            return self.live_life.desk._answer(verb, request)
        except PumpCtrlError as error:
            return Answer(error.exit_code, str(error))

    def type(self, what: str, verb: str, **more: str | bool) -> Answer:
        self.typed.append(what)
        return self.ask(verb, **more)

    def start_again(self, *, beside: bool = False) -> Answer:
        """``run`` with the same plan and journal; exit status and words if it is refused."""
        try:
            self.start(beside=beside)
        except PumpCtrlError as error:
            return Answer(error.exit_code, str(error))
        return Answer(0, "")

    def tend(self, minutes: int = 90) -> None:
        """What a person does by what the controller tells, until the plan goes on."""
        until = self.clock.true_ms + minutes * MINUTE
        while self.clock.true_ms < until and self._something_typed():
            self.wait(MINUTE)

    def _something_typed(self) -> bool:
        guard, state = self.guard, self.controller.state
        codes = [alarm.row.code for alarm in guard.alarms]
        if not guard.confirmed:
            self.typed.append("run --confirm --given")
            with suppress(LinkError, NotAllowed):
                self.first()
        elif "wrong-pump" in codes:
            self.end()
            self.begin_anew()
        elif guard.unsettled is not None:
            self._unsettled()
        elif state is State.WAITING:
            found = guard.reconciliation()
            self.wait(READING)
            off = {"off": "10 min"} if "behind what is known" in found.words else {}  # as it truly was
            self.type(
                f"resume --confirm{' --off' if off else ''}", "resume", by=PERSON, code=found.code, **off
            )
        elif judged := sorted(VOUCHED.intersection(codes)):
            self.type(f"resolve {judged[0]}", "resolve", command=judged[0], by=PERSON, reason="looked")
        elif codes and "ack" not in self.typed[-1:]:
            self.type("ack", "ack", by=PERSON)
        elif state in (State.PAUSED, State.STOPPED):
            self.type("resume", "resume")
        else:
            return state in (State.UNCERTAIN, State.FAULT, State.READY)
        return True

    def _unsettled(self) -> None:
        """Wait a while for what the pump tells; then look at it, and vouch."""
        self.wait(10 * MINUTE)
        self.runner.settle()
        if (permit := self.guard.unsettled) is not None:
            self.type("resolve ID", "resolve", command=f"{permit.id:x}", by=PERSON, reason="looked")

    # Mishaps.

    def fault(self, text: str) -> None:
        name, _, params = text.partition(":")
        self.world.inject(Fault.parse(f"{name}@{self.clock.true_ms}ms" + (f":{params}" if params else "")))

    # What has to hold.

    @property
    def counted_nl(self) -> int:
        """What the motor truly stepped since the journal was begun."""
        return self.world.truth.counted_nl() - self.began_nl

    def records(self, kind: str) -> list[dict[str, Any]]:
        return [record.data for record in self.journal.records() if record.kind == kind]

    def check_books(self, *, whole: bool = True) -> None:
        """The sums, the gaps and, where it is ``whole`` and the pump's first, the ledger of this journal.

        Each bolus has one end, each request began once.
        """
        check_sums(self.as_stack)
        check_gaps_are_named(self.as_stack)
        if whole and not self.began_nl and not self.misled:
            check_ledger(self.as_stack)
        ends = Counter(bolus["id"] for bolus in self.records("bolus") if bolus["outcome"] != "refused")
        assert all(count == 1 for count in ends.values()), f"two ends of one bolus: {ends}"
        dead = {
            told["id"]
            for kind in ("outcome", "evidence")
            for told in self.records(kind)
            if told["what"] in ("refused", "not-given")
        }
        began = Counter(intent["request"] for intent in self.records("intent") if intent["id"] not in dead)
        assert all(count == 1 for count in began.values()), f"one request was carried out twice: {began}"

    @property
    def below_truth_nl(self) -> int:
        """By how much the ledger is below what truly left."""
        return max(0, self.counted_nl - self.guard.high_nl)

    def sums(self) -> tuple[int, int]:
        """Planned and commanded by now."""
        planned, commanded, _ = sums_now(self.as_stack)
        return int(planned), int(commanded)
