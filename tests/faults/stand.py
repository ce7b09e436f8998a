"""A stack on which one row of the table happens, and what came of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from pump_ctrl.bench import oracle
from pump_ctrl.bench import stack as bench
from pump_ctrl.bench.stack import SimulatedStack
from pump_ctrl.clock import VirtualClock
from pump_ctrl.controller.events import RequestKind
from pump_ctrl.controller.machine import State
from pump_ctrl.errors import LinkError, NotAllowed
from sim.fault_registry import parse_time
from sim.faults import Fault, FaultyWire
from sim.wire.ports import PtyPort
from tests.driver_stacks import Kind, boluses, check_gaps_are_named, check_sums, records, stack_of
from tests.faults.table import END, TEND, Row
from tests.whole_stack import MINUTE
from tests.wire.stepped import SteppedLink

QUIET = frozenset({"waiting", "refused"})  # raised by nearly everything: not told on the page
STUCK = ("disagreement", "over-delivery")  # conditions that nothing but a person's look ends
PERSON = "a person"
PG_PER_NL = 1_000
_VERB = re.compile(r"(wall|freeze|reboot|press|stop|resume)(?: (-?)(\w+))?")


@dataclass(frozen=True)
class Came:
    """What came of a row: the state in the end, the alarms, the bolus; volumes in nL.

    ``over``: the most by which the pump was ahead both of the plan, as it stood with it before, and of the books.
    ``unseen``: by how much more left it than its own counter shows, ``held``: by how much less at the most.
    ``above``, ``below``: the most by which the truth was outside of the ledger. ``alone``: the state that it came to
    before anybody looked; ``ledger``: how far the bounds of what has left by then are from the truth; ``forgotten``:
    the most that a window of 1, 4 or 24 h at the tip holds beyond what the guard counts in any.
    """

    state: str
    alarms: tuple[str, ...]
    bolus: tuple[str, ...]
    over: int
    unseen: int
    above: int
    below: int
    held: int
    alone: str
    ledger: tuple[int, int]
    forgotten: int


@contextmanager
def on_a_pty() -> Iterator[None]:
    """Stacks that are made in here have the product's own link, on a pseudo-terminal, in place of the simulated one."""
    made: list[SteppedLink] = []

    def link(wire: FaultyWire, clock: VirtualClock) -> SteppedLink:
        clock.on_advance(wire.advance)
        made.append(SteppedLink(PtyPort(), wire, clock, Path(locks), simulated=True))
        return made[-1]

    with TemporaryDirectory(prefix="locks") as locks, patch.object(bench, "SimulatedLink", link):
        yield
        for one in made:
            one.give_back()


