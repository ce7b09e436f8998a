"""``pump-ctrl web``: serve the clinician's page. ``pump-ctrl user``: the accounts that may log in.

Layer      cli.
Hazard     a password on a screen or in a list of processes; files with accounts that others may read.
Tests      tests/unit/test_cli_web.py, tests/web
"""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from pump_ctrl.cli.files import FORMULARY
from pump_ctrl.cli.lazy import NOTICE, Command, Group
from pump_ctrl.cli.options import AS_JSON
from pump_ctrl.cli.text import say, say_json, table
from pump_ctrl.clinic import Clinic, default_place
from pump_ctrl.clock import SystemClock
from pump_ctrl.errors import InvalidInput, NotAllowed, Problem
from pump_ctrl.therapy.formulary import load_formulary

_LOCAL: Final = frozenset({"127.0.0.1", "localhost", "::1"})
STATE: Final = click.option(
    "--state",
    "place",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where accounts and plans lie; $XDG_STATE_HOME/pump-ctrl or ~/.local/state/pump-ctrl unless it is given.",
)


@contextmanager
def private() -> Iterator[None]:
    """Whatever is made meanwhile is for this user alone."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def opened(place: Path | None) -> Iterator[Clinic]:
    """The state directory of an option."""
    with private(), Clinic.open(place or default_place(), SystemClock()) as clinic:
        yield clinic
        tell_trouble(clinic)


def tell_trouble(clinic: Clinic) -> None:
    """Say so if an act could not be written down: it is done, and waits for it."""
    if clinic.acts.trouble:
        click.echo(f"Done, and not in the page's journal yet. {clinic.acts.trouble}", err=True)


def asked_password(who: str, *, new: bool) -> str:
    """A password from the terminal, unseen; the next line of standard input if that is no terminal."""
    if sys.stdin.isatty():
        text: str = click.prompt(f"Password of {who}", hide_input=True, confirmation_prompt=new, err=True)
        return text
    try:
        return sys.stdin.readline().rstrip("\n")
    except UnicodeDecodeError:
        raise InvalidInput((Problem("", None, "password", "is no text", "UTF-8"),)) from None


def me() -> str:
    """Who types."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"


@click.command("web", cls=Command)
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Where to listen.")
@click.option(
    "--port", type=click.IntRange(1, 65_535), default=8080, show_default=True, help="On which port."
)
@STATE
@FORMULARY
def web(host: str, port: int, place: Path | None, formulary: Path | None) -> None:
    """Serve the clinician's page: enter, check, sign, print and watch dosing plans in a browser."""
    from pump_ctrl.web.house import Settings  # noqa: PLC0415 - only this command loads the server
    from pump_ctrl.web.server import listen, serve  # noqa: PLC0415

    load_formulary(formulary)  # a file that cannot be used is told here, and not on every page
    settings = Settings(place or default_place(), SystemClock(), host, port, formulary)
    with opened(place) as clinic:
        clinic.acts.hold()
        empty = not clinic.accounts.all()
    with private(), listen(host, port) as listening:
        _greet(host, port, settings.place, empty=empty)
        serve(settings, listening)


def _greet(host: str, port: int, place: Path, *, empty: bool) -> None:
    shown = f"[{host}]" if ":" in host else host
    click.echo(NOTICE, err=True)
    click.echo(f"http://{shown}:{port}/ (state in {place}); end it with Ctrl-C", err=True)
    if empty:
        click.echo("There are no accounts yet: pump-ctrl user add NAME --role prescriber", err=True)
    if host not in _LOCAL:
        click.echo("Others on the network reach it, over a line that is not encrypted.", err=True)


@click.group(cls=Group)
def user() -> None:
    """Make, list and disable the accounts of the clinician's page. Passwords are read unseen."""


@user.command("add")
@click.argument("name")
@click.option("--role", "roles", multiple=True, required=True, metavar="ROLE",
              help="prescriber, second, bench or viewer. May be repeated.")  # fmt: skip
@click.option("--full-name", metavar="TEXT", help="What stands under a plan; NAME unless it is given.")
@STATE
def add(name: str, roles: tuple[str, ...], full_name: str | None, place: Path | None) -> None:
    """Make the account NAME."""
    with opened(place) as clinic:
        clinic.accounts.require_new(name, full_name or name, roles)
        made = clinic.accounts.add(name, full_name or name, roles, asked_password(name, new=True), me())
    say([f"{made.name} ({made.full_name}): {', '.join(made.roles)}"])


@user.command("passwd")
@click.argument("name")
@STATE
def passwd(name: str, place: Path | None) -> None:
    """Give the account NAME another password; it is logged out everywhere."""
    with opened(place) as clinic:
        if clinic.accounts.get(name) is None:
            raise NotAllowed(
                f"There is no account {name!r}.",
                code="no-such-account",
                do_now="pump-ctrl user list shows them.",
            )
        clinic.accounts.passwd(name, asked_password(name, new=True), me())
    say([f"{name} has another password."])


@user.command("disable")
@click.argument("name")
@STATE
def disable(name: str, place: Path | None) -> None:
    """Let nobody log in as NAME any more. What it has signed stays signed; the name is not free again."""
    with opened(place) as clinic:
        clinic.accounts.disable(name, me())
    say([f"{name} is disabled."])


@user.command("list")
@STATE
@AS_JSON
def listed(place: Path | None, as_json: bool) -> None:
    """List the accounts."""
    with opened(place) as clinic:
        accounts = clinic.accounts.all()
    if as_json:
        rows = [
            {"name": a.name, "full_name": a.full_name, "roles": list(a.roles), "disabled": a.disabled} for a in accounts
        ]  # fmt: skip
        say_json({"schema": "pump-ctrl/user-list/1", "accounts": rows})
        return
    rows_text = [
        (a.name, a.full_name, ", ".join(a.roles), "disabled" if a.disabled else "in use") for a in accounts
    ]
    say(
        table(("account", "name", "roles", "state"), rows_text, left=4)
        if accounts
        else ["There are no accounts."]
    )
