"""The columns of the matrix: what was going on. How it comes to the moment, and what happens then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.crash.bench import PERSON, Bench
from tests.whole_stack import MINUTE

Step = Callable[[Bench], object]
SLOT: Final = 30 * MINUTE
# When the basal of the plan without a bolus is told again, ms.
BASAL_AT: Final = {
    "implant-40, stop": 85_507_314, "ne-1000-bd-10ml, stop": 85_524_015, "pump-11-elite-bd-10ml, stop": 3_154_480,
    "implant-40, hold": 85_507_314, "ne-1000-bd-10ml, hold": 3_155_580, "pump-11-elite-bd-10ml, hold": 3_154_480,
}  # fmt: skip


@dataclass(frozen=True)
class Doing:
    """One column.

    ``before`` starts from a pump that nobody has met, ``do`` is the window in which it may be cut off; ``flavour`` is
    that of the plan.
    """

    name: str
    before: Step
    do: Step
    flavour: str = ""

    def __str__(self) -> str:
        return self.name


def _to(at: int) -> Step:
    def before(bench: Bench) -> None:
        bench.begin()
        bench.wait_until(at)

    return before


def _before_load(bench: Bench) -> None:
    bench.paper("next")  # it was signed earlier
    _to(10 * MINUTE)(bench)


def _to_basal(bench: Bench) -> None:
    _to(BASAL_AT[str(bench.kind)] - 5_000)(bench)


def _ask(verb: str, **more: str | bool) -> Step:
    def do(bench: Bench) -> None:
        bench.ask(verb, **more)
        bench.wait(MINUTE)

    return do


def _load(flavour: str) -> Step:
    def do(bench: Bench) -> None:
        paper = bench.paper(flavour)
        bench.ask("load", plan=str(paper), sha256=bench.sha256(flavour), by=PERSON)
        bench.wait(MINUTE)

    return do


def _pause(bench: Bench) -> None:
    bench.ask("pause")
    bench.wait(10_000)
    bench.ask("resume")
    bench.wait(10_000)


def _alarm(bench: Bench) -> None:
    """At a refill too much is found: nothing is given until somebody has looked."""
    bench.ask("refill", by=PERSON, found="0.5 mL")
    bench.wait(10_000)
    bench.ask("resolve", command="refill-discrepancy", by=PERSON, reason="looked")
    bench.ask("resume")
    bench.wait(10_000)


def _new_path(bench: Bench) -> None:
    _to(20 * MINUTE)(bench)
    bench.ask("refill", by=PERSON, new_path=True)


def _other_fluid(bench: Bench) -> None:
    bench.paper("bridged")
    _to(10 * MINUTE)(bench)
    bench.ask("refill", by=PERSON, found="unknown")


def _die(bench: Bench) -> None:
    _to(20 * MINUTE)(bench)
    bench.die()
    bench.wait(MINUTE)


def _confirm(bench: Bench) -> None:
    bench.start()
    bench.wait(2_000)
    bench.ask("resume", by=PERSON, code=bench.guard.reconciliation().code)
    bench.wait(2_000)


BASAL: Final = Doing("basal", _to_basal, lambda bench: bench.wait(15_000), "basal")
DOINGS: Final = (
    BASAL,
    Doing("bolus", _to(SLOT - 1), lambda bench: bench.wait(MINUTE)),
    Doing("patient bolus", _to(10 * MINUTE), _ask("bolus")),
    Doing("prime", _new_path, _ask("prime"), "prime"),
    Doing("bridge", _other_fluid, _load("bridged")),
    Doing("hold", _to(20 * MINUTE), lambda bench: bench.end()),
    Doing("stop", _to(20 * MINUTE), _ask("stop")),
    Doing("pause, resume", _to(20 * MINUTE), _pause),
    Doing("refill", _to(20 * MINUTE), _ask("refill", by=PERSON, found="unknown")),
    Doing("load", _before_load, _load("next")),
    Doing("confirm", _die, _confirm),
    Doing("alarm", _to(20 * MINUTE), _alarm),
)
BY_NAME: Final = {doing.name: doing for doing in DOINGS}
