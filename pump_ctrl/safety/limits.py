"""Reads the compiled limits, with its own parser, into a frozen record of integers.

Layer      safety; standard library and errors only. Shares no code with the compiler that wrote the file.
Hazard     a limit that is missing, edited, foreign or of another unit, and a check that is then skipped (X5,
           S-14).
Invariant  a file that is not exactly as described, or whose checksum differs, gives no limits at all.
Tests      tests/safety/test_limits.py, tests/safety/test_limits_edges.py

Margins (dose path D-05) are the guard's: ``T_s x (highest rate + all falls of the rate in the window)`` plus
one pump step, or counter unit, for each command that the window can hold and two more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, NoReturn

from pump_ctrl.errors import SafetyFault

SCHEMA: Final = "pump-ctrl/limits/1"
ROUTE: Final = "intrathecal"
BRIDGE: Final = "bridge"
WINDOWS_H: Final = (1, 4, 24)
MS_PER_HOUR: Final = 3_600_000
NL_PER_ML: Final = 1_000_000
PG_SCALE: Final = 10**18  # zL x pg/mL in a picogram: 10**12 zL/nL x 10**6 nL/mL
MAX_INT: Final = 1 << 62

Mix = tuple[tuple[str, int], ...]  # (drug, largest pg/mL), sorted by drug
Bound = tuple[str, int, int, int]  # drug, hours of the window, most pg in it, margin pg


class LimitsError(SafetyFault):
    """The limits are no limits. Every increase is denied."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"The limits cannot be used: {what}.",
            pump_state="What runs goes on to its end.",
            do_now="Compile and sign the plan again.",
        )


@dataclass(frozen=True, slots=True)
class Row:
    """What one account may let through of one drug in any window of ``hours``; picograms."""

    drug: str
    hours: int
    basal_pg: int
    bolus_pg: int
    basal_margin_pg: int
    bolus_margin_pg: int
    bolus_max_pg_per_h: int


@dataclass(frozen=True, slots=True)
class Patient:
    """Terms of the patient's own bolus."""

    over_ms: int
    lockout_ms: int
    max_per_day: int
    volume_nl: int


@dataclass(frozen=True, slots=True)
class Account:
    """One stage of the plan, or its bridge. Times: plan time in ms; the hold is ``nl`` every ``per_ms``."""

    id: str
    from_ms: int
    until_ms: int | None
    hold_nl: int
    hold_per_ms: int
    max_bolus_nl: int
    patient: Patient | None
    rows: tuple[Row, ...]
    basal: tuple[Bound, ...] = field(init=False)
    bolus: tuple[Bound, ...] = field(init=False)

    def __post_init__(self) -> None:
        basal = tuple((row.drug, row.hours, row.basal_pg, row.basal_margin_pg) for row in self.rows)
        bolus = tuple((row.drug, row.hours, row.bolus_pg, row.bolus_margin_pg) for row in self.rows)
        object.__setattr__(self, "basal", basal)
        object.__setattr__(self, "bolus", bolus)


@dataclass(frozen=True, slots=True)
class Cap:
    """Hard cap over everything; ``margin_pg`` is the largest of any account's for that window."""

    drug: str
    hours: int
    pg: int
    margin_pg: int


@dataclass(frozen=True, slots=True)
class Pump:
    """The pump that the limits were compiled for."""

    name: str
    protocol: str
    step_nl: int
    counter_unit_nl: int
    max_nl_per_h: int
    max_lease_ms: int
    grain_nl: int = field(init=False)  # the coarser of step and counter

    def __post_init__(self) -> None:
        object.__setattr__(self, "grain_nl", max(self.step_nl, self.counter_unit_nl))


