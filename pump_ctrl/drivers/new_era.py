"""Driver of New Era NE-1000 syringe pumps: each permit a program of phases, proved by a tag and the counter.

Layer      drivers; imports ``base``, its own parts and the kernel. Made by ``registry`` only.
Hazard     a dose given twice or forgotten on a pump that knows no ids (F-01 to F-09, F-21 to F-25, F-63 to
           F-65, F-68); RUN from a pause, which would resume a rest; a volume of zero, which means "for ever".
Invariant  one RUN for a ``deliver``, from a proven S only, behind a program and a tag that were read back;
           ``Refused`` only while no RUN has left; what the counter cannot show is counted in full.
Source     New Era wire specification; what may be concluded from what is docs/adr/0009. No physical pump was
           attached.
Tests      tests/unit/test_new_era_driver.py, test_new_era_line.py, test_new_era_cuts.py, test_new_era_evidence.py
"""

from __future__ import annotations

from collections.abc import Callable

from pump_ctrl.drivers import new_era_codec as codec
from pump_ctrl.drivers.base import (
    Acked,
    Capabilities,
    Evidence,
    Identity,
    Link,
    Nothing,
    Outcome,
    Permit,
    PumpSettings,
    PumpStatus,
    Refused,
    StepKind,
    Unknown,
)
from pump_ctrl.drivers.new_era_connect import adjust, check_settings, meet
from pump_ctrl.drivers.new_era_evidence import evidence_of
from pump_ctrl.drivers.new_era_phases import NotDone, Programmer
from pump_ctrl.drivers.new_era_program import (
    FIRST,
    MOST_PHASES,
    Program,
    Tag,
    compile_program,
    exchanges,
    fastest_nl_per_h,
)
from pump_ctrl.drivers.new_era_pump import Pump
from pump_ctrl.errors import LinkError, WireError


