"""The commands that speak to a running controller over its console.

Layer      cli. Each sends one request under an id of its own and prints the answer.
Exit       0 done, 3 refused, 4 no controller, or the pump did not answer, 5 journal or safety fault.
Tests      tests/system/test_run.py, tests/unit/test_cli_run.py
"""

from __future__ import annotations

import getpass
import secrets
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from pump_ctrl.cli.fold import folded, width_of
from pump_ctrl.cli.lazy import Command
from pump_ctrl.cli.options import AS_JSON, PLAN_FILE
from pump_ctrl.cli.text import say, say_json
from pump_ctrl.console import Connection, running
from pump_ctrl.errors import LinkError, NotAllowed

_F = TypeVar("_F", bound=Callable[..., Any])
JOURNAL: Final = click.option(
    "--journal",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The controller's journal; needed only if several controllers run.",
)
BY: Final = click.option("--by", metavar="NAME", help="Who; your account's name unless it is given.")
NEEDS_BY: Final = click.option("--by", required=True, metavar="NAME", help="Who.")
_ID: Final = click.option(
    "--id",
    "request_id",
    metavar="ID",
    help="Ask again for what was asked under this id before: the answer is repeated, nothing is done twice.",
)
_NOBODY: Final = (
    "No controller is running.",
    "What a pump was told last goes on to its end.",
    "Start one: pump-ctrl run PLAN --port URL --journal FILE",
)
_MAYBE: Final = "It is not known whether the pump was told to stop."
_BY_HAND: Final = "Stop the pump by hand or take its power away."


def _asks(command: _F) -> _F:
    """The options of every command that asks for something."""
    return JOURNAL(_ID(AS_JSON(command)))


def connect(journal: Path | None) -> Connection:
    """A line to the controller of ``journal``, or to the only one that runs.

    Raises:
        LinkError: none runs.
        NotAllowed: several run, and none was named.
    """
    if journal is not None:
        return Connection.to(journal)
    found = running()
    if len(found) == 1:
        return found[0]
    for each in found:
        each.close()
    if not found:
        raise LinkError(_NOBODY[0], pump_state=_NOBODY[1], do_now=_NOBODY[2])
    what = f"{len(found)} controllers are running."
    raise NotAllowed(what, code="several-controllers", do_now="Name one with --journal FILE.")


@contextmanager
def _for_a_stop() -> Iterator[None]:
    """Whoever wants to stop a pump and finds no controller is sent to the pump first."""
    try:
        yield
    except LinkError as error:
        do_now = f"{_BY_HAND} {error.do_now}".rstrip()
        raise LinkError(error.what, pump_state=error.pump_state, do_now=do_now) from None


def ask(verb: str, journal: Path | None, request_id: str | None, as_json: bool, **more: str | bool) -> None:
    """Send one request, print its answer, and set the exit status."""
    own = request_id or f"{verb}-{secrets.token_hex(6)}"
    with connect(journal) as line:
        try:
            answer = line.ask({"id": own, "do": verb, **more})
        except LinkError as error:
            stops = verb == "stop"
            raise LinkError(
                f"{error.what} (id {own})",
                pump_state=_MAYBE if stops else error.pump_state,
                do_now="" if stops else error.do_now,
            ) from None
    if as_json:
        told = {"exit": answer["exit"], "code": answer.get("code", ""), "text": answer["text"]}
        say_json({"schema": "pump-ctrl/answer/1", "id": own, **told})
    else:
        bad = answer["exit"] != 0
        stream = sys.stderr if bad else sys.stdout
        click.echo("\n".join(folded([answer["text"]], width_of(stream))), err=bad)
    if answer["exit"]:
        click.get_current_context().exit(int(answer["exit"]))


def _me() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"


@click.command("status", cls=Command)
@JOURNAL
@AS_JSON
def status(journal: Path | None, as_json: bool) -> None:
    """Say what a running controller and its pump do, how old the pump's word is, and what to do about alarms."""
    from pump_ctrl.cli.run_text import status_lines  # noqa: PLC0415 - pulls in what only this command needs

    with connect(journal) as line:
        found = line.ask({"id": "status", "do": "status"})["status"]
    if as_json:
        say_json(found)
    else:
        say(status_lines(found, Path(found["journal"])))


@click.command("bolus", cls=Command)
@_asks
def bolus(journal: Path | None, request_id: str | None, as_json: bool) -> None:
    """Ask for a patient bolus as the plan has it: its dose is the plan's. Refused within lockout and maximum."""
    ask("bolus", journal, request_id, as_json)


@click.command("prime", cls=Command)
@_asks
def prime(journal: Path | None, request_id: str | None, as_json: bool) -> None:
    """Ask for the plan's prime, or what is left of it."""
    ask("prime", journal, request_id, as_json)


@click.command("pause", cls=Command)
@_asks
def pause(journal: Path | None, request_id: str | None, as_json: bool) -> None:
    """Stop the pump until resume. What is not given meanwhile is missed."""
    ask("pause", journal, request_id, as_json)


