"""Defects planted in the product one at a time: the search finds each, and shows the way to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import pytest

from pump_ctrl.controller.core import Controller
from pump_ctrl.controller.machine import State, Trigger
from pump_ctrl.controller.people import People
from pump_ctrl.controller.pump_side import PumpSide
from pump_ctrl.controller.session import Session
from pump_ctrl.errors import NotAllowed
from pump_ctrl.runner import Runner
from pump_ctrl.safety.admission import Inhibition
from pump_ctrl.safety.history import History
from tests.model.alphabet import DISK, LINK, PEOPLE, PROCESS, PUMP, TIME, Action
from tests.model.claims import check, stuck
from tests.model.search import explore
from tests.model.world import World

RESTART = PROCESS[:1]
Plain = Callable[..., Any]


def _no_way_after_a_fault(_: Plain) -> Plain:
    return lambda _people: []


def _no_stop_while_unsettled(plain: Plain) -> Plain:
    return lambda people: [] if people._s.unsettled else plain(people)


def _goes_on_after_an_ack(plain: Plain) -> Plain:
    def cleared(people: People) -> Any:  # noqa: ANN401
        effects = plain(people)
        people._s.fire(Trigger.RESUME)
        return effects

    return cleared


def _no_resolve_while_waiting(plain: Plain) -> Plain:
    def resolve(runner: Runner, *told: Any) -> None:  # noqa: ANN401
        if runner.controller.state is State.WAITING:
            raise NotAllowed("not now", code="not-possible")
        plain(runner, *told)

    return resolve


def _a_stop_is_forgotten(_: Plain) -> Plain:
    def reset_retry(session: Session) -> None:
        session.retry_at, session.retry_wait = None, session.timing.retry_ms

    return reset_retry


def _a_stop_is_tried_once(plain: Plain) -> Plain:
    def halted(pump: PumpSide, outcome: Any, now: int) -> Any:  # noqa: ANN401
        effects = plain(pump, outcome, now)
        pump._s.retry_at = None
        return effects

    return halted


def _no_resume_of_a_pause(plain: Plain) -> Plain:
    return lambda people, now: [] if people._s.state is State.PAUSED else plain(people, now)


def _no_confirm(plain: Plain) -> Plain:
    def waiting(people: People, *told: Any) -> Any:  # noqa: ANN401
        effects = plain(people, *told)
        people._s.fire(Trigger.CONFIRM)
        return effects

    return waiting


def _unwritten_and_unseen(_: Plain) -> Plain:
    @contextmanager
    def durable(_runner: Runner) -> Iterator[None]:
        yield

    return durable


def _forgets_who_stopped(plain: Plain) -> Plain:
    def replay(controller: Controller, *told: Any) -> None:  # noqa: ANN401
        plain(controller, *told)
        controller._session.stopped = False

    return replay


def _what_may_still_flow_is_left_out(_: Plain) -> Any:  # noqa: ANN401
    return property(lambda history: history.low_nl)


class Defect(NamedTuple):
    """What is put in the place of what, where it has to be looked for, and in which words it is found."""

    what: str
    where: type
    name: str
    plant: Callable[[Plain], Plain]
    policy: str
    actions: tuple[Action, ...]
    found: str


DEFECTS: Final = (
    Defect("no resume after FAULT", People, "_cleared", _no_way_after_a_fault, "stop", LINK, "out of FAULT"),
    Defect("STOP refused while unsettled", People, "_stop", _no_stop_while_unsettled, "stop", LINK, "a STOP"),
    Defect(
        "goes on after an ack", People, "_cleared", _goes_on_after_an_ack, "stop", LINK, "FAULT was left for"
    ),
    Defect(
        "a bolus beside an alarm", Inhibition, "judge", lambda _: lambda *_: None, "hold", PUMP, "inhibits it"
    ),
    Defect(
        "nobody may resolve in WAITING",
        Runner,
        "resolve",
        _no_resolve_while_waiting,
        "stop",
        (*PUMP[3:4], *RESTART),
        "no command leads out of WAITING",
    ),
    Defect("a STOP is forgotten", Session, "reset_retry", _a_stop_is_forgotten, "stop", LINK, "sent again"),
    Defect("a STOP is tried once", PumpSide, "halted", _a_stop_is_tried_once, "stop", LINK, "sent again"),
    Defect("no resume of a pause", People, "_resume", _no_resume_of_a_pause, "stop", (), "out of PAUSED"),
    Defect("WAITING is left by itself", People, "waiting", _no_confirm, "stop", RESTART, "was left for"),
    Defect(
        "a full disk that nobody notices",
        Runner,
        "_durable",
        _unwritten_and_unseen,
        "stop",
        (*DISK, *RESTART),
        "a person stopped it",
    ),
    Defect(
        "a ledger without doubt",
        History,
        "high_nl",
        _what_may_still_flow_is_left_out,
        "stop",
        LINK,
        "nL left, the ledger says",
    ),
    Defect(
        "a hold after a person's stop",
        Controller,
        "replay",
        _forgets_who_stopped,
        "hold",
        RESTART,
        "a hold left though a person had stopped",
    ),
)


@pytest.mark.deep
@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.what)
def test_the_search_finds_a_planted_defect(defect: Defect, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = getattr(defect.where, defect.name)
    monkeypatch.setattr(defect.where, defect.name, defect.plant(plain))
    model = explore(
        World(defect.policy), (*TIME, *PEOPLE, *defect.actions), check, modes=("unheard",), stop_at_wrong=1
    )
    found = model.wrong or stuck(model)
    assert found
    assert any(defect.found in each for each in found), found[0]