class NewEraDriver:
    """A New Era pump behind ``link``.

    ``Refused`` codes: ``range``, ``not-identified`` (also after each power-up of the pump), ``stop-requested``,
    ``expired`` and ``not-stopped`` may come before anything was changed; from the STOP on a refusal carries the
    status of a pump that stands still, where it can be had: ``no-answer``, ``read-back``, the pump's errors
    (``out-of-range``, ``not-applicable``, ``garbled``, ``ignored``, ``not-recognised``) and its alarms.

    Args:
        link: the byte pipe; its clock is the only one looked at. Where it has ``buffered``, and that is true,
            silence proves nothing.
        owner: drawn once per session, 1 to 2**32 - 1; epochs are made of it.
        settings: address, syringe, and what happens when the host is lost.
        stop_requested: whether somebody asked to stop; looked at before every exchange of a ``deliver`` (D-01).

    Raises:
        ValueError: ``owner`` is out of range.
        InvalidInput: ``settings`` that no such pump can have.
    """

    def __init__(
        self,
        link: Link,
        owner: int,
        settings: PumpSettings,
        *,
        stop_requested: Callable[[], bool] = lambda: False,
    ) -> None:
        if type(owner) is not int or not 1 <= owner <= 0xFFFF_FFFF:
            raise ValueError(f"owner {owner!r} must be 1 to 2**32 - 1")
        check_settings(settings)
        self._link, self._settings, self._stop_requested = link, settings, stop_requested
        self._buffered = bool(getattr(link, "buffered", False))
        self._pump = Pump(link, owner, settings)
        self._model: str | None = None  # of the first pump that answered
        self._adjusted, self._tagged = False, False

    @property
    def link_noise(self) -> int:
        """Frames that were not for us or made no sense, and runs of bytes that were no frame."""
        return self._pump.talk.noise

    @property
    def unit_nl(self) -> int:
        """What the last digit of the pump's counter stood for when it was last read, nL."""
        return self._pump.meter.unit_nl

    @property
    def capabilities(self) -> Capabilities:
        """What such a pump can do with this syringe.

        Raises:
            LinkError: no ``identify`` has succeeded yet.
        """
        if self._model is None:
            raise LinkError("The pump has not been identified yet.", do_now="Call identify first.")
        return _capabilities(self._settings, buffered=self._buffered, simulated=self._link.simulated)

    def identify(self) -> Identity | Unknown:
        """Put the pump into the wanted mode and look at everything that a run depends on.

        Trigger input, power-failure mode and buzzer are set where they are not as wanted, but only on a pump
        that stands still; one that runs is left alone until the next ``deliver`` has stopped it. The syringe's
        diameter is never set from here: the person who mounted the syringe knows it. If another model answers
        later, its identity is returned, but ``deliver`` stays ``not-identified`` until the first one is back.
        """
        self._pump.fit = False
        try:
            identity, self._adjusted = meet(self._pump, self._model)
        except WireError as err:
            return Unknown(str(err))
        self._model = self._model or identity.model
        self._pump.fit = identity.model == self._model
        return identity

    def set_syringe(self) -> Outcome:
        """Tell the pump the diameter of the settings, for a person who has looked which syringe is in it.

        Only a pump that stands still is told. Its counter is cleared by that, which begins a new epoch.
        """
        pump, diameter_um = self._pump, self._settings.diameter_um or 0
        if isinstance(status := pump.look(), Unknown):
            return status
        if not pump.is_stopped:
            return Refused("running", status)
        pump.meter.power_up()
        pump.fit = False
        try:
            command = f"DIA{codec.number_text(diameter_um)}"
            desk = Programmer(pump.talk)
            desk.put(command, "DIA", codec.NUMBER, lambda data: codec.parse_number(data) == diameter_um)
        except WireError as err:
            return Refused(_code(err))
        status = pump.look()
        return status if isinstance(status, Unknown) else Acked(status)

    # ---- delivering ------------------------------------------------------------------------------

    def deliver(self, permit: Permit) -> Outcome:
        """Stop, write the phases and the tag, read them back, clear the counter, arm the tag, RUN once.

        The pump stands still meanwhile: what runs is stopped first, as no phase can be written while it does.
        """
        program = _program_of(permit, self._settings)
        if program is None:
            return Refused("range")
        if not self._pump.fit:
            return Refused("not-identified")
        if self._stop_requested():
            return Refused("stop-requested")
        if self._link.now_ms() + self.needed_ms(program) >= permit.expires_ms:
            return Refused("expired")
        if isinstance(self._pump.halt(), Unknown):
            return Refused("not-stopped")
        try:
            self._set_up(permit, program)
        except WireError as err:
            return self._not_done(_code(err))
        return self._run(permit, program)

    def needed_ms(self, program: Program) -> int:
        """How long it takes to get to RUN, as exchanges have taken so far: a permit that ends sooner stops nothing."""
        return (exchanges(program) + (0 if self._tagged else FIRST)) * self._pump.talk.mean_ms

    def _set_up(self, permit: Permit, program: Program) -> None:
        """Everything up to RUN. The order is that of ADR 0009: each cut in it has one meaning."""
        pump = self._pump

        def give_up() -> str:
            if self._stop_requested():
                return "stop-requested"
            return "expired" if pump.now_ms >= permit.expires_ms else "" if pump.fit else "reset"

        desk = Programmer(pump.talk, give_up)
        if not self._adjusted:
            self._adjusted = adjust(pump, desk)
        pump.meter.expect_clear()  # VOLUL may round it down
        desk.use_microlitres()
        prepared = Tag.of(permit.id, armed=False)
        if not self._tagged and desk.read_tag() is None:
            desk.prepare_tag(prepared)  # else a cut in the phases would leave nothing to tell by
        self._tagged = True
        desk.write(program.phases)
        desk.prepare_tag(prepared)
        self._clear_counter(desk)
        desk.arm_tag(Tag.of(permit.id, armed=True))
        if why := give_up():
            raise NotDone(why, f"RUN was not sent: {why}")

    def _clear_counter(self, desk: Programmer) -> None:
        pump = self._pump
        pump.meter.expect_clear()
        desk.tell("CLDINF")
        if isinstance(status := pump.look(), Unknown):
            raise NotDone("no-answer", status.detail)
        if pump.meter.counter_nl or not pump.is_stopped:
            raise NotDone("read-back", f"after CLDINF the counter stands at {pump.meter.counter_nl} nL")

    def _not_done(self, code: str) -> Refused:
        """Nothing has started; say so with a status of the pump that stands still, if it can be had."""
        status = self._pump.halt()
        return Refused(code, None if isinstance(status, Unknown) else status)

    def _run(self, permit: Permit, program: Program) -> Outcome:
        """Send RUN, once. From here on only the pump's own word makes anything certain."""
        pump = self._pump
        course = pump.begin(permit.id, program.volume_nl)
        reply = pump.talk.ask("RUN")
        took = isinstance(reply, codec.Reply) and not reply.error
        if isinstance(reply, codec.Reply) and reply.prompt in codec.RUNNING:
            pump.began(course)
        if isinstance(status := pump.look(), Unknown):
            return Unknown(f"RUN was sent; then {status.detail}")
        if not took or pump.prompt not in codec.RUNNING or pump.meter.lives != course.life:
            return Unknown(f"RUN was answered by {reply}, then the pump's prompt was {pump.prompt}")
        pump.began(course)
        return Acked(pump.runs())

    # ---- stopping and looking --------------------------------------------------------------------

    def stop(self) -> Outcome:
        """Send STP until the prompt S is seen; ``Unknown`` if it is not."""
        status = self._pump.halt()
        return status if isinstance(status, Unknown) else Acked(status)

    def read_status(self) -> PumpStatus | Unknown:
        """Ask for prompt and counter; in Safe mode this is the heartbeat too."""
        return self._pump.look()

    def evidence(self, permit_id: int) -> Evidence:
        """Conclude what ADR 0009 allows, no more; it may take 1 s of silence. A pump at rest is told STP by it.

        What a pump runs that another session has started can be told only when it stands still.
        """
        if self._model is None or not _is_count(permit_id, 2**64 - 1):
            return Nothing("the pump has not been identified, or the id is none")
        try:
            return evidence_of(self._pump, permit_id, buffered=self._buffered)
        except WireError as err:
            return Nothing(str(err))

    def notices(self) -> tuple[PumpStatus, ...]:
        """Alarms since the last call, oldest first; counter and tick in them are those of the last status."""
        return self._pump.pushed()

    def close(self) -> None:
        """Let go of the link; sends nothing."""
        self._link.close()


