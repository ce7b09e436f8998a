"""How the page is served: how many files may be open. The rest needs a process of its own: tests/web/test_door.py."""

from __future__ import annotations

import resource

import pytest

from pump_ctrl.web.server import allow_files

NO_END = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("soft", "hard", "then"),
    [
        (1_024, 524_288, [(65_536, 524_288)]),
        (1_024, NO_END, [(65_536, NO_END)]),
        (1_024, 4_096, [(4_096, 4_096)]),
        (4_096, 4_096, []),
        (100_000, 524_288, []),
        (NO_END, NO_END, []),
    ],
)
def test_as_many_files_as_the_system_allows_and_never_fewer_than_before(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, then: list[tuple[int, int]]
) -> None:
    asked = list[tuple[int, int]]()
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: asked.append(limits))
    allow_files()
    assert asked == then
