"""Driver of the Harvard family of syringe pumps: Pump 11 Elite, Pico Plus Elite, PHD Ultra, KDS Legato.

Layer      drivers; imports ``base``, its codec, exchange and the like, and the kernel. Made by ``registry`` only.
Hazard     a dose given twice or forgotten by a pump that keeps no ids and goes on when its host dies.
Invariant  one ``irun`` for a ``deliver`` and no retry; it leaves only after the target volume that ends the run,
           and all else, was read back; once it has left, what pump and status do not agree on is ``Unknown``.
Source     Pump 11 Elite manual 5420-002 Rev C, bytes recorded from a real Legato 100, and the traps that other
           people's programs met. No pump was attached when this was written.
Tests      tests/unit/test_harvard_driver.py, test_harvard_faults.py, test_harvard_evidence.py

The pump stands still while it is set: about 16 exchanges. There is no watchdog on the wire. What bounds the loss
of the host is the target volume, which is the dose, and the lease. A rest is a pump that was stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Final

from pump_ctrl.drivers.base import (
    Acked,
    Capabilities,
    Evidence,
    Identity,
    Link,
    NotGiven,
    Nothing,
    Outcome,
    Permit,
    PumpSettings,
    PumpStatus,
    Refused,
    Unknown,
)
from pump_ctrl.drivers.harvard_amounts import (
    RunSetting,
    parse_diameter,
    parse_rate,
    parse_volume,
    rate_text,
    setting_for,
    volume_text,
)
from pump_ctrl.drivers.harvard_codec import Mark, Prompt, mark_rate, read_mark
from pump_ctrl.drivers.harvard_connect import Pump, meet
from pump_ctrl.drivers.harvard_exchange import Answer, Objection, Reader, Silence, line, nothing, words
from pump_ctrl.drivers.harvard_memory import Begun, Seen, concluded
from pump_ctrl.drivers.harvard_session import Session, complaint

PROTOCOL: Final = "harvard"
STOP_TRIES: Final = 3
SILENCE_MS: Final = 1_000  # before silence proves that nothing is on its way any more (D-15)
MAX_ADDRESS: Final = 99
U32_MAX, U64_MAX = 0xFFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF


class HarvardDriver:
    """A pump of the Harvard family, behind ``link``.

    ``Refused`` codes: ``not-identified``, ``range``, ``expired``, ``stop-requested``, ``not-stopped``,
    ``stalled``, ``reset``, ``no-answer``, ``objection`` (with the pump's words), ``read-back``, ``not-cleared``.
    Once anything was sent the pump has been told to stop, and the status says how it stands, if it answers. After
    ``reset`` the pump has to be identified again.

    Args:
        link: the byte pipe; its clock is the only one looked at.
        owner: drawn once per session, 1 to 2**32 - 1; the epochs of this session's statuses come from it.
        settings: of the pump's profile.
        stop_requested: whether somebody asked to stop; looked at between the exchanges of a ``deliver`` (D-01).

    Raises:
        ValueError: ``owner``, the address or the number of steps is out of range.
    """

    def __init__(
        self,
        link: Link,
        owner: int,
        settings: PumpSettings,
        *,
        stop_requested: Callable[[], bool] = lambda: False,
    ) -> None:
        if not (_is_count(owner, 1, U32_MAX) and _is_count(settings.address, 0, MAX_ADDRESS)):
            raise ValueError(f"owner {owner} must be 1 to 2**32 - 1, address {settings.address} 0 to 99")
        if settings.max_steps != 1:
            raise ValueError(f"this pump has one target: 1 step, not {settings.max_steps}")
        self._link, self._settings, self._stop_requested = link, settings, stop_requested
        self._session = Session(link, owner, settings.address)
        self._name: tuple[str, str | None] | None = None  # of the pump that was met last

    @property
    def link_noise(self) -> int:
        """Replies that were not to what was asked, and runs of bytes that were no reply."""
        return self._session.talk.noise

    @property
    def capabilities(self) -> Capabilities:
        """What the profile says; the pump's own range is looked at before each run.

        No watchdog is on the wire. ``keeps_outcomes`` holds for the last permit, where the pump keeps a mark.
        """
        settings = self._settings
        return Capabilities(
            protocol=PROTOCOL,
            max_steps=1,
            step_nl=settings.step_nl,
            counter_unit_nl=settings.counter_unit_nl,
            max_nl_per_h=settings.max_nl_per_h,
            max_lease_ms=settings.max_lease_ms,
            ttl_ms=None,
            dedup=False,
            keeps_outcomes=self._session.pump is not None and self._session.pump.marks,
            buffered=self._session.buffered,
            tells_time=False,
            simulated=self._link.simulated,
            stops_first=True,
            ahead_nl=settings.step_nl,
            clears_counter=True,
        )

    def identify(self) -> Identity | Unknown:
        """Meet the pump: about 15 exchanges. What does not fit is ``Unknown`` with a sentence; nothing is changed.

        If another pump answers later, its identity is returned, but ``deliver`` stays ``not-identified`` until
        the first one is back.
        """
        self._session.ready = False
        first = self._session.pump is None
        met = meet(self._session.talk, self._settings if first else replace(self._settings, model=None))
        if isinstance(met, str):
            return Unknown(met)
        if self._name not in (None, met.name):
            self._session.counter.restart()
        self._name = met.name
        known = self._session.pump is None or self._session.pump.name == met.name
        self._session.pump = met if known else self._session.pump
        seen = self._session.look()
        if isinstance(seen, Silence):
            return Unknown(f"The pump does not tell its status: {seen.detail}.")
        self._session.ready = known
        return Identity(met.model, met.firmware, met.serial, self._session.counter.epoch)

    def deliver(self, permit: Permit) -> Outcome:
        """Stop, set, read back, ``irun`` once: 18 exchanges, 2 for a rest.

        Until the ``irun`` leaves every failure is ``Refused``, for without it nothing can start.
        """
        if not self._session.ready or self._session.pump is None:
            return Refused("not-identified")
        if permit.id in self._session.memory.begun:
            return Unknown("an irun of this id left before; ask for evidence")
        setting = self._setting(permit, self._session.pump)
        if isinstance(setting, str):
            return Refused(setting)
        if code := self._interrupted(permit):
            self._session.memory.spare(permit.id)
            return Refused(code)
        for act in self._acts(permit, setting, self._session.pump):
            if code := act() or self._interrupted(permit) or self._forgotten():
                return self._refused(permit, code)
        return self._rest() if setting is None else self._run(permit, setting)

    def stop(self) -> Outcome:
        """Send ``stop`` until prompt and status agree that the motor stands still; three times at the most."""
        detail = ""
        for _ in range(STOP_TRIES):
            told = self._session.send_stop()
            seen = self._session.look() if isinstance(told, Answer) else told
            if isinstance(seen, Seen) and seen.stands:
                return Acked(seen.status)
            detail = seen.detail if isinstance(seen, Silence) else "its status says that it runs"
        return Unknown(f"the pump was told to stop {STOP_TRIES} times: {detail}")

    def read_status(self) -> PumpStatus | Unknown:
        """Ask for the status line; no stall is told without being asked for."""
        seen = self._session.look()
        return seen.status if isinstance(seen, Seen) else Unknown(seen.detail)

    def evidence(self, permit_id: int) -> Evidence:
        """Conclude what became of a permit from the mark that the pump carries and from its counter.

        A pump that stands still is told to stop once more, so that nothing of the permit can come any more.
        For an id of an earlier session the caller counts up the low 32 bits of its ids.
        """
        if (known := self._session.memory.closed.get(permit_id)) is not None:
            return known
        if self._session.pump is None or not _is_count(permit_id, 1, U64_MAX):
            return Nothing("the pump has not been identified")
        seen = self._session.look()
        if isinstance(seen, Silence):
            return Nothing(seen.detail)
        mark = self._mark(permit_id, self._session.pump)
        if mark is Mark.ARMED:
            return self._of_armed(permit_id, seen)
        if mark in (Mark.PREPARED, Mark.EARLIER):
            return NotGiven(f"the pump's mark is {mark}: no irun of this permit has left", seen.status)
        if mark is Mark.LATER:
            return Nothing("the pump's mark is that of another command", other=True)
        if mark is Mark.OTHER:
            gone = seen.stands and not self._session.buffered
            return Nothing("the pump carries no mark that tells", gone=gone)
        return Nothing(mark)

    def notices(self) -> tuple[PumpStatus, ...]:
        """None: in polling mode the pump says nothing by itself; what comes all the same is thrown away."""
        self._session.talk.drop()
        return ()

    def close(self) -> None:
        """Let go of the link; sends nothing."""
        self._link.close()

    # ---- what a deliver is made of -------------------------------------------------------------

    def _setting(self, permit: Permit, pump: Pump) -> RunSetting | str | None:
        """How the pump is to be set; None for a rest, a word for what it cannot do."""
        if not _is_count(permit.id, 1, U64_MAX) or len(permit.steps) != 1:
            return "range"
        step = permit.steps[0]
        whole = _is_count(step.volume_nl, 0, self._settings.capacity_nl)
        if not whole or not _is_count(step.duration_ms, 1, self._settings.max_lease_ms):
            return "range"
        if step.volume_nl == 0:
            return None
        setting = setting_for(step.volume_nl, step.duration_ms, self._settings)
        fits = setting is not None and pump.slowest <= setting.rate <= pump.fastest
        return setting if fits else "range"

    def _interrupted(self, permit: Permit) -> str:
        """Looked at after each exchange: without the ``irun`` nothing starts."""
        if self._stop_requested():
            return "stop-requested"
        return "expired" if self._link.now_ms() >= permit.expires_ms else ""

    def _forgotten(self) -> str:
        """A pump that was found to have been without power may have forgotten more than can be read back."""
        return "" if self._session.ready else "reset"

    def _acts(self, permit: Permit, setting: RunSetting | None, pump: Pump) -> Iterator[Callable[[], str]]:
        """All that comes before the ``irun``, in an order in which each cut can be told from the pump alone.

        The first mark is set before anything of the old run is cleared, the second when all is ready.
        """
        yield self._stand_still
        yield self._close_books
        if setting is None:
            return
        rate, target = rate_text(setting.rate), volume_text(setting.target)
        marks = [mark_rate(permit.id, armed=armed) for armed in (False, True)] if pump.marks else []
        yield from (partial(self._set, f"wrate {rate_text(mark)}") for mark in marks[:1])
        yield from (partial(self._set, command) for command in ("cttime", "ctvolume"))
        yield self._clear
        yield from (partial(self._set, command) for command in (f"irate {rate}", f"tvolume {target}"))
        diameter = (self._settings.diameter_um or 0) * 10
        yield partial(self._is_so, "diameter", line(_equal(parse_diameter, diameter)))
        yield partial(self._is_so, "irate", line(_equal(parse_rate, setting.rate)))
        yield partial(self._is_so, "ttime", words("Target time not set"))
        yield partial(self._is_so, "tvolume", line(_equal(parse_volume, setting.target)))
        yield self._is_cleared
        for mark in marks[1:]:
            yield partial(self._set, f"wrate {rate_text(mark)}")
            yield partial(self._is_so, "wrate", line(_equal(parse_rate, mark)))

    def _stand_still(self) -> str:
        return "" if isinstance(self._session.send_stop(), Answer) else "not-stopped"

    def _close_books(self) -> str:
        """The old run has ended: keep what it gave, before its counter is cleared."""
        seen = self._session.look()
        if isinstance(seen, Silence):
            return "no-answer"
        if not seen.stands:
            return "not-stopped"
        self._session.memory.close(seen, buffered=self._session.buffered, epoch=self._session.counter.epoch)
        return "stalled" if seen.stalled else ""

    def _set(self, command: str) -> str:
        told = self._session.ask(command, nothing)
        if isinstance(told, Objection):
            return f"objection: {command}: {told.words}"
        if isinstance(told, Silence):
            return "no-answer"
        return "" if told.prompt.stands else "not-stopped"

    def _clear(self) -> str:
        self._session.counter.clearing = True
        return self._set("civolume")

    def _is_so(self, command: str, read: Reader[bool | None]) -> str:
        """Read back; a reader of words says None, one that compares whether it is equal."""
        told = self._session.ask(command, read)
        if isinstance(told, Answer):
            return "read-back" if told.value is False else "" if told.prompt.stands else "not-stopped"
        return f"objection: {command}: {told.words}" if isinstance(told, Objection) else "no-answer"

    def _is_cleared(self) -> str:
        seen = self._session.look()
        if isinstance(seen, Silence):
            return "no-answer"
        return "" if seen.stands and not seen.stalled and seen.infused_fl == 0 else "not-cleared"

    def _refused(self, permit: Permit, code: str) -> Refused:
        """Nothing of the permit was started; see to it that the pump stands still, and tell how it stands."""
        self._session.memory.spare(permit.id)
        seen = self._session.look()
        if isinstance(seen, Seen) and not seen.stands:
            self._session.send_stop()
            seen = self._session.look()
        return Refused(code, seen.status if isinstance(seen, Seen) else None)

    def _rest(self) -> Outcome:
        """The step gives nothing: the pump was stopped, and that is all."""
        return Unknown("no status") if self._session.latest is None else Acked(self._session.latest.status)

    def _run(self, permit: Permit, setting: RunSetting) -> Outcome:
        """Send ``irun``, once. From here on only what the pump says makes anything certain."""
        self._session.memory.begin(permit.id, Begun(setting.target, self._session.counter.epoch))
        told = self._session.ask("irun", nothing)
        if isinstance(told, Objection):
            return self._objected(permit, told)
        if isinstance(told, Silence):
            return Unknown(complaint("irun", told))
        if told.prompt is not Prompt.INFUSING:
            return self._abort(f"after irun the pump's prompt is {told.prompt.value}")
        if not self._session.ready:  # it runs at a rate of its own, without a target
            return self._abort("the pump has lost its power just before irun, and with it how it was set")
        seen = self._session.look()
        if isinstance(seen, Silence):
            return Unknown(f"after irun: {seen.detail}")
        if not (seen.infuses or (seen.reached and seen.infused_fl > 0)):
            return self._abort("the pump took irun, but its status does not say that it infuses")
        return self._bounded(setting, seen)

    def _bounded(self, setting: RunSetting, seen: Seen) -> Outcome:
        """The run has begun: see that the target stands that will end it."""
        told = self._session.ask("tvolume", line(_target))
        if isinstance(told, Silence):
            return Unknown(complaint("tvolume", told))
        if isinstance(told, Answer) and told.value == setting.target:
            return Acked(seen.status)
        return self._abort("the pump runs, but the target volume that ends its run is gone")

    def _abort(self, detail: str) -> Unknown:
        """A run that is not as it should be is stopped; what it gave is for ``evidence`` to tell."""
        self._session.send_stop()
        return Unknown(f"{detail}; it was told to stop")

    def _objected(self, permit: Permit, told: Objection) -> Outcome:
        """The pump says no to ``irun``: nothing began, if its counter says so too."""
        seen = self._session.look()
        if isinstance(seen, Seen) and seen.stands and seen.infused_fl == 0:
            self._session.memory.spare(permit.id)
            return Refused(f"objection: irun: {told.words}", seen.status)
        return Unknown(complaint("irun", told))

    # ---- evidence ------------------------------------------------------------------------------

    def _mark(self, permit_id: int, pump: Pump) -> Mark | str:
        """What is known of a permit: from memory in the session that sent it, else from the pump's mark."""
        if permit_id in self._session.memory.begun:
            return Mark.ARMED
        if permit_id in self._session.memory.spared:
            return Mark.PREPARED
        if not pump.marks:
            return Mark.OTHER  # it keeps none
        told = self._session.ask("wrate", line(parse_rate))
        return read_mark(told.value, permit_id) if isinstance(told, Answer) else complaint("wrate", told)

    def _of_armed(self, permit_id: int, seen: Seen) -> Evidence:
        """The run was started, or was about to be."""
        begun = self._session.memory.begun.get(permit_id) or self._adopt(permit_id)
        if isinstance(begun, str):
            return Nothing(begun)
        if seen.stands:
            if seen.infused_fl == 0:
                self._session.talk.listen(SILENCE_MS)
            stopped = self._session.send_stop()
            looked = self._session.look() if isinstance(stopped, Answer) else stopped
            if isinstance(looked, Silence):
                return Nothing(looked.detail)
            seen = looked
        return concluded(begun, seen, buffered=self._session.buffered, epoch=self._session.counter.epoch)

    def _adopt(self, permit_id: int) -> Begun | str:
        """Take over a permit of an earlier session: its volume is the pump's target, if that still stands."""
        told = self._session.ask("tvolume", line(_target))
        if not isinstance(told, Answer):
            return complaint("tvolume", told)
        most = told.value or self._settings.capacity_nl * 1_000_000
        begun = Begun(most, self._session.counter.epoch)
        self._session.memory.begin(permit_id, begun)
        return begun


def _target(text: str) -> int | None:
    """The target volume, None if none is set."""
    return None if text.upper() == "TARGET VOLUME NOT SET" else parse_volume(text)


def _equal(read: Callable[[str], int], wanted: int) -> Callable[[str], bool]:
    return lambda text: read(text) == wanted


def _is_count(value: object, low: int, high: int) -> bool:
    """Whether ``value`` is an integer of the range; a bool is none."""
    return type(value) is int and low <= value <= high