@dataclass(frozen=True, slots=True)
class Limits:
    """Everything the guard enforces for one signed plan on one pump.

    ``fill_nl`` is the most that the reservoir can hold after the fill; when no more than ``alarm_nl`` of that may be
    left, it runs low.
    """

    checksum: str
    simulation: bool
    plan_id: str
    plan_sha256: str
    pump: Pump
    from_utc_ms: int
    until_utc_ms: int
    stop_ms: int
    path_lo_nl: int
    path_hi_nl: int
    bridge_lo_nl: int
    bridge_hi_nl: int
    fill_nl: int
    alarm_nl: int
    path_fluid: Mix
    reservoir_fluid: Mix
    caps: tuple[Cap, ...]
    bolus_caps: Mix
    max_hold_ms: int
    prime_nl: int
    accounts: tuple[Account, ...]
    raw: Mapping[str, Any] = field(compare=False, repr=False)
    bounds: tuple[Bound, ...] = field(init=False)

    def __post_init__(self) -> None:
        bounds = tuple((cap.drug, cap.hours, cap.pg, cap.margin_pg) for cap in self.caps)
        object.__setattr__(self, "bounds", bounds)

    def account(self, account_id: str) -> Account | None:
        """The account of that id."""
        for account in self.accounts:
            if account.id == account_id:
                return account
        return None

    @property
    def bridged(self) -> bool:
        """Whether the plan begins with a bridge; then the path includes the pump's accuracy (D-11)."""
        return self.account(BRIDGE) is not None

    @property
    def tip_lo_nl(self) -> int:
        """Least volume after which a new fluid may leave the catheter tip."""
        return self.bridge_lo_nl if self.bridged else self.path_lo_nl

    @property
    def tip_hi_nl(self) -> int:
        """Volume after which the old fluid has surely left the catheter tip."""
        return self.bridge_hi_nl if self.bridged else self.path_hi_nl

    @property
    def window_ms(self) -> int:
        """The longest window, or lockout, that looks back."""
        hours = max((*WINDOWS_H, *(cap.hours for cap in self.caps)))
        lockouts = (account.patient.lockout_ms for account in self.accounts if account.patient)
        return max(hours * MS_PER_HOUR, *lockouts, 0)


def parse_limits(data: bytes) -> Limits:
    """Read the limits file.

    Raises:
        LimitsError: not exactly the form described in the contract, or the checksum differs.
    """
    try:
        raw = json.loads(data, parse_float=_no_float, parse_constant=_no_float, object_pairs_hook=_no_twice)
    except (ValueError, RecursionError) as error:
        raise LimitsError(f"not JSON as expected ({error})") from error
    return limits_of(raw)


def limits_of(raw: object) -> Limits:
    """The limits in ``raw``, as decoded JSON.

    Raises:
        LimitsError: as ``parse_limits``.
    """
    top = _Table(raw, "limits")
    checksum = top.text("checksum")
    if checksum != _checksum(top.content):
        raise LimitsError("the checksum differs from the content")
    if top.text("schema") != SCHEMA or top.text("route") != ROUTE:
        raise LimitsError(f"schema or route is not {SCHEMA}, {ROUTE}")
    limits = _limits(top, checksum)
    _check(limits)
    return limits


def _limits(top: _Table, checksum: str) -> Limits:
    plan, valid, path, fluids = (top.table(name) for name in ("plan", "valid", "path", "fluids"))
    pump, stop_ms = _pump(top.table("pump")), top.number("stop_ms")
    path_fluid, reservoir = _fluid(fluids.table("path")), _fluid(fluids.table("reservoir"))
    strongest = merge((path_fluid, reservoir))
    accounts = tuple(_account(t, pump.grain_nl, stop_ms, strongest) for t in top.tables("accounts"))
    limits = Limits(
        checksum=checksum,
        simulation=top.flag("simulation"),
        plan_id=plan.text("id"),
        plan_sha256=plan.text("sha256"),
        pump=pump,
        from_utc_ms=valid.number("from_utc_ms"),
        until_utc_ms=valid.number("until_utc_ms"),
        stop_ms=stop_ms,
        path_lo_nl=path.number("lo_nl"),
        path_hi_nl=path.number("hi_nl"),
        bridge_lo_nl=path.number("bridge_lo_nl"),
        bridge_hi_nl=path.number("bridge_hi_nl"),
        fill_nl=top.number("fill_nl"),
        alarm_nl=top.number("alarm_nl"),
        path_fluid=path_fluid,
        reservoir_fluid=reservoir,
        caps=tuple(_cap(table, accounts) for table in top.tables("caps")),
        bolus_caps=tuple(sorted(_bolus_cap(table) for table in top.tables("bolus_caps"))),
        max_hold_ms=top.number("max_hold_ms"),
        prime_nl=top.number("prime_nl"),
        accounts=accounts,
        raw=top.content,
    )
    top.text("formulary_sha256"), top.text("profile_sha256")  # which ones they were is the approval's matter
    for table in (top, plan, valid, path, fluids):
        table.done()
    return limits


