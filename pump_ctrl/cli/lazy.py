"""Click classes of this command line: lazy loading, the one-line notice, and errors as plain sentences.

Layer      cli. Imports click and the error tree only, so that ``pump-ctrl --help`` stays fast.
Hazard     a traceback hides what happened and what state the pump is in.
Invariant  whatever goes wrong inside a command ends in sentences on standard error and in 1 (nothing can be
           written), 2, 3, 4 or 5.
Tests      tests/unit/test_cli.py
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final, NoReturn

import click

from pump_ctrl.cli.fold import folded, width_of
from pump_ctrl.errors import PumpCtrlError

NOTICE: Final = "Bench and research software: not a medical device, not for use on people."
TRACEBACK: Final = "PUMP_CTRL_TRACEBACK"
PUMP_STATE: Final = "pump_ctrl.pump_state"
_UNTOUCHED: Final = "No real pump was opened by this command."
_INTERRUPTED: Final = 130  # what a shell reports for a process that SIGINT ended
_DEFECT: Final = 5
NO_OUTPUT: Final = 1  # as where the reader of a pipe goes away
_UNWRITTEN: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})


class Command(click.Command):
    """A command whose help ends with the notice."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own epilog, then the notice."""
        super().format_epilog(ctx, formatter)
        _write_notice(formatter)


class Group(click.Group):
    """A group of such commands."""

    command_class = Command

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the group's own epilog, then the notice."""
        super().format_epilog(ctx, formatter)
        _write_notice(formatter)


class LazyGroup(Group):
    """The top of the command line: names its commands without importing them, and ends every error.

    Args:
        table: command name -> (``"module:attribute"``, one line of help), in the order of the help page.
    """

    def __init__(self, *args: Any, table: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:  # noqa: ANN401 - passed on to click
        super().__init__(*args, **kwargs)
        self.table = dict(table)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every name, in the order of the table."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command of that name; None when there is none."""
        if cmd_name not in self.table:
            return None
        module, _, attribute = self.table[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands out of the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.table.items()])

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Run the command; end every error in sentences and an exit code."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            _end(ctx, ["Interrupted.", _pump_state(ctx)], _INTERRUPTED)
        except PumpCtrlError as error:
            _end(ctx, [str(error)], error.exit_code)
        except Exception as error:  # noqa: BLE001 - the last resort: a person must get a sentence, not a traceback
            if of_output(error):
                _end(ctx, [without_output(error), _pump_state(ctx)], NO_OUTPUT)
            _end(ctx, _last_words(ctx, error), _DEFECT)


def _write_notice(formatter: click.HelpFormatter) -> None:
    formatter.write_paragraph()
    formatter.write_text(NOTICE)


def _pump_state(ctx: click.Context) -> str:
    return str(ctx.meta.get(PUMP_STATE, _UNTOUCHED))


def _last_words(ctx: click.Context, error: Exception) -> list[str]:
    return [
        f"Stopped by a defect in pump-ctrl: {type(error).__name__}: {error}".rstrip(": "),
        _pump_state(ctx),
        f"Set {TRACEBACK}=1 and repeat the command to see where it happened, and please report it.",
    ]


def of_output(error: Exception) -> bool:
    """Whether standard output could not be written: no file was named, and the disk behind it says no."""
    return isinstance(error, OSError) and error.errno in _UNWRITTEN and error.filename is None


def without_output(error: Exception) -> str:
    """What a person is told then."""
    return f"What this command says could not be written: {error}."


def _end(ctx: click.Context, lines: list[str], code: int) -> NoReturn:
    if os.environ.get(TRACEBACK):
        click.echo(traceback.format_exc(), err=True)
    click.echo("\n".join(folded(lines, width_of(sys.stderr))), err=True)
    ctx.exit(code)