def _code(error: WireError) -> str:
    return error.code if isinstance(error, NotDone) else "read-back"


def _program_of(permit: Permit, settings: PumpSettings) -> Program | None:
    """The permit as a program; None if this pump cannot be told it."""
    steps = permit.steps
    whole = all(_is_count(step.volume_nl) and _is_count(step.duration_ms) for step in steps)
    if not (whole and _is_count(permit.id, 2**64 - 1) and all(step.duration_ms for step in steps)):
        return None
    if not 1 <= len(steps) <= min(settings.max_steps, MOST_PHASES):
        return None
    later = any(step.kind is not StepKind.BASAL for step in steps[1:])
    return None if later or permit.duration_ms > settings.max_lease_ms else compile_program(steps, settings)


def _is_count(value: object, most: int = 2**53) -> bool:
    """Whether ``value`` is a whole number that is not negative; a bool is none."""
    return type(value) is int and 0 <= value <= most


def _capabilities(settings: PumpSettings, *, buffered: bool, simulated: bool) -> Capabilities:
    return Capabilities(
        protocol="new-era",
        max_steps=min(settings.max_steps, MOST_PHASES),
        step_nl=settings.step_nl,
        counter_unit_nl=settings.counter_unit_nl,
        max_nl_per_h=fastest_nl_per_h(settings),
        max_lease_ms=settings.max_lease_ms,
        ttl_ms=None,
        dedup=False,
        keeps_outcomes=not buffered,  # the tag: through a network it proves less
        buffered=buffered,
        tells_time=False,
        simulated=simulated,
        stops_first=True,
        ahead_nl=settings.step_nl,
        clears_counter=True,
        hidden_nl=settings.counter_unit_nl,
    )
