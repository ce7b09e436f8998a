"""The command line of the simulator."""

import pytest
from click.testing import CliRunner

from sim.cli import main
from sim.fault_registry import FAULTS, Kind


def said(*words: str) -> str:
    result = CliRunner().invoke(main, words, env={"COLUMNS": "80"})
    assert result.exit_code == 0
    return result.output


def entry(name: str) -> str:
    """What the listing says of one fault."""
    (found,) = [part for part in said("faults").split("\n\n") if part.startswith(f"{name} (")]
    return found


def joined(text: str) -> str:
    """The same words on one line."""
    return " ".join(text.split())


def test_help_says_that_this_is_no_medical_device() -> None:
    output = said("--help")
    assert "not a medical device, not for use on people" in output
    assert "faults" in output


@pytest.mark.parametrize("words", [("--help",), ("faults",), ("faults", "--help")])
def test_nothing_is_cut_or_runs_over_80_columns(words: tuple[str, ...]) -> None:
    output = said(*words)
    assert not [line for line in output.splitlines() if line.endswith("...") and "Usage" not in line]
    assert max(map(len, output.splitlines())) <= 80


@pytest.mark.parametrize("words", [("faults",), ("faults", "--help")])
def test_it_says_once_what_the_numbers_refer_to(words: tuple[str, ...]) -> None:
    assert (
        said(*words).count("F-nn is a number in the fault list of the project's safety documentation.") == 1
    )


@pytest.mark.parametrize("kind", FAULTS.values(), ids=list(FAULTS))
def test_each_fault_is_listed_with_place_numbers_effect_and_parameters(kind: Kind) -> None:
    text = joined(entry(kind.name))
    assert kind.covers in text
    assert kind.does in text
    for param in kind.params:
        if param.name in {"type", "nth", "count"} and kind.where != "pump":
            assert "type, nth, count: which messages, see above" in text
        else:
            assert f"{param.name}={param.write(param.default)} [" in text
            assert param.does in text


def test_which_message_is_hit_is_said_once_at_the_head() -> None:
    assert said("faults").count("type=any") == 1
    assert "nth=1 [number] the first such message that is hit" in joined(said("faults"))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("stall", "stall (pump; F-27)"),
        ("lose-request", "lose-request (wire, from host to pump; F-02)"),
        ("lose-reply", "lose-reply (wire, from pump to host; F-01 F-17 F-63)"),
        ("silence", "silence (wire, both ways; F-17 F-18)"),
        ("silence", "for=1min [time]"),
        ("occlusion", "limit_nl=0 [nL]"),
        ("free-flow", "nl_per_h=20000000 [nL/h]"),
        ("power-loss", "then_nl_per_h=0 [nL/h]"),
        ("over-infusion", "gain_ppm=1500000 [ppm]"),
        ("clock-drift", "ppm=50000 [ppm]"),
        ("battery-low", "percent=10 [%]"),
        ("garbage", "hex=7e0010ff00 [hex]"),
        ("garbage", "to=host [host | pump]"),
        ("runaway", "factor=10 [number]"),
    ],
)
def test_a_parameter_stands_with_its_default_and_its_unit(name: str, says: str) -> None:
    assert says in joined(entry(name))


def test_an_unknown_command_is_a_usage_error() -> None:
    assert CliRunner().invoke(main, ["fault"]).exit_code == 2
