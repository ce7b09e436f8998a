"""``pump-ctrl simulate``: a plan on a simulated pump in virtual time.

Layer      cli. Starts ``bench.simulate`` and prints what came of it.
Exit       3 for an invalid or blocked plan, 5 when the run broke an invariant.
Tests      tests/unit/test_cli_simulate.py
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click

from pump_ctrl.bench.axes import Heading
from pump_ctrl.bench.plots import draw
from pump_ctrl.bench.request import FORMS, KINDS, Request, parse_request
from pump_ctrl.bench.simulate import SimulationResult
from pump_ctrl.bench.simulate import simulate as run_plan
from pump_ctrl.cli.files import FORMULARY, PREVIOUS, PUMP, Opened, open_plan
from pump_ctrl.cli.lazy import NOTICE, Command
from pump_ctrl.cli.options import AS_JSON, PLAN_FILE
from pump_ctrl.cli.plan_text import refill_by
from pump_ctrl.cli.simulate_text import heading, summary
from pump_ctrl.cli.text import say, say_json
from pump_ctrl.clock import VirtualClock
from pump_ctrl.errors import InvalidInput, QuantityError
from pump_ctrl.journal import MemoryJournal
from pump_ctrl.therapy.overview import overview
from pump_ctrl.units import Duration

_VIOLATED: Final = 5
_LONGEST: Final = Duration(10 * 366 * 86_400_000)
_PATIENCE_S: Final = 1.0  # a run that takes longer shows how far it is


def _length(ctx: click.Context, param: click.Parameter, value: str) -> Duration:
    """A length of time with its unit, read exactly; never through a float."""
    try:
        length = Duration.parse(value)
    except QuantityError as error:
        raise click.BadParameter(str(error), ctx, param) from None
    if not 0 < length.ms <= _LONGEST.ms:
        raise click.BadParameter(
            f"{value!r} is out of range; allowed: above 0 s, at most 10 years", ctx, param
        )
    return length


def _requests(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[Request, ...]:
    """Somebody asks for something: ``3h=patient-bolus``."""
    try:
        return tuple(parse_request(value) for value in values)
    except InvalidInput as error:
        if any(problem.file for problem in error.problems):
            raise  # a plan that was named is wrong, not how it was named
        raise click.BadParameter(str(error), ctx, param) from None


def _new_file(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
    """Refuse before the run what could not be written after it."""
    if value is not None and not os.access(value.parent, os.W_OK):
        raise click.BadParameter(f"{str(value.parent)!r} is no folder that can be written.", ctx, param)
    return value


def _unused_file(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
    """A journal is never written over."""
    if value is not None and value.exists():
        raise click.BadParameter(f"{str(value)!r} is there already; name a new file.", ctx, param)
    return _new_file(ctx, param, value)


_OUT: Final = click.Path(dir_okay=False, path_type=Path)


@click.command(
    cls=Command,
    epilog=f"Requests: {', '.join(FORMS.get(kind, kind) for kind in KINDS)}. Faults: pump-sim faults lists them with "
    "their parameters.",
)
@click.argument("plan_file", metavar="PLAN", type=PLAN_FILE)
@PREVIOUS
@PUMP
@FORMULARY
@click.option(
    "--for", "length", callback=_length, default="30d", show_default=True, metavar="TIME", help="How long."
)
@click.option(
    "--request", "requests", callback=_requests, multiple=True, metavar="TIME=KIND",
    help="Somebody asks for something at TIME after the start. May be repeated.",
)  # fmt: skip
@click.option(
    "--fault", "faults", multiple=True, metavar="NAME@TIME[:k=v,...]",
    help="Something goes wrong at TIME after the start. May be repeated.",
)  # fmt: skip
@click.option(
    "--seed",
    type=click.IntRange(0, 2**31 - 1),
    default=0,
    metavar="N",
    help="Seed of what is random, 0 if not given.",
)
@click.option(
    "--balance", is_flag=True, help="A balance stands under the line's end and is read (see run --balance)."
)
@click.option("--power-cut", is_flag=True, help="A relay can take the pump's power away.")
@click.option("--plot", type=_OUT, callback=_new_file, metavar="OUT.svg", help="Draw the run.")
@click.option(
    "--journal",
    "journal_file",
    type=_OUT,
    callback=_unused_file,
    metavar="FILE",
    help="Keep the journal in a new file.",
)
@AS_JSON
@click.pass_context
def simulate(
    ctx: click.Context,
    plan_file: Path,
    previous: Path | None,
    pump: str | None,
    formulary: Path | None,
    length: Duration,
    requests: tuple[Request, ...],
    faults: tuple[str, ...],
    seed: int,
    balance: bool,
    power_cut: bool,
    plot: Path | None,
    journal_file: Path | None,
    as_json: bool,
) -> None:
    """Run PLAN on a simulated pump in virtual time. Opens no real pump."""
    _refuse_to_draw_over(plot, (plan_file, previous, formulary, journal_file))
    opened = open_plan(plan_file, previous, pump, formulary)
    opened.refuse_blocked(opened.review())
    _refuse_blocked_loads(opened, requests)
    for notice in (*opened.notices, *_too_late(length, requests, faults)):
        click.echo(notice, err=True)
    clock = VirtualClock(utc_ms=opened.plan.start_utc_ms)
    named = {"id": opened.plan.id, "sha256": opened.plan.sha256}
    journal = MemoryJournal(clock, {"simulation": True, "plan": named})
    with _Progress() as progress:
        result = run_plan(
            opened.plan,
            previous=opened.previous,
            pump=opened.profile,
            formulary=opened.formulary,
            duration_ms=length.ms,
            requests=requests,
            faults=faults,
            seed=seed,
            balance={} if balance else None,
            power_cut=power_cut,
            clock=clock,
            journal=journal,
            progress=progress,
        )
    if journal_file is not None:  # files first: whoever reads the summary may stop reading (| head)
        journal.save(journal_file)
        click.echo(f"Kept: {journal_file}", err=True)
    if plot is not None:
        _write(plot, draw(result.trace, _heading(opened, result)))
    for refusal in result.refusals:
        click.echo(f"Refused at {refusal}", err=True)
    _print(result, opened, as_json)
    ctx.exit(_VIOLATED if result.violations else 0)


def _refuse_blocked_loads(opened: Opened, requests: Iterable[Request]) -> None:
    """A plan that is to be loaded on the way is reviewed as the first one is, after the one before it."""
    before = opened.plan
    for request in sorted(requests, key=lambda request: request.at_ms):
        if request.kind == "load" and request.plan is not None and request.file is not None:
            later = replace(opened, file=request.file, plan=request.plan, previous=before)
            later.refuse_blocked(later.review())
            before = request.plan


def _refuse_to_draw_over(plot: Path | None, others: Iterable[Path | None]) -> None:
    """A picture may replace an older picture, and none of the run's other files."""
    if plot is None:
        return
    for other in others:
        if other is not None and os.path.realpath(plot) == os.path.realpath(other):
            raise click.BadParameter(f"{str(plot)!r} is another file of this run.", param_hint="'--plot'")