def _pump(table: _Table) -> Pump:
    pump = Pump(
        table.text("name"),
        table.text("protocol"),
        table.number("step_nl", least=1),
        table.number("counter_unit_nl", least=1),
        table.number("max_nl_per_h", least=1),
        table.number("max_lease_ms", least=1),
    )
    table.done()
    return pump


def _fluid(table: _Table) -> Mix:
    """The upper concentrations; the lower ones serve the review of under-dose and are only checked."""
    mix = []
    for drug in sorted(table.content):
        low, high = table.pair(drug)
        if low > high:
            raise LimitsError(f"{table.name}.{drug}: lower bound over upper bound")
        mix.append((drug, high))
    return tuple(mix)


def _cap(table: _Table, accounts: Sequence[Account]) -> Cap:
    drug, hours, pg = table.text("drug"), table.number("hours", least=1), table.number("pg")
    table.done()
    return Cap(drug, hours, pg, max((_cap_margin(a, drug, hours) for a in accounts), default=0))


def _cap_margin(account: Account, drug: str, hours: int) -> int:
    """An account's two margins for the shortest of its windows that contains the cap's, else the longest."""
    rows = sorted((row for row in account.rows if row.drug == drug), key=lambda row: row.hours)
    fits = [row for row in rows if row.hours >= hours] or rows[-1:]
    return fits[0].basal_margin_pg + fits[0].bolus_margin_pg if fits else 0


def _bolus_cap(table: _Table) -> tuple[str, int]:
    cap = (table.text("drug"), table.number("pg"))
    table.done()
    return cap


def _account(table: _Table, grain_nl: int, stop_ms: int, strongest: Mix) -> Account:
    hold, patient = table.table("hold"), table.table_or_none("patient")
    table.number("daily_pg")  # the prescribed daily dose: for titration (S-13), which the review compares
    account = Account(
        id=table.text("id"),
        from_ms=table.number("from_ms"),
        until_ms=table.number_or_none("until_ms"),
        hold_nl=hold.number("nl"),
        hold_per_ms=hold.number("per_ms", least=1),
        max_bolus_nl=table.number("max_bolus_nl"),
        patient=_patient(patient) if patient is not None else None,
        rows=tuple(_row(row, grain_nl, stop_ms, dict(strongest)) for row in table.tables("rows")),
    )
    hold.done()
    table.done()
    return account


def _patient(table: _Table) -> Patient:
    patient = Patient(
        table.number("over_ms", least=1),
        table.number("lockout_ms"),
        table.number("max_per_day"),
        table.number("volume_nl"),
    )
    table.done()
    return patient


