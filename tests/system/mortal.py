"""``pump-ctrl`` that kills itself at a chosen point, on a pump that outlives it. For tests; no part of the product.

    mortal.py [--device PATH] [--die WHEN:WHAT:NTH] -- run PLAN --port sim:?speed=N ...

WHEN is before or after; NTH which of them; WHAT the kind of a journal record, or what is sent: a frame of an implant
(propose, commit, stop, status), ``start``, which is what starts a run of any pump, or of this life's second command
``exchange``, which is anything, and ``began``, which is anything after its start. With ``--device`` the port sim: leads
to that device and not to a pump of its own.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from typing import Any, Final

from pump_ctrl.cli.main import main
from pump_ctrl.drivers.link import SerialLink
from pump_ctrl.journal import FileJournal, Record
from pump_ctrl.live import session

FRAMES: Final = {2: "status", 3: "propose", 4: "commit", 5: "stop"}
STARTS: Final = (b"0RUN", b"irun")
SECOND: Final = 2  # the basal comes first, then what is killed over


class Death:
    """Counts what it is told of, and ends the process at its point."""

    def __init__(self, text: str) -> None:
        self.when, self.what, nth = text.split(":")
        self.left, self.intents, self.starts = int(nth), 0, 0

    def named(self, data: bytes) -> str:
        """What is sent, by the name that this death looks for."""
        frame = FRAMES.get(data[4], "") if len(data) > 4 else ""
        if frame == "commit" or any(word in data for word in STARTS):
            self.starts += 1
            return "start" if self.what == "start" else frame
        if self.what == "began" and self.starts == SECOND:
            return "began"
        return "exchange" if self.what == "exchange" and self.intents == SECOND else frame

    def come(self, when: str, what: str) -> None:
        if (when, what) == (self.when, self.what):
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def arm(death: Death) -> None:
    append, write = FileJournal.append, SerialLink.write

    def mortal_append(self: FileJournal, kind: str, data: Mapping[str, object]) -> Record:
        death.come("before", kind)
        record = append(self, kind, data)
        death.intents += kind == "intent"
        death.come("after", kind)
        return record

    def mortal_write(self: SerialLink, data: bytes, *, deadline_ms: int) -> None:
        frame = death.named(data)
        death.come("before", frame)
        write(self, data, deadline_ms=deadline_ms)
        death.come("after", frame)

    FileJournal.append = mortal_append  # type: ignore[method-assign]
    SerialLink.write = mortal_write  # type: ignore[method-assign]


class Served:
    """A pump that somebody else serves, in place of one of the process's own."""

    device = ""

    def __init__(self, *_: Any) -> None:  # noqa: ANN401
        """Take it as it is."""

    def close(self) -> None:
        """Leave it as it is."""


def options(words: list[str]) -> tuple[dict[str, str], list[str]]:
    cut = words.index("--")
    return dict(zip(words[:cut:2], words[1:cut:2], strict=True)), words[cut + 1 :]


if __name__ == "__main__":
    own, command = options(sys.argv[1:])
    if "--device" in own:
        Served.device = own["--device"]
        setattr(session, "TrialPump", Served)  # noqa: B010 - in place of what it imported
    if "--die" in own:
        arm(Death(own["--die"]))
    sys.exit(main(command))
