"""Runs the tests against one mutant after the other, in processes forked from one that has imported them all.

A mutant inside a function is put into the function that is already there (its ``__code__``), so that it costs a fork
and the tests that reach its lines, the fastest first, up to the first failure. One that is carried out on import
(a constant, a default, a table) is read in place of the file by a fork that has imported nothing of the project yet.

A test may use eight times the processor time that it took when the tests were recorded, and a second; a mutant that
takes longer is timed out, which counts as killed. Hypothesis draws 25 examples, always the same, and does not shrink.
"""

from __future__ import annotations

import gc
import importlib.machinery
import json
import os
import pickle
import resource
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, Final, NoReturn

import coverage
import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.mutation.operators import Mutant, mutants_of

JOBS: Final = 2
SLACK_S: Final = 1.0
SLOWER: Final = 8
WALL_S: Final = 120  # a mutant that waits for ever
MEMORY: Final = 4 << 30  # one that collects for ever
SURVIVED, KILLED, BROKEN = 0, 1, 3  # exit statuses of a mutant's process
PYTEST: Final = ("-q", "--timeout=0", "--assert=plain")


@dataclass(frozen=True, slots=True)
class Record:
    """What the tests do on the sound tree: processor seconds of each, and which of them reach each line."""

    seconds: dict[str, float] = field(default_factory=dict)
    reached: dict[str, dict[int, set[str]]] = field(default_factory=dict)

    def tests_of(self, mutant: Mutant) -> list[str]:
        """Those that reach it, the fastest first.

        Of a change on import all tests of each file of tests that reaches its file at all: one that only looks at a
        constant reaches no line.
        """
        lines = self.reached.get(mutant.file, {})
        tests = {test for number in mutant.lines for test in lines.get(number, ())}
        if mutant.outer is None:
            files = {_file_of(test) for reaching in lines.values() for test in reaching}
            tests = {test for test in self.seconds if _file_of(test) in files}
        return sorted(tests, key=lambda test: (self.seconds[test], test))