class Stand:
    """One plan on one pump, and what happens to it."""

    def __init__(self, kind: Kind) -> None:
        self.stack: SimulatedStack = stack_of(kind, patient=True)
        self.kind, self.dead = kind, False
        self._over = self._above = self._below = self._held = self._forgotten = 0
        self._alone, self._ledger = "", (0, 0)
        self._behind = Fraction(0)  # by how much the pump was behind the plan at the most

    def go(self, row: Row) -> Came:
        """From the confirm to the end."""
        self.stack.begin()
        for at, what in row.events:
            self._run_to(at)
            self._happen(what)
        self._run_to(TEND)
        self._found()
        self._repair()
        while self.stack.elapsed_ms < END:
            self._tend()
            self._run_to(self.stack.elapsed_ms + 5 * MINUTE)
        check_gaps_are_named(self.stack)
        self._windows()
        return self._came()

    def _found(self) -> None:
        """As it is before anybody looks at it."""
        guard, counted = self.stack.guard, self.stack.world.truth.counted_nl()
        most = guard._state.history.most_nl(guard._now()) if guard.elapsed_known else guard.high_nl
        self._alone, self._ledger = (
            self.stack.controller.state.value,
            (guard.low_nl - counted, most - counted),
        )
        self._windows()

    def _windows(self) -> None:
        """S-03 where it counts: in the windows that doses are judged by; 1,000 pg are 1 nL."""
        guard, truth = self.stack.guard, self.stack.world.truth
        for drug in truth.drugs() if guard.elapsed_known else ():
            for hours in oracle.HOURS:
                beyond = truth.worst_window(drug, hours) - guard.worst(drug, hours)
                self._forgotten = max(self._forgotten, -(-beyond // PG_PER_NL))

    def _run_to(self, at: int) -> None:
        if self.dead:
            self.stack.clock.advance(max(0, at - self.stack.elapsed_ms))
        while (now := self.stack.elapsed_ms) < at:
            wake = self.stack.controller.next_wakeup() - self.stack.clock.boot_ms()
            self.stack.run_to(min(at, now + max(1, wake)))
            self._look()

    def _look(self) -> None:
        """D-02 and S-03 after every turn of the loop."""
        planned, commanded = check_sums(self.stack)
        guard, counted = self.stack.guard, self.stack.world.truth.counted_nl()
        self._above = max(self._above, counted - guard.high_nl)
        self._below = max(self._below, guard.low_nl - counted)
        self._held = max(self._held, counted - self.stack.world.truth.delivered_nl())
        self._behind = min(self._behind, counted - planned)
        if guard.unsettled is None:  # else the books wait for what becomes of it
            over = min(counted - commanded, counted - planned - self._behind)
            self._over = max(self._over, int(over))

    # What happens.

    def _happen(self, what: str) -> None:
        verb = _VERB.fullmatch(what)
        if verb is None:
            self._fault(what)
            return
        ms = parse_time(verb[3]) * (-1 if verb[2] else 1) if verb[3] else 0
        match verb[1]:
            case "wall":
                self.stack.clock.jump_wall(ms)
            case "freeze":
                self.stack.clock.advance(ms)
            case "reboot":
                self._reboot(ms)
            case "press":
                self._ask(RequestKind.PATIENT_BOLUS)
            case word:
                self._ask(RequestKind(word))

    def _fault(self, text: str) -> None:
        name, _, params = text.partition(":")
        fault = Fault.parse(f"{name}@{self.stack.elapsed_ms}ms" + (f":{params}" if params else ""))
        (self.stack.world if fault.kind.where == "pump" else self.stack.wire).inject(fault)
        self.stack.wire.advance(self.stack.elapsed_ms)  # what the pump says to it is on its way

    def _ask(self, kind: RequestKind) -> None:
        self.stack.ask(f"{kind}-{len(records(self.stack, 'request'))}", kind)

    def _reboot(self, off_ms: int) -> None:
        self.stack.die()
        self.stack.clock.advance(off_ms)
        self._restart(reboot=True)

    def _restart(self, *, reboot: bool = False) -> None:
        try:
            self.stack.restart(reboot=reboot)
            self.dead = False
        except LinkError:
            self.dead = True

    # The way out.

    def _repair(self) -> None:
        """Whatever was broken is as new; what happened stays."""
        wire, world = self.stack.wire, self.stack.world
        for armed in (wire._request, wire._reply, wire._silences):
            armed.clear()
        if world.firmware.off:
            world.power_on()
        world.firmware.freeze_status(world.now_ms, on=False)
        world.firmware.ignore_stops("honest", 0)
        for text in ("stall-clear", "occlusion-clear", "runaway:factor=1", "clock-drift:ppm=0"):
            self._fault(text)
        self._fault("over-infusion:gain_ppm=1000000")

    def _tend(self) -> None:
        """What a person does who finds the controller as it is."""
        if self.dead:
            self._restart()
        if self.dead:
            return
        runner, guard = self.stack.runner, self.stack.guard
        if guard.unsettled is not None:
            runner.settle()
        if (permit := guard.unsettled) is not None and self.stack.elapsed_ms > TEND + 15 * MINUTE:
            runner.resolve(permit.id, PERSON, "looked at the pump")
        if self.stack.controller.state is State.WAITING:
            try:
                self.stack.confirm()
            except (LinkError, NotAllowed):
                return
        for code in STUCK:
            guard.clear_alarm(code)
        runner.acknowledge(PERSON)
        if self.stack.world.truth.reservoir_nl() < 100_000:
            self.stack.refill()
        if self.stack.controller.state in (State.PAUSED, State.STOPPED):
            self._ask(RequestKind.RESUME)

    def _came(self) -> Came:
        truth = self.stack.world.truth
        codes = {data["code"] for data in records(self.stack, "alarm") if data["what"] == "raised"}
        return Came(
            state=self.stack.controller.state.value,
            alarms=tuple(sorted(codes - QUIET)),
            bolus=tuple(f"{n} {what}" for what, n in sorted(Counter(boluses(self.stack)).items())),
            over=self._over,
            unseen=max(0, truth.delivered_nl() - truth.counted_nl()),
            above=self._above,
            below=self._below,
            held=self._held,
            alone=self._alone,
            ledger=self._ledger,
            forgotten=self._forgotten,
        )
