"""Meeting a New Era pump: its mode, who it is, and everything set in it that a run depends on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from pump_ctrl.drivers.base import (
    Acked,
    Given,
    Identity,
    Nothing,
    PumpState,
    PumpStatus,
    Refused,
    Unknown,
)
from pump_ctrl.drivers.new_era import NewEraDriver
from pump_ctrl.errors import InvalidInput, LinkError
from tests.unit.new_era_kit import HOUR, SETTINGS, OracleLink, OraclePump, basic, permit
from tests.unit.new_era_met import UNTIMED, acked, met


def test_a_pump_tells_model_and_firmware_and_no_serial() -> None:
    driver = NewEraDriver(OracleLink(OraclePump(firmware="NE1000X2V3.934")), 5, SETTINGS)
    assert driver.identify() == Identity("NE1000", "X2V3.934", None, 5 << 16)
    can = driver.capabilities
    assert (can.protocol, can.max_steps, can.step_nl, can.counter_unit_nl) == ("new-era", 39, 100, 1_000)
    assert (can.max_nl_per_h, can.ttl_ms, can.max_lease_ms) == (9_999_000, None, 24 * HOUR)
    flags = (can.dedup, can.keeps_outcomes, can.buffered, can.tells_time, can.simulated)
    assert flags == (False, True, False, False, False)


def test_through_a_network_the_tag_proves_less_and_the_driver_says_so() -> None:
    driver, _ = met(OraclePump(), OracleLink(OraclePump(), buffered=True))
    assert (driver.capabilities.buffered, driver.capabilities.keeps_outcomes) == (True, False)


@pytest.mark.parametrize(
    "bad",
    [{"diameter_um": None}, {"diameter_um": 99}, {"address": 100}, {"address": -1}, {"wire_timeout_s": 0},
     {"wire_timeout_s": 256}],
)  # fmt: skip
def test_settings_that_no_such_pump_has_are_refused(bad: dict[str, int | None]) -> None:
    with pytest.raises(InvalidInput):
        NewEraDriver(OracleLink(OraclePump()), 5, replace(SETTINGS, **bad))  # type: ignore[arg-type]


@pytest.mark.parametrize("owner", [0, -1, 2**32, True, 1.5])
def test_an_owner_out_of_range_is_refused(owner: int) -> None:
    with pytest.raises(ValueError, match="owner"):
        NewEraDriver(OracleLink(OraclePump()), owner, SETTINGS)


@pytest.mark.parametrize("was_safe_s", [0, 10, 60])
@pytest.mark.parametrize("wanted_s", [None, 60])
def test_the_pump_is_brought_into_the_wanted_mode_from_either(was_safe_s: int, wanted_s: int | None) -> None:
    pump = OraclePump(safe_s=was_safe_s, address=7)
    driver = NewEraDriver(OracleLink(pump), 5, replace(SETTINGS, wire_timeout_s=wanted_s, address=7))
    assert isinstance(driver.identify(), Identity)
    assert pump.safe_s == (wanted_s or 0)
    assert isinstance(driver.read_status(), PumpStatus)


def test_what_could_start_the_pump_behind_our_back_is_switched_off() -> None:
    pump = OraclePump()
    met(pump)
    assert pump.settings == {"TRG": "OF", "PF": "0", "AL": "1"}


def test_a_pump_that_runs_is_left_alone_until_a_deliver_has_stopped_it() -> None:
    pump = OraclePump()
    driver, link = met(pump)
    acked(driver.deliver(permit((60_000, HOUR))))
    pump.settings["TRG"] = "FT"
    other = NewEraDriver(link, 6, UNTIMED)
    link.sent.clear()
    assert isinstance(other.identify(), Identity)
    assert "TRGOF" not in link.sent
    assert (pump.prompt, pump.settings["TRG"]) == ("I", "FT")
    status = other.read_status()
    assert isinstance(status, PumpStatus)
    assert (status.state, status.running_id) == (PumpState.RUNNING, None)
    acked(other.deliver(permit((25_000, HOUR), number=8)))
    assert pump.settings["TRG"] == "OF"


def test_another_syringe_is_told_with_both_diameters_and_nothing_is_changed() -> None:
    pump = OraclePump(diameter="26.59")
    link = OracleLink(pump)
    driver = NewEraDriver(link, 5, UNTIMED)
    told = driver.identify()
    assert isinstance(told, Unknown)
    assert "26.590 mm, the profile is of one of 14.430 mm" in told.detail
    assert driver.deliver(permit((25_000, HOUR))) == Refused("not-identified")
    assert pump.diameter == "26.59"


def test_a_person_who_has_looked_can_have_the_syringe_set_on_a_pump_that_stands_still() -> None:
    pump = OraclePump(diameter="26.59")
    driver = NewEraDriver(OracleLink(pump), 5, UNTIMED)
    driver.identify()
    assert isinstance(driver.set_syringe(), Acked)
    assert pump.diameter == "14.43"
    assert isinstance(driver.identify(), Identity)
    acked(driver.deliver(permit((25_000, HOUR))))
    refused = driver.set_syringe()
    assert isinstance(refused, Refused)
    assert refused.code == "running"
    assert pump.prompt == "I"


def test_a_silent_pump_and_another_address_are_told_in_a_sentence() -> None:
    for pump in (OraclePump(address=3), OraclePump()):
        link = OracleLink(pump)
        if pump.address == 0:
            link.deaf = lambda number, text: True
        begun = link.now
        told = NewEraDriver(link, 5, SETTINGS).identify()
        assert isinstance(told, Unknown)
        assert "No New Era pump answers at address 0" in told.detail
        assert link.now - begun <= 1_000


def test_after_a_loss_of_the_link_the_pump_is_met_anew_before_it_gets_anything() -> None:
    """F-19: under the same name another pump of the same model may answer."""
    pump = OraclePump()
    driver, link = met(pump)
    asked = permit((60_000, HOUR))
    epoch = acked(driver.deliver(asked)).epoch
    link.wait(HOUR // 2)
    driver.read_status()
    write = link.write

    def broken(data: bytes, *, deadline_ms: int) -> None:
        raise LinkError("The port was lost.")

    link.write = broken  # type: ignore[method-assign]
    for _ in range(3):
        assert isinstance(driver.read_status(), Unknown)
    link.write = write  # type: ignore[method-assign]
    assert driver.deliver(permit((25_000, HOUR), number=8)) == Refused("not-identified")
    status = driver.read_status()
    assert isinstance(status, PumpStatus)
    assert (status.epoch, status.running_id) == (epoch + 1, None)
    assert isinstance(driver.evidence(asked.id), Nothing)  # what runs may be another pump's
    driver.stop()
    found = driver.evidence(asked.id)  # the tag is this permit's, so it is its pump
    assert isinstance(found, Given)
    assert found.lo_nl <= pump.given <= found.hi_nl <= found.lo_nl + 20
    assert isinstance(driver.identify(), Identity)
    acked(driver.deliver(permit((25_000, HOUR), number=8)))


def test_another_model_that_answers_later_is_told_and_gets_nothing() -> None:
    pump = OraclePump()
    driver, _ = met(pump)
    pump.firmware = "NE4000V2.1"
    told = driver.identify()
    assert isinstance(told, Identity)
    assert told.model == "NE4000"
    assert driver.deliver(permit((25_000, HOUR))) == Refused("not-identified")
    pump.firmware = "NE1000V3.923"
    driver.identify()
    acked(driver.deliver(permit((25_000, HOUR))))


def test_a_firmware_without_some_setting_is_met_all_the_same() -> None:
    pump = OraclePump()
    del pump.settings["PF"]
    driver, _ = met(pump)
    acked(driver.deliver(permit((25_000, HOUR))))


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda pump: setattr(pump, "_saf", lambda value: "" if value else "0"), "does not take a wire time-out"),
        (lambda pump: setattr(pump, "_setting", lambda name, value: "" if value else "FT"), "reads back as FT"),
        (lambda pump: setattr(pump, "_dis", lambda: "I..W0.000UL"), "'..' is no number"),
        (lambda pump: setattr(pump, "_ver", lambda: "?"), "VER was answered"),
    ],
)  # fmt: skip
def test_a_pump_that_does_not_do_what_a_run_needs_is_not_met(
    spoil: Callable[[OraclePump], None], sentence: str
) -> None:
    pump = OraclePump()
    pump.safe_s = 60
    spoil(pump)
    driver = NewEraDriver(OracleLink(pump), 5, SETTINGS)
    told = driver.identify()
    assert isinstance(told, Unknown)
    assert sentence in told.detail
    assert driver.deliver(permit((25_000, HOUR))) == Refused("not-identified")


def test_a_pump_that_answers_with_nothing_but_alarms_is_given_up() -> None:
    pump = OraclePump()
    driver, link = met(pump)

    def alarmed(number: int, data: bytes, reply: bytes) -> list[tuple[int, bytes]]:
        return [(10, basic("00A?S"))]

    link.meddle = alarmed
    assert isinstance(driver.read_status(), Unknown)
    assert isinstance(driver.stop(), Unknown)
    fresh = NewEraDriver(link, 6, UNTIMED)
    told = fresh.identify()
    assert isinstance(told, Unknown)
    assert "stall" in told.detail