def _file_of(test: str) -> str:
    return test.partition("::")[0]


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a mutant: ``killed``, ``survived``, ``timed out`` or ``not reached`` by any test."""

    mutant: Mutant
    what: str
    seconds: float


# --- the tests on the sound tree ---------------------------------------------------------------------------


class _Recorder:
    """pytest plugin: times each test and asks coverage which lines it reached."""

    def __init__(self, root: Path, files: Sequence[str]) -> None:
        self._root, self._files = root, files
        self._coverage = coverage.Coverage(
            data_file=None, config_file=False, include=[str(root / file) for file in files]
        )
        self.record, self.failed = Record(), list[str]()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        self._coverage.switch_context(item.nodeid)
        began = time.process_time()
        result = yield
        self.record.seconds[item.nodeid] = time.process_time() - began
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)

    def pytest_collection_finish(self) -> None:
        self._coverage.start()

    def pytest_sessionfinish(self) -> None:
        self._coverage.stop()
        data = self._coverage.get_data()
        for file in self._files:
            lines = data.contexts_by_lineno(str(self._root / file))
            self.record.reached[file] = {
                line: {each for each in tests if each} for line, tests in lines.items()
            }


def recorded(root: Path, files: Sequence[str], tests: Sequence[str]) -> Record:
    """Run the tests once, in a process of their own.

    Raises:
        RuntimeError: they fail without a mutant, so that they would kill everything.
    """
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        _quiet()
        plugin = _Recorder(root, files)
        status = pytest.main([*PYTEST, *tests], plugins=[plugin])
        with os.fdopen(write, "wb") as to:
            pickle.dump((int(status), plugin.failed, plugin.record), to)
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as source:
        status, failed, record = pickle.load(source)
    os.waitpid(child, 0)
    if status:
        raise RuntimeError(f"the tests are not green without a mutant (exit status {status}): {failed[:5]}")
    found: Record = record
    return found


# --- one mutant --------------------------------------------------------------------------------------------


class _Judge:
    """pytest plugin of a mutant's process: the first failure ends it, and so does a test that takes too long.

    The name of the test that failed is written to ``tell``.
    """

    def __init__(self, record: Record, tell: int) -> None:
        self._record, self._tell, self._test = record, tell, ""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        self._test = item.nodeid
        signal.setitimer(
            signal.ITIMER_PROF, SLACK_S + SLOWER * self._record.seconds.get(item.nodeid, SLACK_S)
        )

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> None:
        if call.excinfo is not None and not call.excinfo.errisinstance(pytest.skip.Exception):
            os.write(self._tell, f"{self._test}\n".encode())
            os._exit(KILLED)


class _Chosen:
    """pytest plugin for a change on import: only the tests that reach its file, the fastest first."""

    def __init__(self, tests: Sequence[str]) -> None:
        self._rank = {test: rank for rank, test in enumerate(tests)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted(
            (item for item in items if item.nodeid in self._rank), key=lambda item: self._rank[item.nodeid]
        )


class _Hunter:
    """pytest plugin that, instead of running the tests once, runs them for each mutant in a fork."""

    def __init__(
        self, root: Path, mutants: Sequence[Mutant], record: Record, tell: Callable[[int, str, float], None]
    ) -> None:
        self._root, self._mutants, self._record, self._tell = root, mutants, record, tell
        self._kills: Counter[tuple[str, str]] = Counter()

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        read, write = os.pipe()
        os.set_blocking(read, False)
        session.config.pluginmanager.register(_Judge(self._record, write))
        places = _functions({str(self._root / mutant.file) for mutant in self._mutants})

        def child(mutant: Mutant) -> None:
            _put(places, str(self._root / mutant.file), mutant)
            tests = [items[test] for test in self._in_order(mutant)]
            for item, after in zip(tests, [*tests[1:], None], strict=True):
                item.ihook.pytest_runtest_protocol(item=item, nextitem=after)

        gc.freeze()
        for index, what, seconds in _pool(self._mutants, child):
            self._tell(index, what, seconds)
            for test in _waiting(read):
                self._kills[self._mutants[index].function, test] += 1
        return True

    def _in_order(self, mutant: Mutant) -> list[str]:
        """Those first that have killed others of its function."""
        return sorted(self._record.tests_of(mutant), key=lambda test: -self._kills[mutant.function, test])


def _waiting(pipe: int) -> list[str]:
    try:
        return os.read(pipe, 1 << 16).decode().splitlines()
    except BlockingIOError:
        return []


Place = tuple[str, str, int]  # path, qualified name, first line


def _functions(paths: set[str]) -> dict[Place, list[FunctionType]]:
    """The functions that were made from these files."""
    found = defaultdict(list)
    gc.unfreeze()  # tests/conftest.py: what was collected is looked at by no garbage collection
    for each in gc.get_objects():
        if isinstance(each, FunctionType) and each.__code__.co_filename in paths:
            code = each.__code__
            found[code.co_filename, code.co_qualname, code.co_firstlineno].append(each)
    return found


def _put(places: dict[Place, list[FunctionType]], path: str, mutant: Mutant) -> None:
    assert mutant.outer is not None
    found = places[path, *mutant.outer]
    [changed] = [
        code
        for code in _codes(mutant.code(path))
        if (code.co_qualname, code.co_firstlineno) == mutant.outer and code.co_flags & 1
    ]
    if not found:
        os._exit(BROKEN)
    for function in found:
        free = function.__code__.co_freevars
        function.__code__ = changed if changed.co_freevars == free else changed.replace(co_freevars=free)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _codes(const)


def _import_changed(root: Path, mutant: Mutant, record: Record) -> None:
    """In a fork that has imported nothing of the project: read the mutant for the file, and run its tests."""
    path, sound = str(root / mutant.file), importlib.machinery.SourceFileLoader.get_code

    def get_code(self: importlib.machinery.SourceFileLoader, fullname: str) -> CodeType | None:
        return mutant.code(path) if self.get_filename(fullname) == path else sound(self, fullname)

    importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[assignment, method-assign]
    tests = record.tests_of(mutant)
    signal.setitimer(signal.ITIMER_PROF, 60)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    status = pytest.main(
        [*PYTEST, *sorted({_file_of(test) for test in tests})],
        plugins=[_Judge(record, nowhere), _Chosen(tests)],
    )
    os._exit(SURVIVED if status == 0 else KILLED)


# --- processes ---------------------------------------------------------------------------------------------


def _pool(mutants: Sequence[Mutant], child: Callable[[Mutant], None]) -> Iterator[tuple[int, str, float]]:
    """A fork for each, a few at a time: its number, what became of it, and in how many seconds."""
    under_way: dict[int, tuple[int, float]] = {}
    waiting = list(enumerate(mutants))[::-1]
    while waiting or under_way:
        while waiting and len(under_way) < JOBS:
            index, mutant = waiting.pop()
            if (pid := os.fork()) == 0:
                _run(child, mutant)
            under_way[pid] = (index, time.monotonic())
        pid, status = os.wait()
        index, began = under_way.pop(pid)
        yield index, _said(status, mutants[index]), time.monotonic() - began


def _run(child: Callable[[Mutant], None], mutant: Mutant) -> NoReturn:
    try:
        _quiet()
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        signal.setitimer(signal.ITIMER_REAL, WALL_S)
        child(mutant)
    except BaseException:  # noqa: BLE001 - whatever it is, the tests did not pass
        os._exit(KILLED)
    os._exit(SURVIVED)


def _said(status: int, mutant: Mutant) -> str:
    if os.WIFSIGNALED(status):
        late = os.WTERMSIG(status) in {signal.SIGPROF, signal.SIGALRM}
        return "timed out" if late else "killed"
    if os.WEXITSTATUS(status) == BROKEN:
        raise RuntimeError(f"could not be put in place: {mutant}")
    return "survived" if os.WEXITSTATUS(status) == SURVIVED else "killed"


def _quiet() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


# --- all of them -------------------------------------------------------------------------------------------


def hunt(root: Path, mutants: Sequence[Mutant], tests: Sequence[str]) -> Iterator[Fate]:
    """The fate of each mutant under these tests, in any order."""
    files = sorted({mutant.file for mutant in mutants})
    record = recorded(root, files, tests)
    reached = []
    for mutant in mutants:
        if record.tests_of(mutant):
            reached.append(mutant)
        else:
            yield Fate(mutant, "not reached", 0.0)
    inside = [mutant for mutant in reached if mutant.outer is not None]
    for index, what, seconds in _forked_hunter(root, inside, record, tests):
        yield Fate(inside[index], what, seconds)
    on_import = [mutant for mutant in reached if mutant.outer is None]
    for index, what, seconds in _pool(on_import, lambda mutant: _import_changed(root, mutant, record)):
        yield Fate(on_import[index], what, seconds)


def _forked_hunter(
    root: Path, mutants: Sequence[Mutant], record: Record, tests: Sequence[str]
) -> Iterator[tuple[int, str, float]]:
    """The collected tests live in a process of their own, so that the one that asks has imported nothing."""
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        os.close(read)
        errors = os.dup(2)
        _quiet()
        to = os.fdopen(write, "w", buffering=1)
        hunter = _Hunter(root, mutants, record, lambda *fate: print(json.dumps(fate), file=to))
        status = pytest.main([*PYTEST, *tests], plugins=[hunter])
        os.write(errors, b"" if status == 0 else f"the hunt ended with {status!r}\n".encode())
        os._exit(int(status))
    os.close(write)
    with os.fdopen(read) as source:
        for line in source:
            index, what, seconds = json.loads(line)
            yield index, what, seconds
    if os.waitpid(child, 0)[1]:
        raise RuntimeError("the hunt broke off")


def main() -> None:
    """``python -m tests.mutation.hunt FILE ... -- TESTS ...``: a line of JSON for each mutant, from this directory."""
    prepare()
    at = sys.argv.index("--")
    files, tests, root = sys.argv[1:at], sys.argv[at + 1 :], Path.cwd()
    mutants = [mutant for file in files for mutant in mutants_of(root, file)]
    for fate in hunt(root, mutants, tests):
        print(json.dumps([*fate.mutant.key, fate.mutant.lines.start, fate.what, fate.seconds]), flush=True)  # noqa: T201


def prepare() -> None:
    """Before anything of the project is imported: what Hypothesis draws."""
    settings.register_profile(
        "mutation",
        deadline=None,
        derandomize=True,
        database=None,
        max_examples=25,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    os.environ["PUMP_CTRL_HYPOTHESIS"] = "mutation"
    sys.dont_write_bytecode = True


if __name__ == "__main__":
    main()
