"""A slow ledger beside the guard's: a list of commands, Fractions, and the rules D-04 to D-06 word for word.

It reads the journal, not the guard, and looks at every instant at which anything begins or ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

HOUR = 3_600_000
NEVER = 10**15
STROKE = 100


@dataclass(frozen=True)
class Command:
    """One command: when it can have begun, what it asks, when it was surely over."""

    id: int
    sent: int
    latest: int  # latest begin
    steps: tuple[tuple[str, int, int, int], ...]
    certain: bool = False
    over: int = NEVER
    most: int = NEVER  # nL that it can have given at all, once it is over

    def basal_rate(self, at: Fraction) -> Fraction:
        """The fastest basal at an instant, over every begin it can have had."""
        begin, best = self.sent, Fraction(0)
        for kind, volume, lasts, share in self.steps:
            nl = volume if kind == "basal" else share
            if begin <= at < begin + lasts + self.latest - self.sent and at < self.over:
                best = max(best, Fraction(nl, lasts))
            begin += lasts
        return best

    def edges(self) -> set[int]:
        """Where its basal can change."""
        found, begin = {self.sent, self.over}, self.sent
        for _, _, lasts, _ in self.steps:
            found |= {begin, begin + lasts, begin + lasts + self.latest - self.sent}
            begin += lasts
        return found

    def bolus(self) -> tuple[Fraction, Fraction, int, int] | None:
        """Volume, pace, earliest begin and latest end of a bolus or prime."""
        kind, volume, lasts, share = self.steps[0]
        if kind == "basal":
            return None
        nl, pace = Fraction(volume - share), Fraction(volume - share, lasts)
        end = self.latest + lasts
        if self.over < end:
            had = max(self.over, self.sent) - self.sent
            nl, end = min(nl, pace * had + STROKE, Fraction(self.most + STROKE)), self.sent + max(had, 1)
        return nl, max(pace, nl / (end - self.sent)), self.sent, end


@dataclass
class Oracle:
    """Everything that was commanded."""

    commands: list[Command] = field(default_factory=list)
    uncut: list[Command] | None = None  # whose boluses count; a wish cuts no bolus

    def read(self, kind: str, data: Mapping[str, Any]) -> None:
        """Take in a record of the guard's journal."""
        at = data["at"]
        if kind == "intent":
            steps = tuple((s[0], s[1], s[2], s[3]) for s in data["steps"])
            self.commands.append(Command(data["id"], at, at + data["doubt_ms"], steps))
        elif kind == "outcome" and data["what"] == "acked":
            self._began(data["id"], at)
        elif (kind, data.get("what")) in (("outcome", "refused"), ("evidence", "not-given")):
            self.commands = [c for c in self.commands if c.id != data["id"]]
        elif kind == "evidence":
            command = self._find(data["id"])
            self._began(data["id"], min(at, command.latest))
            if data["ended"]:
                self._put(replace(self._find(data["id"]), over=at, most=data["hi"]))
        elif kind == "resolve":
            self._put(replace(self._find(data["id"]), certain=True))
        elif kind == "stop" and data["what"] == "acked":
            self._end([c for c in self.commands if c.certain], at)

    def _began(self, command_id: int, latest: int) -> None:
        command = self._find(command_id)
        self._end(
            [c for c in self.commands if c.certain and c.sent <= command.sent and c.id != command_id], latest
        )
        self._put(replace(command, latest=latest, certain=True))

    def _end(self, commands: Iterable[Command], at: int) -> None:
        for command in commands:
            self._put(replace(command, over=min(command.over, at)))

    def _find(self, command_id: int) -> Command:
        return next(c for c in self.commands if c.id == command_id)

    def _put(self, new: Command) -> None:
        self.commands = [new if c.id == new.id else c for c in self.commands]

    def with_request(self, sent: int, stop_ms: int, steps: Sequence[tuple[str, int, int, int]]) -> Oracle:
        """As if these steps took over from what is certain within ``stop_ms``."""
        cut = [replace(c, over=min(c.over, sent + stop_ms)) if c.certain else c for c in self.commands]
        new = Command(0, sent, sent + stop_ms, tuple(steps))
        return Oracle([*cut, new], uncut=[*self.commands, new])

    def basal(self, start: int, end: int) -> Fraction:
        """Most basal between two instants: one motor, so at each instant the fastest command."""
        cuts = sorted({start, end, *(e for c in self.commands for e in c.edges() if start < e < end)})
        total = Fraction(0)
        for a, b in pairwise(cuts):
            total += max((c.basal_rate(Fraction(a + b, 2)) for c in self.commands), default=Fraction(0)) * (
                b - a
            )
        return total

    def boluses(self, start: int, end: int, kinds: Sequence[str] = ("bolus",)) -> Fraction:
        """Most bolus volume between two instants, each part where it can have flowed."""
        total = Fraction(0)
        for command in self.commands if self.uncut is None else self.uncut:
            found = command.bolus()
            if found is None or command.steps[0][0] not in kinds:
                continue
            nl, pace, first, last = found
            by_end = min(nl, pace * max(0, end - first))
            by_start = max(Fraction(0), nl - pace * max(0, last - start))
            total += max(Fraction(0), by_end - by_start)
        return total

    def instants(self, width: int, first: int, last: int) -> list[int]:
        """Window ends between two instants at which a maximum can lie, and their neighbours."""
        found = {first, last}
        for command in [*self.commands, *(self.uncut or ())]:
            edges = set(command.edges())
            if (b := command.bolus()) is not None:
                nl, pace, start, end = b
                edges |= {start, start + int(nl / pace), start + int(nl / pace) + 1}
                edges |= {end, end - int(nl / pace), end - int(nl / pace) - 1}
            found |= edges | {edge + width for edge in edges}
        return sorted(t for t in found if first <= t <= last)