def _too_late(length: Duration, requests: Iterable[Request], faults: Iterable[str]) -> Iterator[str]:
    """A sentence for each request and fault that the run ends before."""
    late = [(f"{request.kind} at {Duration(request.at_ms)}", request.at_ms) for request in requests]
    for fault in faults:
        time_text = fault.partition("@")[2].partition(":")[0]
        with suppress(QuantityError):  # whoever runs the fault says what is wrong with it
            late.append((fault, Duration.parse(time_text).ms))
    for what, at_ms in late:
        if at_ms >= length.ms:
            yield f"Never comes, the run ends after {length}: {what}"


def _print(result: SimulationResult, opened: Opened, as_json: bool) -> None:
    run = result.as_json()
    if as_json:
        say_json(run)
        return
    refill = refill_by(overview(opened.case))
    lines = summary(run, result.trace, opened.plan, opened.formulary, refill)
    say([*heading(run, opened.plan, NOTICE), *lines])


def _heading(opened: Opened, result: SimulationResult) -> Heading:
    plan = opened.plan
    return Heading(
        plan.id, plan.title, opened.profile.name, plan.start_utc_ms, plan.utc_offset_ms, result.duration_s
    )


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror or error}") from None
    click.echo(f"Drawn: {path}", err=True)


class _Progress:
    """A bar on standard error, on a terminal only, for runs that take longer than a moment."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._wanted = sys.stderr.isatty()
        self._bar: Any = None
        self._done = 0

    def __enter__(self) -> Callable[[int, int], None]:
        return self._step

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.render_finish()

    def _step(self, done: int, total: int) -> None:
        if self._wanted and self._bar is None and time.monotonic() - self._began > _PATIENCE_S:
            self._bar = click.progressbar(length=total, file=sys.stderr, label="simulating")
        if self._bar is not None:
            self._bar.update(done - self._done)
            self._done = done
