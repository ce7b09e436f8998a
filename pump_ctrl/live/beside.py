"""What stands beside the pump in a real run: a balance, a relay, each on a port of its own.

Layer      live.
Hazard     F-17, F-18: a second witness whose cable was out for a moment and is never heard again.
Invariant  a line that was lost is opened again before the next word on it; who answers then is asked who it is.
Tests      tests/unit/test_live_beside.py
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import Final

from pump_ctrl.assembly import balance_of, relay_of, second_of
from pump_ctrl.clock import Clock
from pump_ctrl.drivers.base import Unknown
from pump_ctrl.errors import InvalidInput, LinkError
from pump_ctrl.live.order import Opener, Order, Port
from pump_ctrl.live.trial import SCHEME, TrialPump
from pump_ctrl.safety.lookout import Second
from pump_ctrl.therapy.devices import load_balance, load_relay
from pump_ctrl.therapy.profiles import PumpProfile

SIMULATED_RELAY: Final = "lcus-1-no"  # the pump hangs on the normally open contact of the simulated board


class MendedLink:
    """A ``Link`` that opens its port again, if it was lost, when there is something to say."""

    def __init__(self, port: Port) -> None:
        self._port, self._lost = port, False
        self.simulated = port.simulated

    def now_ms(self) -> int:
        """As the port."""
        return self._port.now_ms()

    def write(self, data: bytes, *, deadline_ms: int) -> None:
        """Send all of ``data``.

        Raises:
            LinkError: the port cannot be had, or is lost.
        """
        try:
            self._mend()
            self._port.write(data, deadline_ms=deadline_ms)
        except LinkError:
            self._lost = True
            raise

    def read(self, *, deadline_ms: int) -> bytes:
        """What has arrived by then.

        Raises:
            LinkError: the port cannot be had, or is lost.
        """
        try:
            self._mend()
            return self._port.read(deadline_ms=deadline_ms)
        except LinkError:
            self._lost = True
            raise

    def _mend(self) -> None:
        if self._lost:
            self._port.reopen()
            self._lost = False

    def close(self) -> None:
        """Give the port back."""
        self._port.close()


def simulated_beside(order: Order) -> tuple[str, ...]:
    """What is to stand beside the simulated pump of a trial, by the names of ``TrialPump``."""
    wanted = {"balance": order.balance, "power-switch": order.power_cut}
    return tuple(name for name, url in wanted.items() if url == SCHEME)


def led_to(pump: TrialPump, order: Order) -> Order:
    """The order with the devices of a trial's own balance and relay."""
    names = simulated_beside(order)
    if "balance" in names:
        order = replace(order, balance=pump.beside["balance"])
    if "power-switch" in names:
        order = replace(order, power_cut=pump.beside["power-switch"], power_cut_type=SIMULATED_RELAY)
    return order


def first_word(second: Second | None) -> str:
    """What has to be said of the balance at the start: nothing, if it answers or there is none.

    One that does not is no reason to leave a pump alone: it is asked again and again, and its alarm follows.
    """
    word = None if second is None or second.sensor is None else second.sensor.read()
    if not isinstance(word, Unknown):
        return ""
    return f"The balance cannot be read, and is asked again: {word.detail}."


def open_beside(
    order: Order, profile: PumpProfile, clock: Clock, opener: Opener, opened: ExitStack
) -> Second | None:
    """Open the ports of what stands beside the pump; None if nothing does. ``opened`` closes them.

    Raises:
        InvalidInput: no such balance or relay, or a simulated one beside a real pump.
        LinkError: a port cannot be had.
    """
    if names := simulated_beside(order):
        raise InvalidInput(f"{' and '.join(names)}: {SCHEME} goes with --port {SCHEME} only")
    sensor = power_cut = None
    if order.balance is not None:
        balance = load_balance(order.balance_type)
        sensor = balance_of(balance, MendedLink(opener(order.balance, clock, balance.baud)))
        opened.callback(sensor.close)
    if order.power_cut is not None:
        relay = load_relay(order.power_cut_type)
        power_cut = relay_of(relay, MendedLink(opener(order.power_cut, clock, relay.baud)))
        opened.callback(power_cut.close)
    return second_of(profile, sensor, power_cut)
