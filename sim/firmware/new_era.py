"""Firmware of a simulated New Era NE-1000 syringe pump: packets, addresses, alarms, time-out, power.

Layer      sim.firmware. Written from the New Era NE-1000 wire specification alone, apart from any host.
Source     sections 3 and 4 (modes), 5 to 7 (status, errors, alarms), 14 (network), 15 (life cycle); commands in
           `new_era_commands`, the Pumping Program in `new_era_program`.
Readings   one alarm is kept, the newest; an alarm that a command itself causes is its reply, and so is
           acknowledged. A bad packet is answered, with ?COM and the prompt, by the pump whose address can be
           read in it; a line too long to hold with ?. Where the document is silent there is a quirk
           (`new_era_memory.QUIRKS`).
Invariants in Basic mode the pump never speaks first; in Safe mode each alarm is also sent unasked, which does
           not acknowledge it; a query changes nothing but a pending alarm.
Times      the methods take true time (ms of the world); the pump reads its own, drifting clock.
Tests      tests/unit/sim/test_firmware_new_era.py, tests/wire/new_era.toml
"""

from typing import Final, NamedTuple

from sim.firmware.base import Agenda, Mains
from sim.firmware.new_era_addresses import command_of, commands_for
from sim.firmware.new_era_commands import NOT_NOW, UNKNOWN, Commands, find
from sim.firmware.new_era_frames import Packet, Receiver, basic, repaired, safe, text_in, whole
from sim.firmware.new_era_kinds import kind_of_command
from sim.firmware.new_era_memory import TRIGGERS, Memory, Quirks
from sim.firmware.new_era_program import Program, Rest, State
from sim.firmware.new_era_standing import Standing
from sim.fluid import PL_PER_NL
from sim.mechanism import Mechanism
from sim.motor import NEVER
from sim.syringes import SyringePump

BAD_PACKET: Final = "?COM"
_FL_PER_NL: Final = 1_000_000
_SECOND_MS: Final = 1_000
_TRIGGER_PIN: Final = 2


class Cut(NamedTuple):
    """What a power cut interrupted: phase of the program and what was left of it."""

    phase: int
    rest: Rest | None


