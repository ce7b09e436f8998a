"""Every state that controller, guard and a small environment can come to, and what is true of each.

docs/safety/model-check.md says what is claimed, and what the abstraction leaves out.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pump_ctrl.controller.machine import State
from tests.model.alphabet import DISK, LINK, PEOPLE, PROCESS, PUMP, TIME, Action
from tests.model.claims import check, stuck
from tests.model.pump import MODES
from tests.model.search import Model, apply, explore
from tests.model.world import World, freeze

PAGE = Path(__file__).parents[2] / "docs" / "safety" / "model-check.md"
RESTART = PROCESS[:1]
Tell = Callable[[str, object], None]


def explored(
    world: World, actions: tuple[Action, ...], modes: tuple[str, ...], tell: Tell, most: int = 1_000_000
) -> Model:
    """The model, with nothing wrong in it; its size is printed in the summary of the run."""
    model = explore(world, (*TIME, *PEOPLE, *actions), check, modes=modes, most_states=most)
    assert not model.wrong, "\n".join(model.wrong)
    size = f"{len(model.states)} states, {len(model.edges)} edges, at most {model.deepest} steps deep"
    cut = f"; cut with {model.left} states not gone on from" if model.left else ", closed"
    named = "+".join(name for name, group in GROUPS.items() if set(group) <= set(actions))
    prime = ", with a prime" if world.prime else ""
    tell("count", f"model check: time+people+{named}, policy {world.policy}{prime}: {size}{cut}")
    return model


GROUPS = {"link": LINK, "restart": RESTART, "process": PROCESS, "pump": PUMP, "disk": DISK}


@pytest.mark.parametrize(("policy", "actions"), [("stop", LINK), ("hold", (*DISK, *RESTART))])
def test_no_state_of_the_small_model_breaks_a_claim_and_none_is_stuck(
    policy: str, actions: tuple[Action, ...], record_property: Tell
) -> None:
    model = explored(World(policy), actions, ("unheard",), record_property)
    assert model.left == 0
    assert not (found := stuck(model)), "\n".join(found[:5])
    size = f"| {policy} | {len(model.states):,} | {len(model.edges):,} | closed, every run of `./check` |"
    assert size in PAGE.read_text(encoding="utf-8"), size


CLOSED = (
    ("stop", True, LINK, ("unheard", "lost")),
    ("hold", False, (*LINK, *PROCESS), ("unheard",)),
    ("hold", False, (*PUMP, *RESTART), ("unheard",)),
    ("stop", True, (*DISK, *PROCESS), MODES),
)


@pytest.mark.deep
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("policy", "prime", "actions", "modes"), CLOSED)
def test_no_state_of_a_large_model_breaks_a_claim_and_none_is_stuck(
    policy: str, prime: bool, actions: tuple[Action, ...], modes: tuple[str, ...], record_property: Tell
) -> None:
    model = explored(World(policy, prime=prime), actions, modes, record_property)
    assert model.left == 0
    assert not (found := stuck(model)), "\n".join(found[:5])


@pytest.mark.deep
@pytest.mark.timeout(900)
@pytest.mark.parametrize("policy", ["stop", "hold"])
def test_no_state_breaks_a_claim_when_everything_can_happen_as_far_as_the_search_goes(
    policy: str, record_property: Tell
) -> None:
    """Not closed: no word about what is stuck."""
    explored(World(policy), (*LINK, *PUMP, *PROCESS, *DISK), MODES, record_property, most=4_000)


# What the search found, kept as paths: (what happened, what became of its first command).

ACTIONS = {action.name: action for action in (*TIME, *PEOPLE, *LINK, *PUMP, *PROCESS, *DISK)}
WAIT = "time goes by until something changes"


def walked(*path: str | tuple[str, str], policy: str = "stop") -> World:
    """The world at the end of a path, in which nothing was found wrong."""
    world = World(policy)
    for step in path:
        name, mode = (step, "ok") if isinstance(step, str) else step
        world, _ = apply(freeze(world), ACTIONS[name], mode)
        assert not world.wrong, world.wrong
    return world


def test_a_stop_that_was_not_heard_is_sent_again_though_the_pump_settles_a_command_meanwhile() -> None:
    """Settling took the STOP's next try away: a pump in FAULT ran on until the next poll, six hours later."""
    world = walked("confirm", (WAIT, "unheard"), "the cable is pulled", "stop", "the cable is back")
    world.runner.settle()
    at = world.clock.boot_ms()
    assert world.pump.flows
    world.runner.run_until(at + 60_000)
    assert not world.pump.flows


@pytest.mark.parametrize("ask", ["pause", "bolus", "refill"])
def test_a_request_that_finds_the_disk_full_stops_the_pump(ask: str) -> None:
    """A pause was refused, for want of a record, and the pump ran on until the next thing that had to be written."""
    world = walked("confirm", WAIT, "the disk is full")
    assert world.pump.flows
    world, _ = apply(freeze(world), ACTIONS[ask], "ok")
    assert not world.pump.flows
    assert "journal" in world.codes


def test_an_alarm_of_the_journal_is_over_for_a_process_that_can_write_it_again() -> None:
    """Written down, as when the sign of life beside it fails, it held for good: no command led out of FAULT."""
    world = walked("confirm", WAIT)
    world.runner.raise_alarm("journal", "the sign of life cannot be written")
    assert not world.pump.flows
    world, _ = apply(freeze(world), ACTIONS["killed and started again"], "ok")
    assert "journal" in world.codes
    for name in ("ack", "confirm", WAIT):
        world, _ = apply(freeze(world), ACTIONS[name], "ok")
    assert world.controller.state is State.RUNNING
