"""The lines to the controllers: one each, with an age; requests that go out once; STOP before all else."""

from __future__ import annotations

import json
import os
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pump_ctrl.clinic import Account, Clinic, passwords
from pump_ctrl.clock import Clock, VirtualClock
from pump_ctrl.console import socket_path
from pump_ctrl.errors import JournalError, NotAllowed
from pump_ctrl.web import pumps as pumps_module
from pump_ctrl.web.pumps import Pumps
from tests.unit.web.fake_controller import STATUS, Controller, Stranger
from tests.unit.web.kit import room

ANN = Account("ann", "Ann Example", ("prescriber",), False, 0, 0)


def until(what: Callable[[], object]) -> None:
    """Wait for another thread, and not for long."""
    for _ in range(10_000):
        if what():
            return
        threading.Event().wait(0.002)
    raise AssertionError("it did not come to pass")


def ends(pumps: Pumps, controller: Controller) -> None:
    """It ends, and what it said last has been heard: no status comes any more."""
    controller.close()
    line = pumps._lines[controller.key]
    until(lambda: not line._answers)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(utc_ms=1_795_176_000_000)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short directory: the name of a socket has at most 107 bytes. Everything in it goes quickly."""
    monkeypatch.setattr(passwords, "LOG_N", 4)
    monkeypatch.setattr(pumps_module, "EVERY_S", 0.005)
    monkeypatch.setattr(pumps_module, "PATIENCE_S", 0.05)
    monkeypatch.setattr(pumps_module, "ASK_PATIENCE_S", 0.05)
    with room() as name:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(name))
        yield name


@pytest.fixture
def clinic(place: Path, clock: VirtualClock) -> Iterator[Clinic]:
    with Clinic.open(place / "state", clock) as found:
        yield found


def acts(clinic: Clinic) -> list[tuple[str, str]]:
    """What the page's journal says of requests: kind and verb."""
    clinic.acts.flush()
    lines = [json.loads(line) for line in (clinic.place / "page.jsonl").read_text().splitlines()]
    return [(line["kind"], line["data"]["do"]) for line in lines if "do" in line["data"]]


# --- looking --------------------------------------------------------------------------------------------------------


def test_a_controller_is_shown_with_its_age_and_as_silent_from_three_seconds_on(
    place: Path, clinic: Clinic, clock: VirtualClock
) -> None:
    with Controller(place / "j") as one, Pumps(clinic) as pumps:
        until(lambda: (found := pumps.get(one.key)) and found.status)
        ends(pumps, one)
        clock.advance(2_999)
        seen = pumps.get(one.key)
        assert seen is not None
        assert (seen.title, seen.age_ms, seen.silent, seen.why) == ("BENCH-1 (j.jsonl)", 2_999, False, "")
        clock.advance(1)
        until(lambda: (found := pumps.get(one.key)) and found.silent and found.why)
        pumps.look()
        seen = pumps.get(one.key)
        assert seen is not None
        assert (seen.silent, seen.ended) == (True, True)
        assert "controller" in seen.why


def test_however_many_look_the_controller_sees_one_line(place: Path, clinic: Clinic) -> None:
    with Controller(place / "j") as one, Pumps(clinic) as pumps:
        until(lambda: len(one.asked) > 3)
        for _ in range(200):
            pumps.known()
            pumps.get(one.key)
        assert one.most_lines <= 2  # the line, and once the look whether somebody is there
        asked = len(one.asked)
        until(lambda: len(one.asked) > asked)
        assert len(one._console.readers()) == 2


def test_controllers_come_and_go_by_themselves(place: Path, clinic: Clinic, clock: VirtualClock) -> None:
    with Pumps(clinic) as pumps:
        assert pumps.known() == ()
        with Controller(place / "b") as b, Controller(place / "a") as a:
            b.status = {**STATUS, "plan": {"id": "A-0", "title": "", "sha256": ""}}
            pumps.look()
            until(lambda: [seen.title[:4] for seen in pumps.known()] == ["A-0 ", "BENC"])
        pumps.look()
        until(lambda: [seen.ended for seen in pumps.known()] == [True, True])
        clock.advance(3_600_000)
        pumps.look()
        assert pumps.known() == ()
        assert a.key != b.key


def test_the_socket_of_a_controller_that_was_killed_costs_nothing(place: Path, clinic: Clinic) -> None:
    with Controller(place / "j") as one:
        pass
    with Stranger(place / "j"):
        pass  # the file stays
    before = threading.active_count()
    with Pumps(clinic) as pumps:
        assert one.path.exists()
        assert pumps.known() == ()
        assert threading.active_count() == before + 1