class NewEraFirmware(Mains):
    """One pump. `handle` answers bytes; `elapse` does what falls due; both are called in the order of time."""

    __slots__ = (
        "_clock",
        "_commands",
        "_cut",
        "_deadline",
        "_due",
        "_frozen",
        "_memory",
        "_program",
        "_pump",
        "_quirks",
        "_receiver",
        "_standing",
        "alarm",
        "alarm_ms",
        "next_ms",
        "off",
        "outbox",
    )

    def __init__(
        self,
        pump: SyringePump,
        mechanism: Mechanism,
        *,
        memory: Memory | None = None,
        quirks: Quirks | None = None,
    ) -> None:
        self._pump, self._clock = pump, mechanism.clock
        self._memory, self._quirks = memory or Memory(), quirks or Quirks()
        self._receiver = Receiver(refuse_length=self._quirks.refuse_length)
        self.outbox: list[tuple[int, bytes]] = []
        self._program = Program(self._pump, mechanism, self._memory, self._quirks, self._raise)
        self._commands = Commands(self._pump, self._memory, self._program, self._quirks)
        self._cut: Cut | None = None
        self._deadline = NEVER  # own ms at which Safe mode runs out of patience
        self._frozen: tuple[str, str] | None = None  # prompt and dispensed volume that are shown for ever
        self._standing: Standing | None = None
        self._due = (NEVER, NEVER)  # when the program has work, and when a host could notice some of it
        self.next_ms = NEVER  # when something is due
        self.alarm_ms = NEVER  # when a host could notice something
        self.alarm = ""  # letter of what nobody acknowledged
        self.off = True  # until its first power-up

    # What a bench may look at

    @property
    def memory(self) -> Memory:
        """What the pump remembers without power."""
        return self._memory

    @property
    def program(self) -> Program:
        """The Pumping Program at work."""
        return self._program

    @property
    def buzzing(self) -> bool:
        """Whether the buzzer sounds: BUZ1, or a fault with AL1."""
        return self._commands.buzzer or bool(self.alarm and self._memory.switches["AL"])

    @property
    def agenda(self) -> Agenda:
        """Itself."""
        return self

    # Power

    def power_up(self, now_ms: int) -> None:
        """State S, phase 1, counts 0, alarm R; the memory is as it was."""
        self.power_off(now_ms)
        self.off = False
        self._program.restart(now_ms)
        self._deadline, self._frozen, self._commands.buzzer = NEVER, None, False
        self._raise(now_ms, "R")
        self._after_power_failure(now_ms)
        self._changed()

    def power_off(self, now_ms: int) -> None:
        """Without power nothing runs, hears or speaks."""
        if self.off:
            return
        self._cut = self._interrupted(now_ms)
        self._program.stop(now_ms)
        self._receiver.clear()
        self.off, self._deadline = True, NEVER
        self._changed()

    def _interrupted(self, now_ms: int) -> Cut | None:
        program = self._program
        if not program.operating or program.state is State.PURGING:
            return None
        return Cut(program.course.phase, program.rest(now_ms) if program.state is State.PUMPING else None)

    def _after_power_failure(self, now_ms: int) -> None:
        cut, self._cut = self._cut, None
        if not cut or not self._memory.switches["PF"]:
            return
        if self._quirks.power_failure == "restart":
            self._program.start(now_ms, 1)
        elif self._quirks.power_failure == "resume":
            self._program.go_on(now_ms, *cut)

    # The course of time

    def elapse(self, t_ms: int) -> None:
        """Do everything that is due at `t_ms`: the program first, then the time-out."""
        if self.off:
            return
        self._program.elapse(t_ms)
        if self._clock.own(t_ms) >= self._deadline:
            self._deadline = NEVER
            if self._quirks.after_timeout == "S":
                self._program.stop(t_ms)
            elif self._program.operating:
                self._commands.stop(t_ms)
            self._raise(t_ms, "T")
        self._changed()

    def _changed(self) -> None:
        """Something is not as it was, counts apart: no answer stands, and other times may be due."""
        self._standing = None
        self._due = (NEVER, NEVER) if self.off else (self._program.next_ms, self._program.alarm_ms)
        self._plan()

    def _plan(self) -> None:
        """When something is due: in the program, or because no host was heard in time."""
        expiry_ms = self._clock.true(self._deadline)
        next_ms, alarm_ms = self._due
        self.next_ms = expiry_ms if expiry_ms < next_ms else next_ms
        self.alarm_ms = expiry_ms if expiry_ms < alarm_ms else alarm_ms

    def _arm(self, own_ms: int) -> None:
        seconds = self._memory.safe_s
        self._deadline = own_ms + seconds * _SECOND_MS if seconds else NEVER

    def _raise(self, t_ms: int, letter: str) -> None:
        self.alarm = letter
        if self._memory.safe_s:
            self.outbox.append((t_ms, safe(self._alarm_text())))

    # Bytes

    def handle(self, data: bytes, now_ms: int) -> bytes:
        """Take bytes that arrive at `now_ms`; return the replies."""
        if self.off:
            return b""
        standing = self._standing
        if standing is not None and standing.question == data:
            return self._answer_again(standing, now_ms)
        reply = self._answer_all(data, now_ms)
        self._standing = self._stands(data)
        return reply

    def take_pushed(self) -> list[tuple[int, bytes]]:
        """What the pump sent unasked and nobody took yet, each with its time."""
        taken, self.outbox = self.outbox, []
        return taken

    def kind_of(self, data: bytes) -> str:
        """What a host's message is, whichever pump it is for."""
        return kind_of_command(command_of(text_in(data)))

    def repair(self, data: bytes) -> bytes:
        """A Safe packet with its CRC made right; Basic mode has none."""
        return repaired(data)

    def _answer_all(self, data: bytes, now_ms: int) -> bytes:
        packets = self._receiver.feed(data, self._clock.own(now_ms))
        return b"".join(self._answer(packet, now_ms) for packet in packets)

    def _answer(self, packet: Packet, now_ms: int) -> bytes:
        if not self._takes(packet):
            return b""
        if not packet.good:
            return self._answer_bad(packet)
        commands = self._mine(packet.text)
        if not commands:
            if packet.safe and self._quirks.other_address_rearms and self._deadline < NEVER:
                self._arm(self._clock.own(now_ms))
                self._plan()
            return b""
        replies = [self._carry_out(command, packet, now_ms) for command in commands]
        self._arm(self._clock.own(now_ms))
        self._changed()
        return replies[-1]

    def _takes(self, packet: Packet) -> bool:
        """Whether the pump hears a packet at all."""
        return packet.safe or not self._memory.safe_s or self._quirks.text_in_safe_mode

    def _stands(self, data: bytes) -> Standing | None:
        """What answers the same bytes if they come again: DIS alone, to a pump that has nothing else to say."""
        packet = whole(data) if self._receiver.idle else None
        if not (packet and packet.good and self._takes(packet)) or self.alarm or self._frozen:
            return None
        if self._mine(packet.text) != ["DIS"]:
            return None
        head, dispensed = self._reply(self._prompt(), ""), self._commands.dispensed()
        return Standing(data, head, dispensed, safely=self._safely(packet))

    def _answer_again(self, standing: Standing, now_ms: int) -> bytes:
        """The standing answer; it is made anew when it shows another volume."""
        own_ms = self._clock.own(now_ms)
        self._arm(own_ms)
        self._plan()
        data = standing.dispensed.text(own_ms)
        if data != standing.data:
            standing.data, standing.reply = data, self._frame(standing.head + data, standing.safely)
        return standing.reply

    def _answer_bad(self, packet: Packet) -> bytes:
        if not self._mine(packet.text):
            return b""
        error = BAD_PACKET if packet.safe else UNKNOWN
        return self._frame(self._reply(self._prompt(), error), bool(self._memory.safe_s))

    def _mine(self, text: str) -> list[str]:
        """The commands of a text that are for this pump, without address."""
        return commands_for(self._memory.address, text, burst_all=self._quirks.burst_all)

    def _carry_out(self, command: str, packet: Packet, now_ms: int) -> bytes:
        """The framed reply to one command for this pump."""
        before = self._prompt()
        known = find(command.removeprefix("*")) or (("RESET", "") if command == "*RESET" else None)
        if self.alarm:
            return self._answer_alarm(known, packet)
        data = self._do(now_ms, command.startswith("*"), *known) if known else UNKNOWN
        if data is None:
            return b""
        if self._alarmed():
            return self._answer_alarm(known, packet)
        text = self._reply(before if self._quirks.late_prompt else self._prompt(), data)
        return self._frame(text, self._safely(packet) if known != ("SAF", "0") else bool(self._memory.safe_s))

    def _safely(self, packet: Packet) -> bool:
        """Whether the reply to a packet is a Safe one."""
        return bool(self._memory.safe_s) or (packet.safe and self._quirks.safe_reply_in_basic_mode)

    def _do(self, now_ms: int, system: bool, name: str, data: str) -> str | None:
        if system and name not in {"ADR", "RESET"}:
            return UNKNOWN
        if name == "RESET":
            return self._reset(now_ms)
        if name == "DIS" and not data and self._frozen:
            return self._frozen[1]
        return self._commands.carry_out(now_ms, name, data)

    def _reset(self, now_ms: int) -> str:
        """As from the factory: program and set-up are cleared, address 0, Basic mode."""
        if self._program.operating:
            return NOT_NOW
        self._memory.clear()
        self._program.change_syringe(now_ms)
        return ""

    def _answer_alarm(self, known: tuple[str, str] | None, packet: Packet) -> bytes:
        """The alarm instead of an answer; a command that the pump knows has acknowledged it."""
        text = self._alarm_text()
        if known or self._quirks.unknown_acknowledges:
            self.alarm = ""
        in_safe_mode = bool(self._memory.safe_s)
        if (
            known
            and known[0] == "SAF"
            and known[1].isdigit()
            and packet.safe
            and self._quirks.alarm_reply_as_asked
        ):
            in_safe_mode = int(known[1]) > 0
        return self._frame(text, in_safe_mode)

    def _alarmed(self) -> bool:
        """Whether the command that was just carried out raised an alarm."""
        return bool(self.alarm)

    # Parts of replies

    def _prompt(self) -> str:
        return self._frozen[0] if self._frozen else self._program.prompt

    def _reply(self, prompt: str, data: str) -> str:
        return f"{self._memory.address:02d}{prompt}{data}"

    def _alarm_text(self) -> str:
        return self._reply("A?", self.alarm)

    def _frame(self, text: str, in_safe_mode: bool) -> bytes:
        if in_safe_mode:
            return safe(text)
        return basic(text) + (b"\r" if self._quirks.stray_cr else b"")

    # What a bench does to it

    def filled(self, now_ms: int, told_nl: int = 0, alarm_nl: int = 0) -> None:
        """A person put a full syringe in; the pump cannot be told, its counts go on."""
        self._program.drive.filled(now_ms)
        self._changed()

    def set_input(self, now_ms: int, pin: int, level: int) -> None:
        """A TTL input changes; the trigger pin does what its code says, the event pin springs a trap."""
        program = self._program
        before, program.course.inputs[pin] = program.course.inputs[pin], level
        if before == level or self.off or self.alarm:
            return
        if pin == self._quirks.event_pin and not level:
            program.event(now_ms)
        if pin == _TRIGGER_PIN:
            self._trigger(now_ms, TRIGGERS[program.course.trigger_code or self._memory.trigger][level])
        self._changed()

    def _trigger(self, now_ms: int, what: str) -> None:
        program = self._program
        runs = program.operating and program.state is not State.WAITING
        if what == "stop" or (what == "toggle" and runs):
            if program.operating:
                self._commands.stop(now_ms)
        elif what and program.state is State.WAITING:
            program.go_past_wait(now_ms)
        elif what:
            self._commands.run(now_ms)

    # Faults

    def freeze_status(self, now_ms: int, *, on: bool) -> None:
        """Show the present prompt and dispensed volume for ever; or stop doing so."""
        frozen = (self._program.prompt, self._commands.carry_out(now_ms, "DIS", "") or "")
        self._frozen = frozen if on else None
        self._changed()

    def set_counter(self, now_ms: int, value_nl: int) -> None:
        """Make the infused volume show `value_nl` from now on."""
        self._program.show_infused(now_ms, value_nl * PL_PER_NL)
        self._changed()

    def ignore_stops(self, how: str, count: int) -> None:
        """STP is answered and does nothing (`honest`), seems to stop (`lie`) or is not heard (`silent`)."""
        self._commands.stop_ignored, self._commands.stops_to_ignore = how, count

    def run_unasked(self, now_ms: int, nl_per_h: int) -> None:
        """A pump that runs by itself, without end, as after a reset to a default rate."""
        self._program.run_wild(now_ms, nl_per_h * _FL_PER_NL)
        self._changed()

    def reset_and_go_on(self, now_ms: int) -> None:
        """A pump that resets and wrongly goes on with what it did."""
        cut = self._interrupted(now_ms)
        self.power_up(now_ms)
        if cut:
            self._program.go_on(now_ms, *cut)
        self._changed()
