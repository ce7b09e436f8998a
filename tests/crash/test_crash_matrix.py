"""The crash matrix: every row at its points, in every column, under both policies, on every pump family (G6, D-18).

No dose twice, none forgotten, the ledger never below the truth, nothing flows under ``stop`` before a person has
confirmed, a refused journal is left as it is and nothing is sent; and what is typed, by what is told, leads out.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Final

import pytest

from tests.crash.bench import Bench
from tests.crash.doings import DOINGS, Doing
from tests.crash.page import PAGE, page
from tests.crash.points import Cut
from tests.crash.rows import Came, Point
from tests.crash.table import ANEW, EVERY, ROWS, TYPES, VOUCHED, Row
from tests.driver_stacks import KINDS, PUMPS, Kind
from tests.unit.live_life import lived_in

Note = Callable[[str, object], None]
# The most by which books and pump may differ, nL: what flows in an exchange. A prime flows a thousand times as fast.
UNSURE_NL: Final = 150
PRIMING_NL: Final = 5_000
MEMORY: Final = Path("/dev/shm")


class Matrix:
    """Makes a bench for each point."""

    def __init__(self, papers: Path, patch: pytest.MonkeyPatch) -> None:
        self._papers, self._patch, self._number = papers, patch, count()

    def bench(self, kind: Kind, doing: Doing) -> Bench:
        room = self._papers / str(next(self._number))
        room.mkdir()
        return Bench(kind, room, doing.flavour)

    def window(self, kind: Kind, doing: Doing) -> list[str]:
        """Every call in a window in which nobody dies."""
        with lived_in(self.bench(kind, doing), self._patch) as bench:
            doing.before(bench)
            cut = Cut()
            with cut.armed():
                doing.do(bench)
            bench.die()
        return cut.seen

    def happen(self, row: Row, kind: Kind, doing: Doing, point: Point) -> Came:
        with lived_in(self.bench(kind, doing), self._patch) as bench:
            try:
                came = row.happen(bench, doing, point)
                check(row, kind, doing, came)
            except AssertionError as error:
                raise AssertionError(f"{kind}, {doing}, {point}, typed {bench.typed}: {error}") from error
            finally:
                bench.die()
        return came

    def cell(self, row: Row, kind: Kind, doing: Doing, only: int | None = None) -> list[Came]:
        """All points of a cell, or one of them."""
        points = row.points(self.window(kind, doing), EVERY[kind.pump])
        chosen = points if only is None else [points[only % len(points)]]
        return [self.happen(row, kind, doing, point) for point in chosen]


def check(row: Row, kind: Kind, doing: Doing, came: Came) -> None:
    assert came.start in (row.start, row.also)
    assert not (came.flows and kind.on_loss == "stop"), "something flows before a person has confirmed"
    assert not (row.must and came.lived) or row.must & came.alarms, f"raised: {came.alarms}"
    if row.lost:
        assert came.typed <= row.typed | TYPES.get(doing.name, frozenset()) | VOUCHED | ANEW
        return
    assert came.typed <= row.typed | TYPES.get(doing.name, frozenset())
    strange = "run NEW JOURNAL" in came.typed
    assert strange or "over-delivery" not in came.alarms, "a false alarm"
    assert came.below == 0, "the ledger is below the truth"
    unsure = PRIMING_NL if doing.name == "prime" else UNSURE_NL
    off = max(unsure, row.short.get(kind.pump, 0))
    assert -off <= came.over <= off, f"forgotten, or booked twice: {came.over} nL beside the books"
    assert came.beyond <= max(unsure, row.ahead_nl), f"a dose twice: {came.beyond} nL beyond the plan"


@pytest.fixture
def matrix(monkeypatch: pytest.MonkeyPatch) -> Iterator[Matrix]:
    """In memory where there is such a place: thousands of journals."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
        yield Matrix(Path(name), monkeypatch)


def kinds_of(pump: str) -> list[Kind]:
    return [kind for kind in KINDS if kind.pump == pump]


CELLS = [(row, pump) for row in ROWS for pump in PUMPS]
SOME = [cell for number, cell in enumerate(CELLS) if cell[0].least or number % 3 == ROWS.index(cell[0]) % 3]


@pytest.mark.parametrize(("row", "pump"), SOME, ids=lambda part: part.name if isinstance(part, Row) else part)
def test_some_cell_of_each_row_comes_to_what_the_table_says(
    row: Row, pump: str, matrix: Matrix, record_property: Note
) -> None:
    number = 7 * ROWS.index(row) + 5 * PUMPS.index(pump)
    doing, kind = DOINGS[1 + number % (len(DOINGS) - 1)], kinds_of(pump)[number % 2]
    came = matrix.cell(row, kind, doing, only=5 * number + 3)
    record_property("crash", [row.name, pump, len(came)])


@pytest.mark.deep
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize(
    ("row", "pump"),
    [pytest.param(row, pump, id=f"{row.name}-{pump}") for row, pump in CELLS],
)
def test_every_point_of_every_cell_comes_to_what_the_table_says(
    row: Row, pump: str, matrix: Matrix, record_property: Note
) -> None:
    came = [each for kind in kinds_of(pump) for doing in DOINGS for each in matrix.cell(row, kind, doing)]
    record_property("crash", [row.name, pump, len(came)])
    assert len(came) >= row.least.get(pump, 24)


def test_the_page_is_what_the_table_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tests.crash.page"