@pytest.mark.parametrize(
    "words",
    [
        None,
        b"garbage\n",
        b"x" * 2_000_000,
        {"id": "page-1", "exit": 0, "text": "", "status": []},
        {"id": "page-1", "exit": 0, "text": "", "status": {"schema": "pump-ctrl/status/1"}},
        {"id": "page-1", "exit": 0, "text": "", "status": {**STATUS, "plan": {}}},
        {"id": "page-1", "exit": 0, "text": "", "status": {**STATUS, "schema": "pump-ctrl/status/2"}},
    ],
    ids=["nothing", "garbage", "no end", "no status", "an empty one", "no plan", "another version"],
)
def test_what_answers_nonsense_or_nothing_is_shown_as_silent_and_can_be_stopped(
    place: Path, clinic: Clinic, words: object
) -> None:
    before = threading.active_count()
    with Stranger(place / "j", words) as stranger, Pumps(clinic) as pumps:
        until(lambda: (found := pumps.get(stranger.key)) and found.why)
        seen = pumps.known()[0]
        assert (seen.status, seen.silent, seen.ended) == (None, True, False)
        assert seen.title == f"controller {stranger.key[:8]}"
        answer = pumps.ask(stranger.key, "stop", ANN, "0")
        assert answer.exit == 4
        assert "STOP was sent and is NOT confirmed." in answer.text
        assert "Stop the pump by hand" in answer.text
    until(lambda: threading.active_count() <= before)


def test_what_lets_nobody_in_holds_up_nobody_for_long(place: Path, clinic: Clinic) -> None:
    with Stranger(place / "j", backlog=0, lets_in=False) as stranger, Pumps(clinic) as pumps:
        until(lambda: (found := pumps.get(stranger.key)) and found.why)
        answer = pumps.ask(stranger.key, "stop", ANN, "0")
        assert "Stop the pump by hand" in answer.text
        assert answer.exit == 4


def test_closing_ends_every_thread(place: Path, clinic: Clinic) -> None:
    before = threading.active_count()
    with Controller(place / "a"), Controller(place / "b"), Stranger(place / "c"):
        pumps = Pumps(clinic)
        until(lambda: len(pumps.known()) == 3)
        pumps.close()
        pumps.close()
        left = [thread.name for thread in threading.enumerate() if thread.name.startswith("console")]
        assert left == []
    until(lambda: threading.active_count() <= before)


# --- asking ---------------------------------------------------------------------------------------------------------


def test_a_request_is_written_down_before_it_goes_out_and_with_its_answer_afterwards(
    place: Path, clinic: Clinic
) -> None:
    seen: list[list[tuple[str, str]]] = []

    def reply(request: object) -> dict[str, object]:
        seen.append(acts(clinic))
        return {"exit": 3, "text": "Refused: the lockout lasts 42 s."}

    with Controller(place / "j", reply) as one, Pumps(clinic) as pumps:
        answer = pumps.ask(one.key, "bolus", ANN, "0123")
        assert (answer.exit, answer.text) == (3, "Refused: the lockout lasts 42 s.")
        assert seen == [[("asked", "bolus")]]
        assert acts(clinic) == [("asked", "bolus"), ("told", "bolus")]
        assert one.requests() == [{"id": "page-0123", "do": "bolus"}]
        last = json.loads((clinic.place / "page.jsonl").read_text().splitlines()[-1])["data"]
        assert (last["by"], last["controller"], last["exit"]) == ("ann", one.key, 3)


def test_the_state_behind_a_request_is_the_one_after_it(place: Path, clinic: Clinic) -> None:
    def reply(_: object) -> dict[str, object]:
        one.status = {**STATUS, "state": "PAUSED"}
        return {"exit": 0, "text": "Paused."}

    with Controller(place / "j", reply) as one, Pumps(clinic) as pumps:
        until(lambda: (found := pumps.get(one.key)) and found.status)
        pumps.ask(one.key, "pause", ANN, "0")
        seen = pumps.get(one.key)
        assert seen is not None
        assert seen.status is not None
        assert seen.status["state"] == "PAUSED"


def broken(*_: object, **__: object) -> None:
    raise JournalError("The disk is full.")


