"""What can happen to the world, and what of a world makes it another state of the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from pump_ctrl.controller.events import RequestKind
from pump_ctrl.controller.machine import State
from pump_ctrl.controller.totals import Run
from tests.model.world import EVERYTHING, PERMITS, RETRY_MAX_MS, World

LONGEST_MS: Final = 30 * 3_600_000  # that a wait goes on without anything to be seen; a day and a quarter
MOST_TURNS: Final = 500


class Seen(NamedTuple):
    """The abstraction: two worlds that agree in all of this are one state of the model.

    Left out is what only counts (volumes, times, ids, how often a retry has waited) and alarms that inhibit nothing.
    """

    state: str  # the controller
    met: bool
    halting: bool
    dropped: bool  # a STOP waits for an answer, and has no time at which it is sent again
    unsettled: bool
    stopped: bool
    holds: bool  # there is a time until which it may hold
    left_running: bool
    run: str  # a bolus that is over has left the basal behind it
    asked: str
    primed: bool
    waits: bool  # the guard, for a person
    latched: bool
    open: bool  # a permit is unsettled
    confirmed: bool
    timed: bool  # elapsed time is known
    inhibiting: frozenset[str]  # alarms whose cause is there
    unseen: frozenset[str]  # what those permit whose cause is gone, and that nobody has acknowledged
    linked: bool
    full: bool
    flows: str  # what the pump truly runs: run, asked, or another
    pump: str
    dry: bool
    coming: bool
    forgets: bool
    knows: bool  # the pump's epoch is the one in which it was met


def seen(world: World) -> Seen:
    """The state of the model that ``world`` is in."""
    s, guard, pump = world.session, world.guard, world.pump
    pump.settle_down()
    run, books = s.run, s.books
    alarms = [alarm for alarm in guard.alarms if alarm.row.code in PERMITS]
    return Seen(
        state=s.state.value,
        met=world.met,
        halting=s.halting,
        dropped=s.halting and s.retry_at is None,
        unsettled=s.unsettled,
        stopped=s.stopped,
        holds=s.hold_until is not None,
        left_running=s.left_running,
        run=_kind(run)
        if books.open_bolus is not None or run is None or run.purpose not in BOLUSES
        else "basal",
        asked=_kind(books.asked),
        primed=books.primed,
        waits=guard.waiting,
        latched=guard._known.latch is not None,
        open=guard.unsettled is not None,
        confirmed=guard.confirmed,
        timed=guard.elapsed_known,
        inhibiting=frozenset(alarm.row.code for alarm in alarms if alarm.holds),
        unseen=EVERYTHING.intersection(*(PERMITS[alarm.row.code] for alarm in alarms if not alarm.holds)),
        linked=pump.linked,
        full=world.log.full,
        flows=_flows(world),
        pump=pump.state.value if pump.permit is None else "runs",
        dry="empty" in pump.alarms,
        coming=pump.coming is not None,
        forgets=pump.forgets,
        knows=pump.met == pump.epoch,
    )


BOLUSES: Final = ("scheduled", "patient")


def _kind(run: Run | None) -> str:
    if run is None:
        return "nothing"
    return "bolus" if run.purpose in BOLUSES else run.purpose


def _flows(world: World) -> str:
    """Which of the runs that the controller knows of is the one that the pump has."""
    if world.pump.permit is None:
        return "nothing"
    books, request = world.controller.books, world.requests[world.pump.permit.id]
    known = {"run": books.run, "asked": books.asked}
    return next((name for name, run in known.items() if run and run.request_id == request), "another")


@dataclass(frozen=True, slots=True)
class Action:
    """Something that happens. ``possible`` says where; ``modes``: whether the first command in it may go wrong."""

    name: str
    do: Callable[[World], object]
    possible: Callable[[World], bool] = lambda _: True
    heals: bool = False  # a fault goes
    by: str = "environment"  # or time, person


def _turn(world: World) -> None:
    if not world.pump.pushed:  # what the pump says by itself ends a wait
        world.clock.advance_to_boot(world.controller.next_wakeup())
    world.runner.turn()


def _wait(world: World) -> None:
    """Time goes by until something of the state is another, or for more than a day."""
    if not world.met:
        world.clock.advance(10_000)
        world.meet()
        return
    before, turns, held = seen(world), 0, 0
    at = stopped = world.clock.boot_ms()
    until = at + LONGEST_MS
    while world.clock.boot_ms() < until and seen(world) == before and not world.wrong:
        at, stops = world.clock.boot_ms(), world.pump.stops
        _turn(world)
        stopped = stopped if world.pump.stops == stops else world.clock.boot_ms()
        turns, held = turns + 1, held + 1 if world.clock.boot_ms() == at else 0
        if held > 20:
            world.wrong += ("it turns and turns while no time goes by",)
            return
        if turns > MOST_TURNS:
            return
        if before.halting and world.clock.boot_ms() - stopped > RETRY_MAX_MS + 1_000:
            world.wrong += ("a STOP that was not acknowledged is not sent again in time",)


def _half(world: World) -> None:
    """Half of the time to the next wake-up goes by: whatever comes next comes in the middle of something."""
    left = min(world.controller.next_wakeup() - world.clock.boot_ms(), LONGEST_MS)
    world.clock.advance(max(0, left // 2))


def _restart(world: World) -> None:
    world.die()
    world.begin_life()


def _reboot(world: World) -> None:
    world.die()
    world.clock.advance(60_000)
    world.clock.reboot()
    world.begin_life()


def _leave(world: World) -> None:
    """SIGTERM, and started again by somebody a minute later."""
    world.runner.leave()
    world.die()
    world.clock.advance(60_000)
    world.begin_life()


def _asks(kind: RequestKind) -> Callable[[World], None]:
    def ask(world: World) -> None:
        if kind in (RequestKind.STOP, RequestKind.PAUSE):
            world.kept_off |= kind is RequestKind.STOP or world.controller.state not in RESTING
        world.request(kind)
        if kind is RequestKind.RESUME and world.controller.state not in RESTING:
            world.kept_off = False

    return ask


RESTING: Final = (State.WAITING, State.PAUSED, State.STOPPED, State.FAULT)
PERSONS_ONLY: Final = tuple(state.value for state in RESTING)


def _sets(**values: Any) -> Callable[[World], None]:  # noqa: ANN401 - of every kind
    def set_them(world: World) -> None:
        for name, value in values.items():
            setattr(world.log if name == "full" else world.pump, name, value)

    return set_them


def _overrun(world: World) -> None:
    world.overran = True
    world.pump.overrun(20_000)


def _runs(world: World) -> bool:
    world.pump.settle_down()
    return world.pump.permit is not None


TIME: Final = (
    Action("time goes by until something changes", _wait, by="time"),
    Action("half the time to the next wake-up goes by", _half, lambda w: w.met, by="time"),
)
PEOPLE: Final = (
    Action("stop", _asks(RequestKind.STOP), by="person"),
    Action("pause", _asks(RequestKind.PAUSE), by="person"),
    Action("resume", _asks(RequestKind.RESUME), by="person"),
    Action("confirm", World.confirm, by="person"),
    Action("ack", lambda w: w.runner.acknowledge("a person"), by="person"),
    Action("resolve the command", World.resolve, lambda w: w.guard.unsettled is not None, by="person"),
    Action("resolve the alarms", World.vouch, by="person"),
    Action("bolus", _asks(RequestKind.PATIENT_BOLUS), by="person"),
    Action("prime", _asks(RequestKind.PRIME), lambda w: w.prime, by="person"),
    Action("refill", World.refill, by="person", heals=True),
)
LINK: Final = (
    Action("the cable is pulled", _sets(linked=False), lambda w: w.pump.linked),
    Action("the cable is back", _sets(linked=True), lambda w: not w.pump.linked, heals=True),
)
PUMP: Final = (
    Action("the pump stalls", lambda w: w.pump.stall(), _runs),
    Action("the pump runs dry", lambda w: w.pump.run_dry(), _runs),
    Action("the pump loses its power", lambda w: w.pump.lose_power()),
    Action("the pump forgets what it did", _sets(forgets=True), lambda w: w.guard.unsettled is not None),
    Action("the pump gives what nobody asked for", _overrun, lambda w: not w.overran),
)
PROCESS: Final = (
    Action("killed and started again", _restart, lambda w: not w.log.full),
    Action("the host reboots", _reboot, lambda w: not w.log.full),
    Action("asked to end and started again", _leave, lambda w: not w.log.full),
)
DISK: Final = (
    Action("the disk is full", _sets(full=True), lambda w: not w.log.full),
    Action("the disk has room again", _sets(full=False), lambda w: w.log.full, heals=True),
)
