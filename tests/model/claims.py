"""What has to be true of every state and every edge of the model, and of its graph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tests.model.alphabet import PERSONS_ONLY, Seen
from tests.model.search import Edge, Model
from tests.model.world import PERMITS, World

AT_REST: Final = ("PAUSED", "STOPPED", "FAULT")
MAY_DELIVER: Final = ("READY", "RUNNING", "BOLUS", "PRIMING", "UNCERTAIN")


def check(before: Seen, edge: Edge, after: Seen, world: World, stops: int) -> Iterator[str]:
    """What is wrong with this edge and the world behind it, in words."""
    yield from _stop(before, edge, after, world, stops)
    yield from _delivers(after, world)
    yield from _left_by(before, edge, after)
    counted = world.pump.counted_nl
    if world.guard.low_nl > counted or (counted > world.guard.high_nl and not world.overran):
        yield f"{counted} nL left, the ledger says {world.guard.low_nl} to {world.guard.high_nl} nL"


def _stop(before: Seen, edge: Edge, after: Seen, world: World, stops: int) -> Iterator[str]:
    """STOP goes out from every state at once, stops a pump that hears it, and is repeated for one that does not."""
    if edge.action.name != "stop" or edge.mode.startswith("dies"):
        return
    if not stops:
        yield f"a STOP asked for in {before.state} did not go out"
    if before.linked and edge.mode == "ok" and (world.pump.flows or after.flows != "nothing"):
        yield f"a STOP asked for in {before.state} left the pump running"
    if after.state in MAY_DELIVER:
        yield f"after a STOP the state is {after.state}"
    if not world.pump.answered and not after.halting:
        yield "a STOP that was not acknowledged is taken for done"


def _delivers(after: Seen, world: World) -> Iterator[str]:
    """While an inhibition holds, the pump gives nothing but what a hold covers, or a STOP is under way."""
    if not world.pump.flows or after.halting or not after.met:
        return
    held = world.policy == "hold" and not world.kept_off
    if world.kept_off:
        yield "the pump runs though a person stopped it, and no STOP is under way"
    if after.state in AT_REST and not (held and after.state == "FAULT" and after.left_running):
        yield f"the pump runs in {after.state}, and no STOP is under way"
    if after.state == "WAITING" and not held:
        yield "the pump runs while the plan says to stop and nobody has confirmed"
    forbidding = [code for code in after.inhibiting if code in NOTHING_RUNS]
    if forbidding:
        yield f"the pump runs while {', '.join(sorted(forbidding))} inhibits all, and no STOP is under way"


NOTHING_RUNS: Final = frozenset(
    code for code, permits in PERMITS.items() if not permits and code != "stop-unknown"
)


def _left_by(before: Seen, edge: Edge, after: Seen) -> Iterator[str]:
    """Only a resume or a confirm lets the plan go on from where a person is waited for."""
    if edge.action.name in ("resume", "confirm"):
        return
    if before.state in PERSONS_ONLY and after.state in MAY_DELIVER:
        yield f"{before.state} was left for {after.state} without a resume or a confirm"


# Of the graph.


def delivers(state: Seen) -> bool:
    """The plan runs: what faults and people held up goes on."""
    return (
        state.state == "RUNNING" and state.flows == "run" and state.linked and not state.full and state.knows
    )


def on_the_way(state: Seen, edge: Edge) -> bool:
    """What may happen once faults clear: a cure, time, a documented command, a new start where the docs ask for it.

    It is asked for after a failed journal and where the pump did not answer at the start.
    """
    if edge.mode != "ok":
        return False
    if edge.action.name == "killed and started again":
        return state.latched or not state.met
    return edge.action.heals or edge.action.by in ("time", "person")


def by_command(state: Seen, edge: Edge) -> bool:
    """What a person can do, and time; no cure and no STOP."""
    return edge.mode == "ok" and edge.action.by in ("time", "person") and edge.action.name != "stop"


def healthy(state: Seen) -> bool:
    """No fault is there any more; what it left behind may be."""
    return (
        state.linked and not state.full and not state.latched and state.met and state.pump in ("idle", "runs")
    )


def stuck(model: Model) -> list[str]:
    """Paths to states that break a claim on the graph, in words; complete only for a model that is closed."""
    found = [
        f"the plan cannot go on any more, after\n{model.in_words(model.path(at))}"
        for at in model.cannot_reach(delivers, on_the_way)
    ]
    found += [
        f"no command leads out of {model.states[at].state}, after\n{model.in_words(model.path(at))}"
        for at in model.cannot_reach(delivers, by_command)
        if healthy(model.states[at])
    ]
    return found
