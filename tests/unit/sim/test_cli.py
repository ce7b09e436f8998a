"""The command line of the simulator."""

from click.testing import CliRunner

from sim.cli import main
from sim.fault_registry import FAULTS


def test_help_says_that_this_is_no_medical_device() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    assert "not a medical device, not for use on people" in result.output
    assert "faults" in result.output
    assert "serve" not in result.output


def test_faults_lists_every_fault_with_its_parameters() -> None:
    result = CliRunner().invoke(main, ["faults"])
    assert result.exit_code == 0
    for kind in FAULTS.values():
        assert f"\n{kind.name} (" in "\n" + result.output
        assert kind.does in result.output
        assert all(param.does in result.output for param in kind.params)


def test_an_unknown_command_is_a_usage_error() -> None:
    assert CliRunner().invoke(main, ["fault"]).exit_code == 2