@click.command("resume", cls=Command)
@click.option("--confirm", nargs=2, metavar="NAME CODE", help="After a restart: who confirms, and the code that "
              "run and status show.")  # fmt: skip
@click.option("--off", metavar="DURATION", help="With --confirm: how long the host was off, where its own clock "
              'is wrong, such as "10 min".')  # fmt: skip
@_asks
def resume(
    journal: Path | None,
    request_id: str | None,
    as_json: bool,
    confirm: tuple[str, str] | None,
    off: str | None,
) -> None:
    """Go on after a pause, a stop, a cleared alarm, or (with --confirm) a restart."""
    if confirm is None and off is not None:
        raise click.UsageError("--off belongs to --confirm NAME CODE.")
    more = {} if confirm is None else {"by": confirm[0], "code": confirm[1]}
    more |= {} if off is None else {"off": off}
    ask("resume", journal, request_id, as_json, **more)


@click.command("stop", cls=Command)
@_asks
def stop(journal: Path | None, request_id: str | None, as_json: bool) -> None:
    """Stop the pump now. Always possible; nothing flows until resume."""
    with _for_a_stop():
        ask("stop", journal, request_id, as_json)


@click.command("ack", cls=Command)
@BY
@_asks
def ack(journal: Path | None, request_id: str | None, as_json: bool, by: str | None) -> None:
    """Say that the active alarms were seen. An alarm goes only when its cause has gone too."""
    ask("ack", journal, request_id, as_json, by=by or _me())


@click.command("refill", cls=Command)
@NEEDS_BY
@click.option("--found", metavar="VOLUME|unknown", help="What was drawn out of the reservoir, or left in the old "
              'syringe, such as "3.1 mL"; unknown if nobody measured it.')  # fmt: skip
@click.option("--filled", metavar="VOLUME", help="What was filled in; as the plan says unless it is given.")
@click.option("--new-path", is_flag=True, help="Tubing or catheter is new or was emptied, and may be primed.")
@_asks
def refill(
    journal: Path | None,
    request_id: str | None,
    as_json: bool,
    by: str,
    found: str | None,
    filled: str | None,
    new_path: bool,
) -> None:
    """Say that the reservoir was emptied and filled anew with what the plan names, or the syringe changed.

    What was found is compared with what should have been left. If it is too far off, nothing is given until somebody
    has looked: pump-ctrl resolve refill-discrepancy.
    """
    if found is None:
        raise click.UsageError(
            "Say what was drawn out (or left in the old syringe): --found '3.1 mL'; --found unknown if nobody "
            "measured it."
        )
    more = {"found": found} if filled is None else {"found": found, "filled": filled}
    ask("refill", journal, request_id, as_json, by=by, new_path=new_path, **more)


@click.command("resolve", cls=Command)
@click.argument("command", metavar="ID|ALARM")
@NEEDS_BY
@click.option("--reason", required=True, metavar="TEXT", help="Why it is certain.")
@_asks
def resolve(
    journal: Path | None, request_id: str | None, as_json: bool, command: str, by: str, reason: str
) -> None:
    """Vouch for what the pump cannot tell: that a command can begin no more, or that the cause of an alarm is gone.

    Command ID counts as given in full, the pump is stopped, and new commands are possible again. ALARM is one that only
    a person can judge: refill-discrepancy, disagreement, over-delivery, flow.
    """
    ask("resolve", journal, request_id, as_json, command=command, by=by, reason=reason)


@click.command("load", cls=Command)
@click.argument("plan_file", metavar="PLAN", type=PLAN_FILE)
@BY
@_asks
def load(
    journal: Path | None, request_id: str | None, as_json: bool, plan_file: Path, by: str | None
) -> None:
    """Put PLAN in force between boluses; the plan before it runs until the pump has the new steps.

    PLAN needs its approval, and its `previous` must be the plan in force.
    """
    from pump_ctrl.therapy.plan import load_plan  # noqa: PLC0415 - only this command reads a plan

    plan = load_plan(plan_file)
    ask(
        "load",
        journal,
        request_id,
        as_json,
        plan=str(plan_file.resolve()),
        sha256=plan.sha256,
        by=by or _me(),
    )


@click.command("watch", cls=Command)
@JOURNAL
@AS_JSON
def watch(journal: Path | None, as_json: bool) -> None:
    """Read along what a running controller records, until it ends or Ctrl-C; --json: every record, one a line."""
    import json  # noqa: PLC0415

    from pump_ctrl.cli.run_text import Lines, Times, status_lines  # noqa: PLC0415

    with connect(journal) as line:
        found = line.ask({"id": "watch", "do": "watch"})["status"]
        lines = Lines(Times(found["utc_offset_ms"]))
        if not as_json:
            say([*status_lines(found, Path(found["journal"])), ""])
        for message in line.stream():
            record = message["record"]
            if as_json:
                click.echo(json.dumps(record, separators=(",", ":")))
            else:
                for text in lines.of_parts(record["kind"], record["utc_ms"], record["data"]):
                    say([text])
    again = shlex.join(["pump-ctrl", "status", "--journal", found["journal"]])
    click.echo(f"The controller has ended, or lets nobody read along any more. Try: {again}", err=True)