def test_what_cannot_be_written_down_is_not_asked_for(
    place: Path, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Controller(place / "j") as one, Pumps(clinic) as pumps:
        monkeypatch.setattr(Clinic, "record", broken)
        with pytest.raises(JournalError):
            pumps.ask(one.key, "bolus", ANN, "0")
        assert one.requests() == []


def test_a_stop_goes_out_though_it_cannot_be_written_down(
    place: Path, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Controller(place / "j") as one, Pumps(clinic) as pumps:
        monkeypatch.setattr(Clinic, "record", broken)
        answer = pumps.ask(one.key, "stop", ANN, "0")
        assert len(one.requests("stop")) == 1
        assert (answer.exit, answer.text) == (0, "Done.")
        until(lambda: pumps.trouble)
        assert pumps.trouble.startswith("A STOP is not written down yet. The disk is full.")


def test_a_stop_is_written_down_when_it_is_done(place: Path, clinic: Clinic) -> None:
    with Controller(place / "j") as one:
        with Pumps(clinic) as pumps:
            pumps.ask(one.key, "stop", ANN, "0")
        assert acts(clinic) == [("told", "stop")]


def test_a_stop_is_answered_while_the_disk_still_waits(
    place: Path, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered, record, in_time = threading.Event(), Clinic.record, list[bool]()

    def slow(self: Clinic, kind: str, **data: str) -> None:
        in_time.append(answered.wait(1))
        record(self, kind, **data)

    monkeypatch.setattr(Clinic, "record", slow)
    with Controller(place / "j") as one:
        with Pumps(clinic) as pumps:
            pumps.ask(one.key, "stop", ANN, "0")
            answered.set()
        assert in_time == [True]
        assert acts(clinic) == [("told", "stop")]


def test_a_stop_that_could_not_be_written_down_is_tried_again_until_it_is(
    place: Path, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pumps_module, "NOTE_AGAIN_S", 0.002)
    record, tries = Clinic.record, list[str]()

    def third_time(self: Clinic, kind: str, **data: str) -> None:
        tries.append(kind)
        broken() if len(tries) < 3 else record(self, kind, **data)

    monkeypatch.setattr(Clinic, "record", third_time)
    with Controller(place / "j") as one, Pumps(clinic) as pumps:
        pumps.ask(one.key, "stop", ANN, "0")
        until(lambda: len(tries) == 3 and not pumps.trouble)
        assert acts(clinic) == [("told", "stop")]


def test_a_controller_that_falls_silent_keeps_its_place(
    place: Path, clinic: Clinic, clock: VirtualClock
) -> None:
    with Controller(place / "a") as a, Controller(place / "b") as b, Pumps(clinic) as pumps:
        a.status = {**STATUS, "plan": {**STATUS["plan"], "id": "A-0"}}
        until(lambda: [seen.title[:4] for seen in pumps.known()] == ["A-0 ", "BENC"])
        ends(pumps, a)
        clock.advance(3_000)
        until(lambda: [seen.silent for seen in pumps.known()] == [True, False])
        assert [seen.key for seen in pumps.known()] == [a.key, b.key]


def test_two_of_one_plan_keep_their_places_whoever_came_first(place: Path, clinic: Clinic) -> None:
    """A STOP that is aimed at must not be another one's by the time it is pressed."""
    journals = [place / name / "j" for name in ("first", "second", "third")]
    one, two, three = sorted(journals, key=lambda journal: socket_path(journal).stem)
    with Controller(two) as middle, Pumps(clinic) as pumps:
        with Controller(three) as last:
            pumps.look()
            with Controller(one) as first:
                pumps.look()
                until(lambda: all(seen.status for seen in pumps.known()))
                assert {seen.title for seen in pumps.known()} == {"BENCH-1 (/bench/j.jsonl)"}
                assert [seen.key for seen in pumps.known()] == [first.key, middle.key, last.key]
            assert [seen.key for seen in pumps.known()] == [first.key, middle.key, last.key]
        pumps.look()
        assert [seen.key for seen in pumps.known()] == [first.key, middle.key, last.key]


def test_two_of_one_plan_and_one_name_are_told_apart_by_where_their_journals_lie(
    place: Path, clinic: Clinic
) -> None:
    """Two STOPs that read the same are one that may be pressed for the other."""
    with Controller(place / "a") as a, Controller(place / "b") as b, Pumps(clinic) as pumps:
        a.status = {**STATUS, "journal": "/bench/left/run.jsonl"}
        b.status = {**STATUS, "journal": "/bench/right/run.jsonl"}
        until(lambda: all(seen.title.endswith("/run.jsonl)") for seen in pumps.known()))
        titles = [seen.title for seen in pumps.known()]
        assert titles == ["BENCH-1 (/bench/left/run.jsonl)", "BENCH-1 (/bench/right/run.jsonl)"]
        seen = pumps.get(b.key)
        assert seen is not None
        assert seen.title == titles[1]
        b.status = {**b.status, "plan": {**STATUS["plan"], "id": "BENCH-2"}}
        until(
            lambda: [each.title for each in pumps.known()] == ["BENCH-1 (run.jsonl)", "BENCH-2 (run.jsonl)"]
        )


def test_who_still_answers_has_not_ended_whatever_became_of_the_sockets_file(
    place: Path, clinic: Clinic
) -> None:
    """What has ended has no STOP."""
    with Controller(place / "j") as one, Pumps(clinic) as pumps:
        until(lambda: (found := pumps.get(one.key)) and found.status)
        one.path.unlink()
        pumps.look()
        (place / "pump-ctrl").chmod(0o755)  # and then nobody new is trusted
        pumps.look()
        (place / "pump-ctrl").chmod(0o700)
        assert [seen.ended for seen in pumps.known()] == [False]
        one.close()
        until(lambda: [seen.ended for seen in pumps.known()] == [True])


@contextmanager
def no_more_files() -> Iterator[None]:
    """This process may open no file more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_stop_for_which_no_file_can_be_opened_was_not_sent_and_afterwards_all_is_followed_again(
    place: Path, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pumps_module, "LOOK_S", 0.005)
    with Pumps(clinic) as pumps:
        with Controller(place / "j") as one:
            until(lambda: (found := pumps.get(one.key)) and found.status)
            with no_more_files():
                answer = pumps.ask(one.key, "stop", ANN, "n1")
                one.close()
                until(lambda: (found := pumps.get(one.key)) and found.ended)
                threading.Event().wait(0.05)
        assert answer.exit != 0
        assert answer.text.startswith("STOP was NOT sent.")
        assert "Stop the pump by hand" in answer.text
        with Controller(place / "j") as again, Controller(place / "new") as new:
            until(lambda: (found := pumps.get(new.key)) and found.status)
            until(lambda: len(again.asked) > 1)


def test_a_thread_that_cannot_be_begun_costs_one_look_and_not_every_one_after_it(
    place: Path, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pumps_module, "LOOK_S", 0.005)
    begun: list[Path] = []

    class Refused(pumps_module._Line):
        def __init__(self, path: Path, clock: Clock) -> None:
            begun.append(path)
            if len(begun) < 3:
                raise RuntimeError("can't start new thread")
            super().__init__(path, clock)

    with Pumps(clinic) as pumps:
        monkeypatch.setattr(pumps_module, "_Line", Refused)
        with Controller(place / "j") as one:
            until(lambda: (found := pumps.get(one.key)) and found.status)
    assert len(begun) == 3


def test_a_stop_whose_page_ended_meanwhile_is_answered_and_told_to_the_log(
    place: Path, clinic: Clinic, caplog: pytest.LogCaptureFixture
) -> None:
    with Controller(place / "j") as one, Pumps(clinic) as pumps:
        pumps.close()
        assert pumps.ask(one.key, "stop", ANN, "n1").exit == 0
    assert "not in the page's journal" in caplog.text
    assert "page-n1" in caplog.text


def test_what_was_done_is_told_though_it_cannot_be_written_down_afterwards(
    place: Path, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = Clinic.record

    def first_only(self: Clinic, kind: str, **data: str) -> None:
        broken() if kind == "told" else record(self, kind, **data)

    with Controller(place / "j") as one, Pumps(clinic) as pumps:
        monkeypatch.setattr(Clinic, "record", first_only)
        answer = pumps.ask(one.key, "bolus", ANN, "0")
        assert (answer.exit, answer.text) == (0, "Done. This is not in the page's journal: The disk is full.")
        assert len(one.requests("bolus")) == 1


def test_a_request_without_an_answer_may_have_been_carried_out_and_is_not_sent_again(
    place: Path, clinic: Clinic
) -> None:
    with Controller(place / "j", lambda _: None) as one, Pumps(clinic) as pumps:
        answer = pumps.ask(one.key, "bolus", ANN, "0")
        assert answer.exit == 4
        assert "may have been carried out: look at the state" in answer.text
        assert len(one.requests("bolus")) == 1
        assert acts(clinic) == [("asked", "bolus"), ("told", "bolus")]


@pytest.mark.parametrize("answer", [{"text": "Done."}, {"exit": None, "text": ""}, {"exit": "x", "text": ""}])
def test_an_answer_that_is_none_is_not_taken_for_one(
    place: Path, clinic: Clinic, answer: dict[str, object]
) -> None:
    with Controller(place / "j", lambda _: answer) as one, Pumps(clinic) as pumps:
        assert pumps.ask(one.key, "bolus", ANN, "0").exit == 4


@pytest.mark.parametrize(("verb", "words"), [("stop", "STOP was NOT sent."), ("bolus", "It was not sent.")])
def test_a_controller_that_has_ended_is_not_asked_and_it_is_said_so(
    place: Path, clinic: Clinic, verb: str, words: str
) -> None:
    with Controller(place / "j") as one, Pumps(clinic) as pumps:
        one.close()
        answer = pumps.ask(one.key, verb, ANN, "0")
        assert answer.exit == 4
        assert answer.text.startswith(words)
        assert "What the pump was told last goes on to its end." in answer.text
        assert ("by hand" in answer.text) == (verb == "stop")


def test_a_controller_that_never_was_is_refused(clinic: Clinic) -> None:
    with Pumps(clinic) as pumps, pytest.raises(NotAllowed, match="no such controller"):
        pumps.ask("../../etc", "stop", ANN, "0")
