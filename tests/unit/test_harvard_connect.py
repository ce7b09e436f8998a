"""Meeting a pump: what is asked, what fits, and the sentences for what does not (F-19, F-23)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pump_ctrl.drivers.base import Identity, PumpSettings, PumpState, PumpStatus, Refused, Unknown
from pump_ctrl.drivers.harvard import HarvardDriver
from tests.unit.harvard_kit import SETTINGS, fresh, permit
from tests.unit.harvard_page import PaperLink, PaperPump, lost_reply, lost_request

ASKED = [
    "", "poll on", "poll", "echo off", "ver", "version", "load", "diameter", "svolume", "nvram off", "irate lim",
    "wrate", "force", "status",
]  # fmt: skip
LEGATO = {"ver": "LEGATO 100 3.0.6", "ticks": 1, "nvram": ("none",)}
PHD = {"ver": "PHD ULTRA 3.0.5", "ticks": 1, "nvram": ()}
OLD_PHD = {"ver": "PHD ULTRA 1.0.0", "ticks": -1_000, "target_flag": False, "nvram": ()}


def identify(pump: PaperPump, settings: PumpSettings = SETTINGS) -> tuple[PaperLink, Identity | Unknown]:
    link = PaperLink(pump)
    return link, HarvardDriver(link, 5, settings).identify()


def test_what_is_asked_of_an_elite() -> None:
    link, told = identify(PaperPump())
    assert told == Identity("11 ELITE I/W Single", "3.0.4", "D101754", 5 * 65_536)
    assert link.sent == ASKED
    assert link.pump.poll


@pytest.mark.parametrize("family", [LEGATO, PHD, OLD_PHD])
def test_every_family_is_met_and_understood(family: dict[str, object]) -> None:
    pump, link, driver = fresh(**family)
    assert isinstance(driver.read_status(), PumpStatus)
    driver.deliver(permit())
    link.wait(60_000)
    told = driver.read_status()
    assert isinstance(told, PumpStatus)
    assert told.state is PumpState.RUNNING
    assert told.delivered_nl == pump.given_nl
    assert (pump.nvram == ("none",)) == ("nvram none" in identify(PaperPump(**family))[0].sent)  # type: ignore[arg-type]


def test_a_pump_that_keeps_no_rate_of_withdrawal_is_met_and_runs_all_the_same() -> None:
    pump, _, driver = fresh(has_wrate=False, mode="Quick Start - Infuse (qs i)")
    driver.deliver(permit())
    assert pump.runs
    assert not any(command.startswith("wrate ") for command in pump.log)


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"diameter": "8.5850 mm"}, "syringe of 8.5850 mm, the profile to 14.4300 mm; nothing was changed"),
        ({"diameter": "14.4301 mm"}, "14.4301 mm"),
        ({"svolume": "3 ml"}, "syringe of 3 ml, the profile to 10 ml"),
        ({"mode": "Quick Start - Withdraw (qs w)"}, "no Quick Start that infuses"),
        ({"mode": "My method"}, "Choose one on its screen"),
        ({"version": ("Pump address:  7",)}, "its address is 7, the profile 0"),
        ({"ver": "NE1000V3.923"}, "did not answer `ver`"),
        ({"lies": {"poll": "Polling mode is OFF"}}, "told `poll on`, but says 'Polling mode is OFF'"),
        ({"lies": {"poll on": "", "poll": "Polling mode is ON"}}, "told `poll on`, but says"),  # and no XON
        ({"refuse": {"diameter": "Command error:|   Not now"}}, "`diameter` (Command error: Not now)"),
        ({"address": 7}, "a pump with address 7 answers"),
    ],
)
def test_what_does_not_fit_is_a_sentence_and_nothing_is_set(over: dict[str, object], words: str) -> None:
    link, told = identify(PaperPump(**over))  # type: ignore[arg-type]
    assert isinstance(told, Unknown)
    assert words in told.detail
    assert "connect again" in told.detail
    manners = {"", "poll on", "echo off", "nvram off", "irate lim"}
    assert not [command for command in link.pump.log if " " in command and command not in manners]


def test_a_profile_without_a_syringe_is_refused() -> None:
    _, told = identify(PaperPump(), replace(SETTINGS, diameter_um=None))
    assert told == Unknown("The profile names no diameter of a syringe.")


@pytest.mark.parametrize("refused", ["echo", "version", "load", "svolume", "nvram", "wrate", "force"])
def test_what_a_pump_need_not_know_is_not_asked_for_again(refused: str) -> None:
    link, told = identify(PaperPump(refuse={refused: "Command error:|   Unknown command"}))
    assert isinstance(told, Identity)
    assert (told.serial is None) == (refused == "version")
    assert len([command for command in link.sent if command.split(" ")[0] == refused]) == 1 + (
        refused == "nvram"
    )


@pytest.mark.parametrize("mode", ["(qs i)", "(qs iw)", "(QS WI)"])
def test_the_modes_that_infuse(mode: str) -> None:
    assert isinstance(identify(PaperPump(mode=f"Quick Start - X {mode}"))[1], Identity)


def test_a_dead_line_is_given_up_in_two_seconds_with_what_to_do() -> None:
    link = PaperLink(PaperPump())
    link.on = dict.fromkeys(("", "poll", "03", "03poll", "03:poll", "03:"), lost_request)
    for settings in (SETTINGS, replace(SETTINGS, address=3)):
        began = link.now
        told = HarvardDriver(link, 5, settings).identify()
        assert isinstance(told, Unknown)
        assert "No Harvard pump answers" in told.detail
        assert "cable" in told.detail
        assert link.now - began <= 2_000


@pytest.mark.parametrize("number", range(2, 15))
def test_silence_anywhere_is_unknown_with_a_sentence(number: int) -> None:
    link = PaperLink(PaperPump())
    link.faults[number] = lost_reply
    told = HarvardDriver(link, 5, SETTINGS).identify()
    if ASKED[number - 1] in ("echo off", "nvram off"):  # it need not know them
        assert isinstance(told, Identity)
    else:
        assert isinstance(told, Unknown)
        assert len(told.detail) > 20


@pytest.mark.parametrize("poll", [False, True])
def test_it_does_not_matter_in_which_polling_mode_the_pump_was_left(poll: bool) -> None:
    assert isinstance(identify(PaperPump(poll=poll))[1], Identity)


def test_a_pump_with_an_address_is_met_by_its_number() -> None:
    version = ("Pump address:  3",)
    pump, link, driver = fresh(address=3, version=version)
    assert isinstance(driver.read_status(), PumpStatus)
    assert link.sent == ["03status"]
    assert pump.log == ["status"]


def test_a_pump_that_wants_a_colon_gets_one() -> None:
    pump = PaperPump(address=3, version=("Pump address:  3",), ver="PHD ULTRA 3.0.5", ticks=1)
    link = PaperLink(pump)
    link.on = {"03": lost_request, "03poll": lost_request}
    driver = HarvardDriver(link, 5, replace(SETTINGS, address=3))
    assert isinstance(driver.identify(), Identity)
    assert link.sent[-1] == "03:status"


def test_another_pump_on_the_line_gets_nothing_until_the_first_is_back() -> None:
    pump, link, driver = fresh()
    link.pump = PaperPump(version=("Pump address:  0", "Serial number: D999"))
    told = driver.identify()
    assert isinstance(told, Identity)
    assert told.serial == "D999"
    assert driver.deliver(permit()) == Refused("not-identified")
    assert not link.pump.runs
    link.pump = pump
    back = driver.identify()
    assert isinstance(back, Identity)
    assert back.serial == "D101754"
    assert len({5 * 65_536, told.epoch, back.epoch}) == 3  # their counters are never put together
    driver.deliver(permit())
    assert pump.runs


@pytest.mark.parametrize(
    ("owner", "over"),
    [(0, {}), (2**32, {}), (True, {}), (5, {"address": 100}), (5, {"address": -1}), (5, {"max_steps": 2})],
)
def test_settings_that_no_such_pump_has_are_a_mistake_of_the_caller(owner: int, over: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must be|1 step"):
        HarvardDriver(PaperLink(PaperPump()), owner, replace(SETTINGS, **over))
