"""Fixtures for tests of any program that speaks to a pump: simulated pumps on real devices, in virtual time.

Layer      top, beside cli. Loaded by pytest wherever this package is installed (entry point ``pytest11``), so it
           imports nothing of weight before a test asks for it.
Fixtures   ``pump_ctrl_sim`` makes pumps, ``pump_ctrl_clock`` is the time that they live in,
           ``pump_ctrl_serial_pair`` is a bare device of which the test plays the pump.
Marker     ``pump_ctrl_fault("stall@30s", …)``: what goes wrong in the pumps of a test.
Tests      tests/wire/test_pytest_plugin.py, docs/how-to/test-your-client.md
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pump_ctrl.clock import VirtualClock
    from sim.wire.loopback import LoopbackPump, SerialPair


class PumpMaker:
    """Makes simulated pumps that live until the test ends; what ``pump_ctrl_sim`` gives."""

    def __init__(self, clock: VirtualClock, faults: tuple[str, ...], opened: ExitStack) -> None:
        self._clock, self._faults, self._opened = clock, faults, opened

    def __call__(
        self,
        model: str = "reference",
        *,
        syringe: str | None = None,
        address: int = 0,
        serial: str = "SIM-0001",
        fill_nl: int | None = None,
        seed: int = 0,
        quirks: Mapping[str, str] | None = None,
        faults: tuple[str, ...] = (),
    ) -> LoopbackPump:
        """A pump of a model of ``pump-sim serve``, full unless ``fill_nl`` is given, on a device of its own.

        ``faults`` befall it beside those of the test's marker; times count from the clock's first instant.

        Raises:
            ValueError: there is no such model, or it cannot be so; the message says why.
        """
        from sim.fault_registry import Fault  # noqa: PLC0415
        from sim.wire.loopback import LoopbackPump  # noqa: PLC0415
        from sim.wire.serve import Wanted  # noqa: PLC0415

        wanted = Wanted(
            fill_nl=fill_nl,
            serial=serial,
            address=address,
            syringe=syringe,
            seed=seed,
            quirks=quirks or {},
            faults=[Fault.parse(text) for text in (*self._faults, *faults)],
        )
        pump = self._opened.enter_context(LoopbackPump(model, wanted, self._clock.true_ms))
        self._clock.on_advance(pump.advance)
        return pump


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        "pump_ctrl_fault(text, ...): faults of the test's simulated pumps, as pump-sim faults lists them",
    )


@pytest.fixture
def pump_ctrl_clock() -> VirtualClock:
    """The time of the test's pumps: it stands still until the test advances it."""
    from pump_ctrl.clock import VirtualClock  # noqa: PLC0415

    return VirtualClock()


@pytest.fixture
def pump_ctrl_sim(request: pytest.FixtureRequest, pump_ctrl_clock: VirtualClock) -> Iterator[PumpMaker]:
    """Makes simulated pumps behind real devices; they hear and answer at once, their time is the clock's."""
    marks = request.node.iter_markers("pump_ctrl_fault")
    faults = tuple(text for mark in marks for text in mark.args)
    with ExitStack() as opened:
        yield PumpMaker(pump_ctrl_clock, faults, opened)


@pytest.fixture
def pump_ctrl_serial_pair() -> Iterator[SerialPair]:
    """A real device, and its other end in the test's hands."""
    from sim.wire.loopback import SerialPair  # noqa: PLC0415

    pair = SerialPair()
    yield pair
    pair.close()
