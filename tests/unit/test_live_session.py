"""One life of a controller: who is heard when, what is asked after a lost line, what is left at the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pump_ctrl.controller.machine import State
from pump_ctrl.drivers.base import Permit
from pump_ctrl.errors import JournalError
from pump_ctrl.journal import Record
from pump_ctrl.journal.life import Sign, read_life
from pump_ctrl.safety.guard import GuardedPump
from pump_ctrl.therapy.plan import load_plan
from sim.faults import Fault
from tests.driver_stacks import Kind
from tests.refusals import refused
from tests.unit.live_life import House, asked, house, records
from tests.whole_stack import HOUR, MINUTE

IMPLANT = Kind("implant-40", "4 h")
IMPLANT_STOP = Kind("implant-40", "stop")
NAMELESS = Kind("ne-1000-bd-10ml", "stop")


@pytest.fixture
def home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    with house(getattr(request, "param", IMPLANT), tmp_path, monkeypatch) as made:
        yield made


nameless = pytest.mark.parametrize("home", [NAMELESS], indirect=True, ids=str)
stopping = pytest.mark.parametrize("home", [IMPLANT_STOP], indirect=True, ids=str)


# ---- who is heard ----


def test_a_signal_and_a_stop_at_the_console_are_seen_before_the_next_exchange(home: House) -> None:
    """S-08, D-01: not only when the command is over."""
    with home.running() as life:
        assert not life.stop_requested()
        with asked(life, "stop"):
            assert life.stop_requested()
            life.desk.serve()
        assert not life.stop_requested()
        life.signals.count += 1
        assert life.stop_requested()


@nameless
def test_a_signal_in_the_midst_of_a_command_keeps_it_from_beginning(home: House) -> None:
    """S-08, D-01: the driver looks too, between its forty exchanges."""
    with home.running() as life:
        write = home.port.write

        def heard(data: bytes, *, deadline_ms: int) -> None:
            life.signals.count += b"CLDINF" in data
            write(data, deadline_ms=deadline_ms)

        home.port.write = heard  # type: ignore[method-assign]
        home.go(life, HOUR)
        (told,) = records(life, "outcome")[-1:]
        assert (told.data["what"], told.data["code"]) == ("refused", "stop-requested")


def test_a_stop_in_the_moment_of_leaving_leaves_no_hold(home: House) -> None:
    with home.running() as life:
        leave = life.runner.leave

        def slowly() -> None:
            leave()
            life.signals.count += 1

        life.runner.leave = slowly  # type: ignore[method-assign]
        assert life.leave().how == "stopped"
        assert life.runner.controller.run is None


@stopping
def test_who_leaves_without_a_confirmed_stop_is_told_so(home: House) -> None:
    """S-09."""
    with home.running() as life:
        home.wire.inject(Fault.parse(f"silence@{home.clock.true_ms}ms:for=10min"))
        assert life.leave().how == "stop-unknown"


# ---- who answers ----


@nameless
def test_a_pump_without_a_name_waits_for_a_person_after_its_line_was_lost(home: House) -> None:
    """F-19, S-25."""
    with home.running() as life:
        given = len(records(life, "intent"))
        home.port.pull()
        home.go(life, MINUTE)
        home.port.plug()
        home.go(life, 40 * MINUTE)
        assert life.waiting
        assert len(records(life, "intent")) == given
        assert "no serial number" in home.told[-1]


def test_another_pump_with_a_name_of_its_own_gets_nothing_after_a_lost_line(home: House) -> None:
    """F-19: it is not even told anything."""
    with home.running() as life:
        given = len(records(life, "intent"))
        home.port.pull()
        home.go(life, MINUTE)
        home.plug_in("SIM-0002")
        home.port.plug()
        home.go(life, HOUR)
        assert "wrong-pump" in [alarm.row.code for alarm in life.runner.guard.alarms]
        assert len(records(life, "intent")) == given
        assert home.world.truth.counted_nl() == 0


def test_a_pump_that_runs_what_a_new_journal_does_not_know_is_stopped_first(home: House) -> None:
    """F-23."""
    with home.running():
        pass  # the process ends without a word; its run goes on
    with home.running("b.journal", "12.5 ug") as life:
        first = [record.kind for record in records(life, "stop", "confirm")][:2]
        assert first == ["stop", "confirm"]
        assert "is stopped first" in home.told[-1]


def test_a_controller_is_not_started_with_another_plan_than_the_one_in_force(home: House) -> None:
    """S-14."""
    after = home.signed("next.toml", home.plan)
    with home.running() as life:
        new = life.shelf.signed(after)
        assert life.runner.load(new.prescription, new.limits, "Ann")
    with refused("plan-in-force-differs"), home.live():
        pass


# ---- signs of life ----


def test_who_waits_for_a_person_gives_no_sign_of_life(home: House) -> None:
    """D-14: else a hold that nobody watches would not end."""
    with home.running() as life:
        home.go(life, 20 * MINUTE)
        journal = life.order.journal
    last = read_life(journal)
    assert last is not None
    assert home.clock.boot_ms() - last.boot_ms <= 5 * MINUTE
    with home.live() as life:
        life.start()
        home.go(life, 20 * MINUTE)
        assert life.runner.controller.state is State.WAITING
    assert read_life(journal) == last


def test_after_a_sign_of_life_that_failed_none_is_trusted(home: House) -> None:
    """F-52."""
    with home.running() as life:
        before, failing = read_life(life.order.journal), life._life
        assert failing is not None
        write = failing.write

        def once(sign: Sign) -> None:
            failing.write = write  # type: ignore[method-assign]
            raise JournalError("the disk is full")

        failing.write = once  # type: ignore[method-assign]
        home.go(life, 20 * MINUTE)
        assert read_life(life.order.journal) == before
        assert "journal" in [alarm.row.code for alarm in life.runner.guard.alarms]


def test_a_load_that_waits_says_that_it_is_forgotten_with_the_controller_and_is(home: House) -> None:
    after = home.signed("next.toml", home.plan)
    request = {"id": "l1", "do": "load", "plan": str(after), "sha256": load_plan(after).sha256, "by": "Ann"}
    with home.running() as life:
        home.go(life, 31 * MINUTE)  # the bolus of 08:30 runs
        answer = life.desk._answer("load", request)
        assert answer.exit == 0
        assert answer.text.startswith(
            "NEXT takes effect when the bolus that runs or is due has ended. If the controller"
        )
        assert "it is forgotten: load it again then" in answer.text
        assert life.status()["next"]["load_waits"]
    with home.live() as life:
        life.start()
        assert not life.status()["next"]["load_waits"]
        assert life.plan.id == "SHORT"


@pytest.mark.parametrize(
    ("heard", "said"),
    [
        (True, "The pump was stopped and confirmed it."),
        (False, "STOP was sent and the pump did NOT confirm it: stop it by hand or take its power away."),
    ],
)
def test_a_journal_that_fails_is_told_with_what_became_of_the_pump(
    home: House, heard: bool, said: str
) -> None:
    """IT-02, F-51: under a hold, too, the pump is stopped; nobody may read that its basal goes on."""

    def no(kind: str, data: object) -> Record:
        raise JournalError("no space left on the device")

    with home.running() as life:
        home.go(life, 20 * MINUTE)
        if not heard:
            home.wire.inject(Fault.parse(f"lose-reply@{home.clock.true_ms}ms:type=stop,count=0"))
        life.journal.append = no  # type: ignore[method-assign]
        with asked(life, "ack"):
            home.go(life, MINUTE)
        told = next(text for text in home.told if text.startswith("ALARM journal"))
        shown = next(alarm for alarm in life.status()["alarms"] if alarm["code"] == "journal")
        assert home.world.implant.delivery.run is None  # lost was the reply only
    assert said in told
    assert said in shown["detail"]


# ---- what people may ask ----


def test_a_plan_that_was_changed_while_it_was_loaded_is_not_taken(home: House) -> None:
    """S-14, F-55: what was reviewed is what is loaded."""
    after = home.signed("next.toml", home.plan)
    with home.running() as life:
        request = {"id": "l1", "do": "load", "plan": str(after), "sha256": home.plan.sha256, "by": "Ann"}
        assert life.desk._answer("load", request).exit == 3
        assert life.runner.controller.prescription.plan == home.plan.sha256


def test_nobody_confirms_while_the_outcome_of_a_command_is_not_known(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S-25, S-07."""
    with home.running():
        pass
    with home.live() as life:
        code = life.start().code
        with monkeypatch.context() as patch:
            patch.setattr(GuardedPump, "unsettled", property(lambda _: Permit(7, (), 0)))
            with refused("outcome-unknown", "The outcome of command 7 is not known"):
                life.runner.confirm("Ann", code)
        assert life.waiting


@pytest.mark.parametrize(("by", "reason"), [("", "I looked"), ("Ann", "")])
def test_who_vouches_has_a_name_and_a_reason(by: str, reason: str, home: House) -> None:
    """S-30, S-35."""
    with home.running() as life:
        life.runner.raise_alarm("over-delivery", "")
        with refused("no-name-or-reason"):
            life.runner.vouch("over-delivery", by, reason)
        assert [alarm.row.code for alarm in life.runner.guard.alarms] == ["over-delivery"]
