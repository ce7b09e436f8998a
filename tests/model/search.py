"""Breadth first through everything that can happen, until nothing new is seen; then questions to the graph."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from pump_ctrl.errors import PumpCtrlError
from tests.model.alphabet import Action, Seen, seen
from tests.model.pump import MODES, Died
from tests.model.world import World, freeze, thaw


@dataclass(frozen=True, slots=True)
class Edge:
    """From one state to the next; ``mode``: what became of its first command."""

    source: int
    action: Action
    mode: str
    dest: int

    def __str__(self) -> str:
        return (
            self.action.name if self.mode == "ok" else f"{self.action.name}; its first command: {self.mode}"
        )


@dataclass
class Model:
    """What was found: states in the order in which they were, edges, and what was wrong."""

    states: list[Seen] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    came: list[Edge | None] = field(default_factory=list)  # the first edge into each state
    wrong: list[str] = field(default_factory=list)
    left: int = 0  # of the frontier, where the search was cut
    deepest: int = 0

    def path(self, state: int) -> list[Edge]:
        """How it was reached first."""
        edges: list[Edge] = []
        while (edge := self.came[state]) is not None:
            edges.append(edge)
            state = edge.source
        return edges[::-1]

    def in_words(self, edges: Sequence[Edge]) -> str:
        """A path, one line for each edge."""
        lines = [f"  a new journal [{self.states[0].state}]"]
        lines += [f"  {edge} [{self.states[edge.dest].state}]" for edge in edges]
        return "\n".join(lines)

    def say(self, what: str, edges: Sequence[Edge]) -> None:
        self.wrong.append(f"{what}, after\n{self.in_words(edges)}")

    def cannot_reach(self, goal: Callable[[Seen], bool], allowed: Callable[[Seen, Edge], bool]) -> list[int]:
        """States from which no path of allowed edges leads to the goal."""
        back: dict[int, list[int]] = {}
        for edge in self.edges:
            if allowed(self.states[edge.source], edge):
                back.setdefault(edge.dest, []).append(edge.source)
        reached = {i for i, state in enumerate(self.states) if goal(state)}
        todo = deque(reached)
        while todo:
            for source in back.get(todo.popleft(), ()):
                if source not in reached:
                    reached.add(source)
                    todo.append(source)
        return [i for i in range(len(self.states)) if i not in reached]


def apply(frozen: bytes, action: Action, mode: str) -> tuple[World, int]:
    """The world after that, and how many commands left in it."""
    world = thaw(frozen)
    world.pump.mode, world.pump.commands = mode, 0
    kept_off = world.kept_off
    try:
        action.do(world)
    except Died:
        world.kept_off = kept_off  # nobody was told that it was done
        world.die()
        world.begin_life()
    except PumpCtrlError as error:
        if action.by != "person":
            world.wrong += (f"{type(error).__name__} came out of it: {error}",)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
        world.wrong += (f"{type(error).__name__} came out of it: {error}",)
    world.pump.mode = "ok"
    world.look_at_open()
    return world, world.pump.commands


Check = Callable[[Seen, Edge, Seen, World, int], Iterable[str]]


def explore(
    first: World,
    actions: Sequence[Action],
    check: Check,
    *,
    modes: Sequence[str] = MODES,
    most_states: int = 1_000_000,
    stop_at_wrong: int = 10,
) -> Model:
    """Every state that the actions lead to; each is entered from one world, the first that came there."""
    model, known = Model(), dict[Seen, int]()
    depth: list[int] = []
    frontier: deque[tuple[int, bytes]] = deque()

    def enter(state: Seen, world: World, edge: Edge | None) -> None:
        known[state] = len(model.states)
        model.states.append(state)
        model.came.append(edge)
        depth.append(0 if edge is None else depth[edge.source] + 1)
        frontier.append((known[state], freeze(world)))

    enter(seen(first), first, None)
    while frontier and len(model.states) < most_states and len(model.wrong) < stop_at_wrong:
        at, frozen = frontier.popleft()
        source = model.states[at]
        world = thaw(frozen)
        for action in [action for action in actions if action.possible(world)]:
            stops = world.pump.stops
            for mode in ("ok", *modes):
                after, commands = apply(frozen, action, mode)
                if mode != "ok" and not commands:
                    break
                state = seen(after)
                new = state not in known
                dest = known.get(state, len(model.states))
                edge = Edge(at, action, mode, dest)
                found = {*after.wrong, *check(source, edge, state, after, after.pump.stops - stops)}
                after.wrong = ()
                if new:
                    enter(state, after, edge)
                model.edges.append(edge)
                for what in sorted(found):
                    model.say(what, [*model.path(at), edge])
                if mode == "ok" and not commands:
                    break
    model.left, model.deepest = len(frontier), max(depth)
    return model
