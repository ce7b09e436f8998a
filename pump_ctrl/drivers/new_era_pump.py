"""What is known of the pump: prompt, counter, alarms, the permit that runs; how it is asked and how it is stopped.

Layer      drivers; imports codec, exchange, meter and phases.
Hazard     F-15, F-21 to F-24, F-63: an old prompt believed, a reset overlooked, a STOP taken for done.
Invariant  the pump counts as stopped only when DIS, which no other command is answered like, shows the prompt
           S; each power-up, and each fall of the counter that nothing explains, is a new epoch.
Source     New Era wire specification, sections 5 to 7, 11, 15. No physical pump was attached.
Tests      tests/unit/test_new_era_driver.py, test_new_era_line.py
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from pump_ctrl.drivers import new_era_codec as codec
from pump_ctrl.drivers.base import Link, PumpSettings, PumpState, PumpStatus, Unknown
from pump_ctrl.drivers.new_era_exchange import Conversation, Silence
from pump_ctrl.drivers.new_era_meter import Meter
from pump_ctrl.drivers.new_era_phases import STOPPED
from pump_ctrl.errors import WireError

STOP_TRIES: Final = 6
REMEMBERED: Final = 16  # alarms, and ended permits of this session, that are kept
RUNS: Final = PumpState.RUNNING  # told with every status, and an enum's own look-up is slow
_BUSY: Final = frozenset("IWTUX")  # prompts of a pump that moves, or may begin to move by itself


@dataclass(frozen=True, slots=True)
class Course:
    """A permit for which RUN has left at ``sent_ms``. The meter stood at ``base_nl`` then, in that life of it.

    ``alarms`` had been heard up to then; ``began``: a reply has shown that RUN was carried out.
    """

    id: int
    volume_nl: int
    sent_ms: int
    base_nl: int
    life: int
    alarms: int
    began: bool = False


class Pump:
    """One pump as this session knows it.

    Args:
        link: the byte pipe.
        owner: drawn once per session; epochs are made of it.
        settings: address and syringe.
    """

    def __init__(self, link: Link, owner: int, settings: PumpSettings) -> None:
        self._link, self._epoch, self.settings = link, owner << 16, settings
        self.talk = Conversation(link, settings.address, self._heard, self._lost)
        self.meter = Meter(settings.max_nl_per_h)
        self.prompt = ""  # of the last status, "" after an alarm
        self.fit = False  # identified, and neither reset nor lost since
        self.course: Course | None = None  # the last permit that RUN was sent for
        self.ended: dict[int, tuple[int, int]] = {}  # least and most that ended permits gave, nL
        self.absent: set[int] = set()  # permits whose RUN was proven lost
        self.heard = 0  # alarms, ever
        self._tick = 0
        self._alarms: frozenset[str] = frozenset()
        self._withdrew = False  # by the last status
        self._pushed: list[PumpStatus] = []

    @property
    def now_ms(self) -> int:
        """The link's clock."""
        return self._link.now_ms()

    @property
    def is_stopped(self) -> bool:
        """Whether the last status showed the prompt S."""
        return self.prompt == STOPPED

    # ---- asking ----------------------------------------------------------------------------------

    def look(self) -> PumpStatus | Unknown:
        """DIS: the prompt and the counter. A counter that cannot be is read twice."""
        read, at_ms = self._read(), self.talk.at_ms
        if isinstance(read, codec.Counter) and not self.meter.follow(read, at_ms):
            first, read = read, self._read()
            if isinstance(read, codec.Counter):
                if not self._agree(first, read):
                    return Unknown(f"the counter reads {first.infused_nl} nL, then {read.infused_nl} nL")
                self.meter.take(read, at_ms)
        if isinstance(read, Unknown):
            return read
        self._tick += 1
        self._withdrew = read.withdrawn_nl > 0 or self.prompt == "W"
        return self.picture()

    def _read(self) -> codec.Counter | Unknown:
        """Asked again once after a silence or an alarm."""
        reply = self.talk.ask("DIS", codec.COUNTER)
        if not isinstance(reply, codec.Reply):
            reply = self.talk.ask("DIS", codec.COUNTER)
        if not isinstance(reply, codec.Reply):
            return Unknown(f"DIS: {reply.detail}")
        try:
            counter = codec.parse_counter(reply.data)
        except WireError as err:
            return Unknown(f"DIS: {err}")
        self.prompt = reply.prompt
        return counter

    def _agree(self, first: codec.Counter, second: codec.Counter) -> bool:
        """Whether a reading that seemed impossible was read twice, or the second one is possible again."""
        if self.meter.is_plausible(second, self.now_ms):
            return True
        most = self.settings.max_nl_per_h // 3_600 + second.unit_nl  # in the second between them
        return 0 <= second.infused_nl - first.infused_nl <= most

    def picture(self) -> PumpStatus:
        """The status as it was last read, with the alarms heard since."""
        course, prompt, alarms, meter = self.course, self.prompt, self._alarms, self.meter
        if self._withdrew:
            alarms |= {codec.WITHDRAWN}
        total_nl, lives = meter.total_nl, meter.lives
        running_id, done_nl = None, 0
        if course is not None and course.life == lives and prompt in codec.RUNNING:
            running_id, done_nl = course.id, total_nl - course.base_nl
        state = RUNS
        if prompt not in _BUSY:
            state = PumpState.STALLED if "stall" in alarms else PumpState.IDLE
        epoch, tick_ms = self._epoch + lives, 0  # it tells no time
        return PumpStatus(
            epoch, self._tick, tick_ms, state, total_nl, running_id, 0, done_nl, None, None, alarms
        )

    # ---- alarms ----------------------------------------------------------------------------------

    def pushed(self) -> tuple[PumpStatus, ...]:
        """Take what was told by alarms, oldest first (the newest 16); waits for nothing.

        Counter and tick in them are those of the last status: an alarm tells neither.
        """
        self.talk.listen()
        if not self._pushed:
            return ()
        pushed, self._pushed = tuple(self._pushed), []
        return pushed

    def _heard(self, letter: str) -> None:
        """Take in an alarm. In Safe mode each comes twice, unasked and in reply, before the next status."""
        self.heard += 1
        if letter == "R":
            self.fit = False
            self.meter.power_up()
        self.prompt = ""  # it stands still: its next status says how
        self._alarms |= {codec.ALARMS.get(letter, f"alarm-{letter}")}
        self._pushed = [*self._pushed, self.picture()][-REMEMBERED:]

    def _lost(self) -> None:
        """The link failed. Who answers next has to be met like a stranger: it may be one (F-19)."""
        self.fit, self.prompt, self.course = False, "", None
        self.meter.begin_anew()

    # ---- stopping --------------------------------------------------------------------------------

    def halt(self) -> PumpStatus | Unknown:
        """STP pauses, a second one stops, a third is not applicable; an alarm for an answer is no stop."""
        detail, silences = "the pump does not get to the prompt S", 0
        for _ in range(STOP_TRIES):
            reply = self.talk.ask("STP", urgent=True)
            if isinstance(reply, codec.Reply) and (reply.prompt == STOPPED or reply.error):
                status = self.look()
                if isinstance(status, PumpStatus) and self.is_stopped:
                    self._close_course()
                    self._alarms &= {"stall"}  # of what it obeys nothing else is left to look at
                    return self.picture()
                silences += isinstance(status, Unknown)
            elif isinstance(reply, Silence):
                detail, silences = reply.detail, silences + 1
            if silences >= 2:
                break
        return Unknown(f"STP: {detail}")

    # ---- the permit that runs --------------------------------------------------------------------

    def begin(self, permit_id: int, volume_nl: int) -> Course:
        """RUN is about to leave for this permit."""
        meter = self.meter
        self.course = Course(permit_id, volume_nl, self.now_ms, meter.total_nl, meter.lives, self.heard)
        return self.course

    def began(self, course: Course) -> None:
        """RUN was answered by the prompt of a program that runs: it was carried out, whatever came then."""
        self.course = replace(course, began=True)

    def runs(self) -> PumpStatus:
        """The pump was seen to run: what was wrong with the motor is over."""
        self._alarms = frozenset()
        return self.picture()

    def bounds(self, course: Course) -> tuple[int, int]:
        """Least and most that a permit has given so far, by the counter; after a power-up it may be all of it."""
        unit, meter = self.meter.unit_nl, self.meter
        if course.life == meter.lives:
            given = meter.total_nl - course.base_nl
            return max(0, given - unit), given + unit
        seen = meter.before_nl - course.base_nl if meter.lives == course.life + 1 else 0
        return max(0, seen - unit), course.volume_nl + meter.counter_nl

    def _close_course(self) -> None:
        """The pump stands still: of a permit that surely ran the bounds are kept."""
        course = self.course
        if course is None or not (course.began or self.meter.total_nl > course.base_nl):
            return
        self.ended[course.id] = self.bounds(course)
        self.course = None
        if len(self.ended) > REMEMBERED:
            self.ended.pop(next(iter(self.ended)))
