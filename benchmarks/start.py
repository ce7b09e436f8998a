"""How long ``pump-ctrl --help`` takes: the installed script, from the shell's point of view.

Wall time, since that is what a person waits for; the median of 15, so that one busy moment does not count. Exit status
1 if it is above ``figures.toml``.

    python -m benchmarks.start
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from shutil import which
from statistics import median
from time import perf_counter

from benchmarks.setting import figures

ROUNDS = 15


def script() -> str:
    """The installed ``pump-ctrl``, beside this interpreter or on the path.

    Raises:
        FileNotFoundError: the project is not installed.
    """
    found = which("pump-ctrl", path=str(Path(sys.executable).parent)) or which("pump-ctrl")
    if found is None:
        raise FileNotFoundError("pump-ctrl is not installed; run: pip install .")
    return found


def once(command: str) -> float:
    """Seconds until the help has been printed."""
    began = perf_counter()
    subprocess.run([command, "--help"], check=True, stdout=subprocess.DEVNULL)
    return perf_counter() - began


def main() -> int:
    command, most = script(), figures()["most"]["start_s"]
    once(command)  # the first one may have to compile
    taken = median(once(command) for _ in range(ROUNDS))
    print(f"pump-ctrl --help: {taken:.3f} s, at most {most}{'' if taken <= most else '   TOO SLOW'}")
    return int(taken > most)


if __name__ == "__main__":
    sys.exit(main())
