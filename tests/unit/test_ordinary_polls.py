"""A poll that only tells that the pump runs takes a short way through runner, controller and guard. A run in which each
takes the long one sends the same bytes, at the same time, and writes the same journal.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from pump_ctrl.bench.stack import SimulatedStack
from pump_ctrl.controller.core import Controller
from pump_ctrl.controller.events import RequestKind
from pump_ctrl.safety.intake import Intake
from pump_ctrl.therapy.formulary import load_formulary
from pump_ctrl.therapy.plan import plan_from
from pump_ctrl.therapy.profiles import load_profile

HOUR: Final = 3_600_000
TWIN: Final = Path(__file__).parents[2] / "examples" / "a-bench-twin.toml"
PAUSED, RESUMED, STOPPED = RequestKind.PAUSE, RequestKind.RESUME, RequestKind.STOP
Asked = tuple[tuple[float, RequestKind], ...]
Sent = list[tuple[int, str, bytes]]


@contextmanager
def the_long_way() -> Iterator[None]:
    """Every poll is a ``Tick``, an effect and an event, and every status is looked at in full."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Controller, "polls", lambda controller, now_ms: False)
        patch.setattr(Intake, "_goes_on", lambda intake, status, since: False)
        yield


def twin(on_loss: object, faults: tuple[str, ...]) -> SimulatedStack:
    """The bench twin of worked plan A, confirmed: a status every 15 s if it stops on loss."""
    values = tomllib.loads(TWIN.read_text(encoding="utf-8"))
    plan = plan_from({**values, "on_loss": on_loss})
    stack = SimulatedStack(plan, load_profile(plan.pump), load_formulary(), faults=faults)
    stack.begin()
    return stack


def life(on_loss: object, faults: tuple[str, ...], asked: Asked, hours: float) -> tuple[SimulatedStack, Sent]:
    """A stack at its end, and all that went over the wire."""
    stack, sent = twin(on_loss, faults), list[tuple[int, str, bytes]]()
    stack.wire.tap = lambda at_ms, what, data: sent.append((at_ms, what, data))
    for at_h, kind in asked:
        stack.run_to(int(at_h * HOUR))
        stack.runner.acknowledge("tester")
        stack.ask(f"{kind} {at_h}", kind)
    stack.run_to(int(hours * HOUR))
    return stack, sent


@pytest.mark.parametrize(
    ("on_loss", "faults", "asked", "hours"),
    [
        ("stop", (), (), 16),  # with the bolus at 14 h
        ({"hold": "4 h"}, (), (), 5),
        ("stop", ("stall@2h:for=20min",), ((2.6, RESUMED),), 4),
        ("stop", ("power-loss@2h:for=1min",), ((2.5, RESUMED),), 4),
        ("stop", ("silence@2h:for=40s", "lose-reply@3h:type=status,count=3"), ((2.5, RESUMED), (3.5, RESUMED)), 5),
        ("stop", ("over-infusion@1h:gain_ppm=500000",), ((2.0, RESUMED),), 3),
        ("stop", ("status-stuck@1h:for=10min", "corrupt-reply@3h:type=status"), ((2.0, RESUMED),), 4),
        ("stop", ("duplicate-reply@1h:type=status,count=9,by=15s", "garbage@2h:times=30"), (), 3),
        ("stop", ("counter-reset@1h:value_nl=123400",), ((2.0, RESUMED),), 3),
        ("stop", (), ((1.0, PAUSED), (1.5, RESUMED), (2.0, STOPPED), (2.1, RESUMED)), 3),
    ],
)  # fmt: skip
def test_a_run_in_which_each_poll_takes_the_long_way_is_the_same(
    on_loss: object, faults: tuple[str, ...], asked: Asked, hours: float
) -> None:
    short, sent = life(on_loss, faults, asked, hours)
    with the_long_way():
        long, sent_too = life(on_loss, faults, asked, hours)
    assert sent == sent_too
    assert short.journal.head == long.journal.head
    assert short.controller.next_wakeup() == long.controller.next_wakeup()
    assert (short.controller.state, short.guard.last_status) == (
        long.controller.state,
        long.guard.last_status,
    )


def test_nearly_every_poll_takes_the_short_way() -> None:
    stack, took = twin("stop", ()), list[bool]()
    goes_on = Controller.goes_on

    def counting(controller: Controller, status: object, now_ms: int) -> bool:
        took.append(goes_on(controller, status, now_ms))  # type: ignore[arg-type]
        return took[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Controller, "goes_on", counting)
        stack.run_to(10 * HOUR)
    assert sum(took) > 10 * 240 - 100  # every 15 s, but for those around a command
