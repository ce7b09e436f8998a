"""One life of a controller: open everything, find out what was given, go on until asked to end, and say how.

Layer      live.
Hazard     F-18 to F-20, F-48, F-60: two controllers, a line that is lost, a process that ends without a word.
Invariant  nothing is sent before plan, port and journal are held; who ends has told the pump to stop, or left a
           bounded hold, and says which.
Tests      tests/unit/test_live_session.py, tests/system/test_run.py, tests/system/test_kill.py
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self

from pump_ctrl import __version__
from pump_ctrl.assembly import assemble
from pump_ctrl.clock import SystemClock
from pump_ctrl.console import ConsoleServer, socket_path
from pump_ctrl.controller.events import RequestKind
from pump_ctrl.controller.machine import State
from pump_ctrl.drivers.base import PumpState, Unknown
from pump_ctrl.drivers.registry import usual_baud
from pump_ctrl.errors import JournalError, LinkError, NotAllowed
from pump_ctrl.journal import FileJournal, Record, understood
from pump_ctrl.journal.life import LifeFile, Sign, read_life
from pump_ctrl.live.advice import since_journal_failed
from pump_ctrl.live.beside import first_word, led_to, open_beside, simulated_beside
from pump_ctrl.live.desk import Desk
from pump_ctrl.live.inputs import Inputs, Signals, descriptor
from pump_ctrl.live.order import Opener, Order, Parting, Said, given_doses, look, open_port
from pump_ctrl.live.reminders import Reminders, reminder
from pump_ctrl.live.signed import open_shelf
from pump_ctrl.live.status import Status, status_of
from pump_ctrl.live.stopped import StopSign, StopWord
from pump_ctrl.live.tap import TappedJournal
from pump_ctrl.live.trial import TrialPump, trial_of
from pump_ctrl.runner import Runner
from pump_ctrl.safety.reconcile import Reconciliation
from pump_ctrl.safety.state import LifeSign
from pump_ctrl.therapy.plan import DosingPlan
from pump_ctrl.therapy.profiles import PumpProfile

SIGN_EVERY_MS: Final = 300_000  # ADR 0008
RETRY_LINE_MS: Final = 5_000
NEVER: Final = 1 << 62
NOT_WRITTEN: Final = -1  # the number of what is told and stands in no journal
_OWNERS: Final = 0xFFFFFFFF


class Live:
    """A controller on its port; use it as a context.

    Args:
        order: what is to be run.
        opener: how ports are opened.
        notice: takes sentences about the process itself, such as a line that was lost.

    Raises:
        InvalidInput, NotAllowed: plan, approval or journal are not such that it may be run.
        JournalError: the journal cannot be trusted, or another controller writes it.
        LinkError: the port cannot be had.
    """

    runner: Runner
    desk: Desk

    def __init__(
        self, order: Order, *, opener: Opener = open_port, notice: Callable[[str], None] = lambda _: None
    ) -> None:
        self.order, self._notice = order, notice
        self._told_journal = False
        self._heeded = 0  # signals that have been seen to
        self._reminders = Reminders()
        self._sign_at, self._line_at, self._line_lost = 0, 0, False
        self._stranger, self._told_line = False, ""  # the line was lost, and who answers now has not been met
        self._life: LifeFile | None = None
        self._stop_sign: StopSign | None = None
        with ExitStack() as opened:
            self._open(opened, opener)
            self._opened = opened.pop_all()

    def _open(self, opened: ExitStack, opener: Opener) -> None:
        order, past = self.order, look(self.order.journal)
        self.trial = trial_of(order.port, past.about)
        self.shelf, self.signed = open_shelf(
            order.plan, order.profile, order.formulary, [*order.previous, *past.files]
        )
        self._check_in_force(past.plans)
        self._plans = past.plans
        self.clock = SystemClock() if self.trial is None else self.trial.clock()
        device = order.port
        if self.trial is not None:
            pump = TrialPump(self.plan, self.profile, self.trial.speed, simulated_beside(order))
            opened.callback(pump.close)
            device, order = pump.device, led_to(pump, order)
        self.link = opener(device, self.clock, order.baud or usual_baud(self.profile.protocol))
        opened.callback(self.link.close)
        self.second = open_beside(order, self.profile, self.clock, opener, opened)
        self.journal = self._open_journal(fresh=past.about is None)
        opened.callback(self._close_journal)
        self.signals = Signals()
        opened.callback(self.signals.close)
        self.console = ConsoleServer(socket_path(order.journal))
        opened.callback(self.console.close)
        self.inputs = Inputs(
            self.clock, descriptor(self.link), self.console, self.signals, self._also, self.speed
        )
        self._assemble()

    def _check_in_force(self, named: list[str]) -> None:
        if named and named[-1] != self.plan.sha256:
            file = self.shelf.file_of(named[-1]) or f"the file of plan {named[-1][:12]}..."
            raise NotAllowed(
                f"By this journal another plan is in force: {file}.",
                code="plan-in-force-differs",
                pump_state="Nothing was sent to the pump.",
                do_now="Start with that one; then load this one: pump-ctrl load PLAN",
            )

    def _open_journal(self, *, fresh: bool) -> TappedJournal:
        if not fresh:
            return TappedJournal(FileJournal.open(self.order.journal, self.clock))
        before = None if self.plan.previous is None else self.shelf.file_of(self.plan.previous)
        about = {
            "program": f"pump-ctrl {__version__}",
            "plan": {"id": self.plan.id, "sha256": self.plan.sha256},
            "plan_file": str(self.order.plan.resolve()),
            "previous_file": "" if before is None else str(before.resolve()),
            "pump": {"name": self.profile.name, "protocol": self.profile.protocol},
            "trial": None if self.trial is None else self.trial.as_json(),
        }
        return TappedJournal(FileJournal.create(self.order.journal, self.clock, about))

    def _close_journal(self) -> None:
        if self._life is not None:
            self._life.close()
        if self._stop_sign is not None:
            self._stop_sign.close()
        self.journal.close()

    def _assemble(self) -> None:
        self.runner = assemble(
            self.signed.prescription,
            self.signed.limits,
            self.profile,
            self.link,
            1 + secrets.randbelow(_OWNERS),
            self.journal,
            self.clock,
            self.inputs.wait,
            self.stop_requested,
            address=self.order.address,
            second=self.second,
        )
        self.desk = Desk(self.runner, self.journal, self.console, self.shelf, self.status, self._held)

    def __enter__(self) -> Self:
        self._opened.enter_context(self.signals.caught())
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    @property
    def plan(self) -> DosingPlan:
        """The plan that was started with."""
        return self.signed.plan

    @property
    def plan_file(self) -> Path:
        """Where the plan in force is: the one that was loaded last, or the one that was started with."""
        return self.shelf.file_of(self.runner.controller.prescription.plan) or self.order.plan

    @property
    def profile(self) -> PumpProfile:
        """The pump."""
        return self.shelf.profile

    @property
    def speed(self) -> int:
        """How fast time runs; 1 unless this is a trial."""
        return 1 if self.trial is None else self.trial.speed

    def status(self) -> Status:
        """The status document."""
        plan = self.shelf.plan(self.runner.controller.prescription.plan)
        return status_of(self.runner, plan, self.clock.boot_ms(), str(self.order.journal.resolve()))

    def stop_requested(self) -> bool:
        """Whether somebody asked to stop or to end and has not been seen to yet; looked at before every send."""
        return self.signals.count > self._heeded or self.console.stop_waits()

    # Starting.

    def start(self) -> Reconciliation:
        """Take up the journal and ask the pump.

        Raises:
            LinkError: the pump does not answer.
            NotAllowed, JournalError: the journal does not go with these plans.
        """
        if word := first_word(self.second):
            self._notice(word)
        self._take_up()
        self.runner.meet()
        self._life = LifeFile(self.order.journal)
        self._stop_sign = StopSign(self.order.journal, self.clock, lambda: self.journal.last, self._no_disk)
        return self._found()

    def _take_up(self) -> None:
        alive, ours = read_life(self.order.journal), self.plan.sha256
        sign = None if alive is None else LifeSign(alive.boot_id, alive.boot_ms)
        known = {sha256: self.shelf.prescription(sha256) for sha256 in self._plans if sha256 != ours}
        word = StopWord(self.order.journal)

        def hear(record: Record) -> None:
            self.desk.hear(record)
            word.hear(record)

        with understood(self.order.journal):
            self.runner.take_up(sign, known, hear=hear, stopped=word.holds)

    def _held(self, stopped: bool) -> None:
        """A person has stopped the pump, or lets it go on: that is kept, whatever the journal does."""
        if self._stop_sign is not None:
            (self._stop_sign.stopped if stopped else self._stop_sign.goes_on)()

    def _no_disk(self, why: str) -> None:
        self.runner.raise_alarm("journal", why)

    def _found(self) -> Reconciliation:
        if self.runner.guard.confirmed:
            self.runner.turn()  # a hold that is due is told first: it changes what has to be confirmed
        return self.runner.guard.reconciliation()

    def confirm_first(self, by: str, given: str) -> None:
        """A person confirms a new journal and says what was given in the last 24 h (D-17).

        Raises:
            QuantityError: ``given`` is no dose.
            NotAllowed: the pump contradicts it.
            LinkError, JournalError: the pump does not answer, or it cannot be written.
        """
        doses, last = given_doses(given, self.plan), self.runner.guard.last_status
        if last is not None and last[0].state is PumpState.RUNNING:  # F-23: nobody here told it to
            self._notice("The pump runs something that this journal does not know; it is stopped first.")
            self.runner.guard.stop("it ran something that this journal does not know")
        self.runner.confirm(by, self.runner.guard.reconciliation().code, doses)
        self._held(False)

    # Going on.

    def run(self, for_ms: int | None, said: Said) -> None:
        """Go on until somebody asks to end, or ``for_ms`` have gone by; ``said`` takes what was recorded."""

        def between() -> bool:
            self.desk.serve()
            self._mind_the_line()
            self._mind_the_journal()
            self._give_sign()
            self.pass_on(said)
            self._remind(said)
            return self.signals.count > self._heeded

        end = NEVER if for_ms is None else self.clock.boot_ms() + for_ms
        while self.clock.boot_ms() < end and not between():
            if self._stranger:
                self.inputs.wait(end)  # nobody is there that a runner may talk to
            else:
                self.runner.run_until(end, lambda: between() or self._stranger)

    def pass_on(self, said: Said) -> None:
        """Tell everybody who listens what was recorded since the last time."""
        if fresh := self.journal.fresh():
            self.desk.tell(fresh)
            said(fresh)

    def _remind(self, said: Said) -> None:
        """REQ76: what nobody has acknowledged is said again. It is no record: nothing has happened."""
        clock, guard = self.clock, self.runner.guard
        due = self._reminders.due(guard.alarms, clock.boot_ms())
        if not due:
            return
        now = (clock.boot_ms(), clock.boot_id(), clock.utc_ms())
        words = [Record(NOT_WRITTEN, "reminder", *now, reminder(a, guard.alarm_age_ms(a))) for a in due]
        self.desk.tell(words)
        said(words)

    def _also(self) -> int:
        """The next moment at which this process itself has something to do."""
        due = self._sign_at if self._life is not None and self.runner.guard.in_run else NEVER
        due = min(due, self._reminders.next_ms)
        return min(due, self._line_at) if self._line_lost or self._stranger else due

    def _give_sign(self) -> None:
        """ADR 0008: at entering RUN and every five minutes of it."""
        now = self.clock.boot_ms()
        if not self.runner.guard.in_run:
            self._sign_at = now
        elif now >= self._sign_at and self._life is not None:
            self._sign_at = now + SIGN_EVERY_MS
            try:
                self._life.write(Sign(self.clock.boot_id(), now, self.journal.last))
            except JournalError as error:
                self._life = None  # after one failure no later success is trusted
                self.runner.raise_alarm("journal", str(error))

    def _mind_the_journal(self) -> None:
        """What cannot be written is told by nothing else in this terminal."""
        failed = [alarm for alarm in self.runner.guard.alarms if alarm.row.code == "journal"]
        if failed and not self._told_journal:
            self._told_journal = True
            fate = since_journal_failed(stop_open=self.runner.guard.stop_open)
            self._notice(f"ALARM journal: {failed[0].row.condition}. {fate} {failed[0].detail}")

    def _mind_the_line(self) -> None:
        """A port that was lost is opened again, every few seconds."""
        try:
            self.link.wait(self.link.now_ms())
        except LinkError as error:
            if not self._line_lost:
                self._notice(f"The line to the pump is lost and is tried again: {error}")
                self._line_lost, self._told_line = True, ""
                if self.runner.guard.nameless:
                    self._lose_sight()
            self._open_again()
        else:
            if self._stranger and self.clock.boot_ms() >= self._line_at:
                self._meet()

    def _open_again(self) -> None:
        now = self.clock.boot_ms()
        if now < self._line_at:
            return
        self._line_at = now + RETRY_LINE_MS * self.speed
        try:
            self.link.reopen()
        except LinkError:
            return
        self._line_lost = False
        if self._stranger:
            self._meet()
        elif isinstance(identity := self.runner.guard.identify(), Unknown):
            self._notice(f"The port is open again, but: {identity.detail}")
        else:
            self._notice("The line to the pump is back.")
            self.runner.settle()

    def _lose_sight(self) -> None:
        """Of a pump without a serial number nobody knows whether it is the one that will answer: from now on it is
        as after a start, and nothing new is given until a person confirms.
        """
        self._stranger = True
        self._plans = look(self.order.journal).plans  # one may have been loaded since the start
        self._assemble()
        self._take_up()

    def _meet(self) -> None:
        """Ask who answers now, every few seconds until somebody does who fits."""
        self._line_at = self.clock.boot_ms() + RETRY_LINE_MS * self.speed
        try:
            self.runner.meet()
        except LinkError as error:
            if str(error) != self._told_line:
                self._told_line = str(error)
                self._notice(f"The port is open again, but: {error}")
            return
        self._stranger = False
        code = self._found().code
        self._notice(
            "The line is back. This pump has no serial number: look at it, and confirm that it is the same one:"
            f" pump-ctrl resume --confirm NAME {code}"
        )

    # Ending.

    def leave(self) -> Parting:
        """Stop the pump, or leave the bounded hold where the plan says so; a second signal stops it in any case."""
        self._heeded, self._sign_at = self.signals.count, NEVER
        self.desk.serve()
        self.runner.leave()
        self._stop_if_asked()
        return self._parting()

    def second_thought(self, patience_ms: int) -> Parting | None:
        """Wait a moment for another signal or a STOP, which stops the pump; None if none came."""
        end = self.clock.boot_ms() + patience_ms * self.speed
        while (now := self.clock.boot_ms()) < end and not self.stop_requested():
            self.inputs.wait(min(end, now + 1_000 * self.speed))
        return self._parting() if self._stop_if_asked() else None

    def _stop_if_asked(self) -> bool:
        """Stop the pump if another signal or a STOP has come since; whether one had."""
        if not self.stop_requested():
            return False
        self._heeded = self.signals.count
        self.desk.serve()
        self.runner.request("signal", RequestKind.STOP)
        self._held(True)
        return True

    def _parting(self) -> Parting:
        run, guard = self.runner.controller.run, self.runner.guard
        start = self.shelf.plan(self.runner.controller.prescription.plan).start_utc_ms
        until = None if run is None else start + run.to_ms
        if guard.unsettled is not None:
            return Parting("unsettled", until)
        if guard.stop_open:
            return Parting("stop-unknown", until)
        if run is None:
            return Parting("stopped", None)
        return Parting("hold" if run.purpose == "hold" else "left", until)

    @property
    def waiting(self) -> bool:
        """Whether a person has to confirm what was given."""
        return self.runner.controller.state is State.WAITING
