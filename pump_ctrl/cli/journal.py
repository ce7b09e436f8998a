"""``pump-ctrl journal``: read, verify and export a journal, also while a controller writes it.

Layer      cli.
Exit       5 when the journal cannot be trusted; what stood before the damage is shown.
Tests      tests/unit/test_cli.py
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click

from pump_ctrl.cli.lazy import Group
from pump_ctrl.cli.options import AS_JSON
from pump_ctrl.cli.text import pairs, say, say_json
from pump_ctrl.journal import Record, Verdict, read_journal
from pump_ctrl.journal import verify as verify_file

_FAULT: Final = 5
_FILE: Final = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@click.group(cls=Group)
def journal() -> None:
    """Read, verify and export a journal. Changes nothing."""


@journal.command("show", short_help="Print the records of FILE, oldest first.")
@click.argument("file", type=_FILE)
@click.option(
    "--kind", "kinds", multiple=True, metavar="KIND", help="Only records of this kind; may be repeated."
)
@click.option("--last", type=click.IntRange(min=1), metavar="N", help="Only the last N of them.")
@AS_JSON
def show(file: Path, kinds: tuple[str, ...], last: int | None, as_json: bool) -> None:
    """Print the records of FILE, oldest first: number, UTC, kind, content."""
    chosen = (record for record in read_journal(file).records() if not kinds or record.kind in kinds)
    if as_json:
        records = _last(chosen, last)
        say_json(
            {"schema": "pump-ctrl/journal-show/1", "records": [_record_json(record) for record in records]}
        )
        return
    for record in chosen if last is None else _last(chosen, last):
        click.echo(_line(record))


def _last(records: Iterator[Record], count: int | None) -> list[Record]:
    found = list(records)
    return found if count is None else found[-count:]


def _line(record: Record) -> str:
    content = " ".join(f"{key}={_shown(value)}" for key, value in record.data.items())
    return f"{record.seq:>6}  {utc(record.utc_ms)}  {_plain(record.kind):<12}  {content}"


def utc(ms: int) -> str:
    """``20 Nov 2026 07:00:00.000`` in UTC; a time that no calendar has as the number that it is."""
    try:
        at = _EPOCH + timedelta(milliseconds=ms)
    except OverflowError:
        return f"{ms} ms"
    return f"{at.day:>2} {at:%b %Y %H:%M:%S}.{ms % 1000:03d}"


def _plain(text: str) -> str:
    """A text of a file that somebody else may have written: nothing of it drives the terminal."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def _shown(value: object) -> str:
    if isinstance(value, str):
        return value if value.isascii() and value.isprintable() and " " not in value else json.dumps(value)
    return json.dumps(value, separators=(",", ":"))


def _record_json(record: Record) -> dict[str, Any]:
    return {
        "seq": record.seq,
        "kind": record.kind,
        "boot_ms": record.boot_ms,
        "boot_id": record.boot_id,
        "utc_ms": record.utc_ms,
        "data": record.data,
    }


@journal.command("verify")
@click.argument("file", type=_FILE)
@AS_JSON
@click.pass_context
def verify(ctx: click.Context, file: Path, as_json: bool) -> None:
    """Check every line of FILE, its chain and its head file. Exit status 5 when it cannot be trusted."""
    verdict = verify_file(file)
    if as_json:
        say_json(_verdict_json(verdict))
    else:
        say(_verdict_lines(file, verdict))
    ctx.exit(0 if verdict.ok else _FAULT)


def _verdict_json(verdict: Verdict) -> dict[str, Any]:
    return {
        "schema": "pump-ctrl/journal-verify/1",
        "ok": verdict.ok,
        "records": verdict.records,
        "head": verdict.head,
        "anchored_seq": verdict.anchored_seq,
        "torn_bytes": verdict.torn_bytes,
        "problem": verdict.problem,
    }


def _verdict_lines(file: Path, verdict: Verdict) -> list[str]:
    anchored = "no record" if verdict.anchored_seq is None else f"record {verdict.anchored_seq}"
    torn = f"{verdict.torn_bytes} bytes after the last record are unfinished" if verdict.torn_bytes else ""
    return pairs(
        (
            (str(file), "whole" if verdict.ok else "NOT to be trusted"),
            ("records", str(verdict.records)),
            ("head", verdict.head),
            ("anchored", anchored),
            ("tail", torn),
            ("problem", _plain(verdict.problem)),
        )
    )


@journal.command("export", short_help="Write every record of FILE as CSV or as one JSON document.")
@click.argument("file", type=_FILE)
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "json"]),
    default="csv",
    show_default=True,
    help="Of the output.",
)
def export(file: Path, form: str) -> None:
    """Write every record of FILE to standard output, as CSV or as one JSON document."""
    records = list(read_journal(file).records())  # all or nothing: half an export looks like a whole one
    if form == "json":
        say_json(
            {"schema": "pump-ctrl/journal-show/1", "records": [_record_json(record) for record in records]}
        )
    else:
        click.echo(_csv(records), nl=False)


def _csv(records: list[Record]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("seq", "utc_ms", "utc", "boot_id", "boot_ms", "kind", "data"))
    for record in records:
        data = json.dumps(record.data, sort_keys=True, separators=(",", ":"))
        writer.writerow(
            (
                record.seq,
                record.utc_ms,
                utc(record.utc_ms).strip(),
                record.boot_id,
                record.boot_ms,
                record.kind,
                data,
            )
        )
    return out.getvalue()