def _row(table: _Table, grain_nl: int, stop_ms: int, strongest: Mapping[str, int]) -> Row:
    drug, hours = table.text("drug"), table.number("hours")
    basal_pace = table.number("basal_max_pg_per_h") + table.number("basal_fall_pg_per_h")
    bolus_max = table.number("bolus_max_pg_per_h")
    bolus_pace = bolus_max + table.number("bolus_fall_pg_per_h")
    grains = (table.number("commands") + 2) * grain_nl * strongest.get(drug, 0)
    grains_pg = -(-grains // NL_PER_ML)
    row = Row(
        drug=drug,
        hours=hours,
        basal_pg=table.number("basal_pg"),
        bolus_pg=table.number("bolus_pg"),
        basal_margin_pg=grains_pg - (-stop_ms * basal_pace // MS_PER_HOUR),
        bolus_margin_pg=grains_pg - (-stop_ms * bolus_pace // MS_PER_HOUR),
        bolus_max_pg_per_h=bolus_max,
    )
    table.done()
    return row


def merge(mixes: Sequence[Mix]) -> Mix:
    """The largest concentration of each drug in any of the fluids."""
    if len(mixes) == 1:
        return mixes[0]
    largest: dict[str, int] = {}
    for mix in mixes:
        for drug, pg_per_ml in mix:
            largest[drug] = max(largest.get(drug, 0), pg_per_ml)
    return tuple(sorted(largest.items()))


def _check(limits: Limits) -> None:
    """What must agree between the parts; every drug needs its rows, its daily cap and its bolus cap."""
    drugs = {drug for drug, _ in merge((limits.path_fluid, limits.reservoir_fluid))}
    rows = {(drug, hours) for drug in drugs for hours in WINDOWS_H}
    problems = [
        (not limits.accounts or not limits.reservoir_fluid, "no account or no drug"),
        (
            limits.path_lo_nl > limits.path_hi_nl or limits.bridge_lo_nl > limits.bridge_hi_nl,
            "path bounds crossed",
        ),
        (limits.from_utc_ms >= limits.until_utc_ms, "never valid"),
        (len({a.id for a in limits.accounts}) != len(limits.accounts), "an account twice"),
        (
            any(_rows(account) != sorted(rows) for account in limits.accounts),
            "rows missing, twice or unknown",
        ),
        (
            any(a.until_ms is not None and a.until_ms <= a.from_ms for a in limits.accounts),
            "an account without time",
        ),
        ([drug for drug, _ in limits.bolus_caps] != sorted(drugs), "a bolus cap missing, twice or unknown"),
        (not drugs <= {cap.drug for cap in limits.caps if cap.hours == WINDOWS_H[-1]}, "a daily cap missing"),
        (len({(cap.drug, cap.hours) for cap in limits.caps}) != len(limits.caps), "a cap twice"),
    ]
    for wrong, what in problems:
        if wrong:
            raise LimitsError(what)


def _rows(account: Account) -> list[tuple[str, int]]:
    return sorted((row.drug, row.hours) for row in account.rows)


def _checksum(content: Mapping[str, Any]) -> str:
    body = {name: value for name, value in content.items() if name != "checksum"}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return sha256(text.encode("ascii")).hexdigest()


def _no_float(text: str) -> NoReturn:
    raise ValueError(f"{text} is no whole number")


def _no_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a name occurs twice")
    return table


class _Table:
    """A JSON object that must be used up: every field is asked for by name and kind, none is left."""

    def __init__(self, content: object, name: str) -> None:
        if not isinstance(content, dict):
            raise LimitsError(f"{name} is no object")
        self.content: dict[str, Any] = content
        self.name = name
        self._asked: set[str] = set()

    def _get(self, field_name: str, kind: type, fits: Callable[[Any], bool] = lambda _: True) -> Any:  # noqa: ANN401
        self._asked.add(field_name)
        value = self.content.get(field_name)
        if type(value) is not kind or not fits(value):  # type(), because True is an int
            raise LimitsError(f"{self.name}.{field_name} is missing or not as expected")
        return value

    def text(self, field_name: str) -> str:
        """A text that is not empty."""
        value: str = self._get(field_name, str, bool)
        return value

    def flag(self, field_name: str) -> bool:
        """True or false."""
        value: bool = self._get(field_name, bool)
        return value

    def number(self, field_name: str, *, least: int = 0) -> int:
        """A whole number from ``least`` on."""
        value: int = self._get(field_name, int, lambda n: least <= n <= MAX_INT)
        return value

    def number_or_none(self, field_name: str) -> int | None:
        """A whole number, or an explicit null."""
        if field_name in self.content and self.content[field_name] is None:
            self._asked.add(field_name)
            return None
        return self.number(field_name)

    def pair(self, field_name: str) -> tuple[int, int]:
        """Two whole numbers."""
        low, high = self._get(field_name, list, lambda pair: len(pair) == 2)
        if not all(type(n) is int and 0 <= n <= MAX_INT for n in (low, high)):
            raise LimitsError(f"{self.name}.{field_name} is no pair of whole numbers")
        return low, high

    def table(self, field_name: str) -> _Table:
        """An object."""
        return _Table(self._get(field_name, dict), f"{self.name}.{field_name}")

    def table_or_none(self, field_name: str) -> _Table | None:
        """An object, or an explicit null."""
        if field_name in self.content and self.content[field_name] is None:
            self._asked.add(field_name)
            return None
        return self.table(field_name)

    def tables(self, field_name: str) -> list[_Table]:
        """A list of objects."""
        items: list[object] = self._get(field_name, list)
        return [_Table(item, f"{self.name}.{field_name}[{i}]") for i, item in enumerate(items)]

    def done(self) -> None:
        """No field is left that nobody asked for."""
        if left := sorted(set(self.content) - self._asked):
            raise LimitsError(f"{self.name} has fields that are not known: {', '.join(left)}")
