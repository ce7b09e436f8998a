"""Where the console's socket lies: in a directory of this user's own, named by the journal.

Layer      console; imports the kernel only.
Hazard     a socket that somebody else put there.
Tests      tests/unit/test_console.py
"""

from __future__ import annotations

import os
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Final

from pump_ctrl.errors import NotAllowed

_NAME_DIGITS: Final = 24
_OTHERS: Final = 0o077


def runtime_dir() -> Path:
    """The directory of the sockets, made if there is none: ``$XDG_RUNTIME_DIR/pump-ctrl`` or one under ``/tmp``.

    Raises:
        NotAllowed: it belongs to somebody else, or others may enter it.
    """
    base = os.environ.get("XDG_RUNTIME_DIR")
    found = Path(base, "pump-ctrl") if base else Path(tempfile.gettempdir(), f"pump-ctrl-{os.getuid()}")
    try:
        found.mkdir(mode=0o700, exist_ok=True)
        state = os.lstat(found)
    except OSError as err:
        raise NotAllowed(
            f"{found} cannot be used for the console: {err.strerror or err}.",
            code="console-unsafe",
            do_now="Set XDG_RUNTIME_DIR to a directory of your own.",
        ) from None
    if state.st_uid != os.getuid() or state.st_mode & _OTHERS or found.is_symlink():
        raise NotAllowed(
            f"{found} is not a directory of yours alone, so others could pose as the controller.",
            code="console-unsafe",
            do_now=f"Remove it, or: chmod 700 {found}",
        )
    return found


def socket_path(journal: Path | str) -> Path:
    """The socket of the controller that writes ``journal``.

    Raises:
        NotAllowed: there is no safe place for it.
    """
    name = sha256(os.path.realpath(journal).encode("utf-8", "surrogateescape")).hexdigest()[:_NAME_DIGITS]
    return runtime_dir() / f"{name}.sock"


def socket_paths() -> tuple[Path, ...]:
    """All sockets there are, whether anybody answers or not.

    Raises:
        NotAllowed: there is no safe place for them.
    """
    return tuple(sorted(runtime_dir().glob("*.sock")))
