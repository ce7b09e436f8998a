"""Plants for each invariant and each rule its one defect, and runs nothing but the tests that are said to show it.

python -m tests.trace.fall [ID ...]     all of them if none is named; exit status 1 if one stays green
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace

from tests.planted.corpus import Bug, corpus
from tests.planted.plant import hunt_all
from tests.trace.shown import SHOWN


def felled(ids: Sequence[str]) -> list[Bug]:
    """The defects of these ids, each under the id that it goes against, found by the tests of that id or by none."""
    bugs = {bug.id: bug for bug in corpus()}
    return [replace(bugs[SHOWN[each].falls], id=each, tests=SHOWN[each].all_tests) for each in ids]


def main(arguments: Sequence[str]) -> int:
    """The command."""
    found = hunt_all(felled(arguments or tuple(SHOWN)))
    return 0 if found and all(each.by for each in found) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
