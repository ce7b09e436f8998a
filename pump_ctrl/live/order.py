"""What is to be run, on which port and journal, and what is known of them before anything is opened.

Layer      live.
Tests      tests/unit/test_live_signed.py, tests/system/test_run.py
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, cast

from pump_ctrl.clock import Clock
from pump_ctrl.controller.loading import plans_named
from pump_ctrl.drivers.base import Link
from pump_ctrl.journal import Record, read_journal
from pump_ctrl.journal.forms import ours, understood
from pump_ctrl.live.signed import files_named
from pump_ctrl.therapy.formulary import Formulary
from pump_ctrl.therapy.plan import DosingPlan
from pump_ctrl.therapy.profiles import PumpProfile
from pump_ctrl.units import Mass


class Port(Link, Protocol):
    """A link that can be opened anew after a loss."""

    def wait(self, until_ms: int) -> bool:
        """Whether bytes wait.

        Raises:
            LinkError: the port is lost.
        """

    def reopen(self) -> None:
        """Open it again.

        Raises:
            LinkError: it cannot be had.
        """


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be run: the plan's file, the port, the journal, and whatever else was named."""

    plan: Path
    port: str
    journal: Path
    formulary: Formulary
    profile: PumpProfile | None = None
    previous: tuple[Path, ...] = ()
    address: int = 0
    baud: int | None = None  # None: as the pump leaves the factory
    balance: str | None = None  # port of a balance under the line's end
    balance_type: str = "mt-sics"
    power_cut: str | None = None  # port of a relay that takes the pump's power away
    power_cut_type: str = "lcus-1"


@dataclass(frozen=True, slots=True)
class Parting:
    """What the pump does after the controller has ended, and until when (UTC ms) at the latest."""

    how: Literal["stopped", "stop-unknown", "hold", "left", "unsettled"]
    until_utc_ms: int | None


Opener = Callable[[str, Clock, int], Port]
Said = Callable[[list[Record]], None]


def open_port(url: str, clock: Clock, baud: int) -> Port:
    """A port by its URL, at ``baud`` bit/s where that means something.

    Raises:
        LinkError: it cannot be had.
    """
    from pump_ctrl.drivers.link import open_link  # noqa: PLC0415 - pyserial only where a port is used

    return cast("Port", open_link(url, clock, baud=baud))


class Past(NamedTuple):
    """What has to be known of a journal before it can be opened.

    Attributes:
        about: what it says about itself; None if there is none yet.
        plans: SHA-256 of every plan that it put in force, in order.
        files: the plan files that it names.
    """

    about: dict[str, Any] | None
    plans: list[str]
    files: list[Path]


def look(journal: Path) -> Past:
    """Read a journal through for what it says of plans.

    Raises:
        JournalError: it cannot be trusted, or another program wrote it.
    """
    if not journal.exists():
        return Past(None, [], [])
    reader = read_journal(journal)
    with understood(journal):
        told = [record for record in ours(reader.kept(), journal) if _of_a_plan(record)]
        return Past(reader.about, plans_named(told), files_named(told, reader.about))


def _of_a_plan(record: Record) -> bool:
    return record.kind == "limits" or (record.kind == "console" and record.data["do"] == "load")


def given_doses(text: str, plan: DosingPlan) -> Mapping[str, int]:
    """What was given in the last 24 h, pg of each drug of the mixture; ``none``, or a dose of the first drug.

    Raises:
        QuantityError: it is no dose.
    """
    if text.strip().lower() == "none":
        return {}
    first, dose = plan.primary.concentration.pg_per_ml, Mass.parse(text).pg
    return {drug.name: -(-dose * drug.concentration.pg_per_ml // first) for drug in plan.reservoir.drugs}
