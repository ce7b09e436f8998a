"""What the mutation gate covers: files that are mutated together, and the tests that answer for them.

The tests are a file's own, not all that happen to pass through it. What only a run of the whole house would notice is
told as a survivor: so that each part is shown to be tested for itself, and a mutant costs a tenth of a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Area:
    """Files that are mutated together, and the tests that answer for them."""

    package: str
    modules: tuple[str, ...]
    tests: tuple[str, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """Paths from the root of the tree."""
        return tuple(f"{self.package}/{name}.py" for name in self.modules)


def _safety(modules: str, tests: str) -> Area:
    return _area("safety", modules, "safety", tests)


def _area(package: str, modules: str, house: str, tests: str) -> Area:
    return Area(
        f"pump_ctrl/{package}",
        tuple(modules.split()),
        tuple(f"tests/{house}/test_{name}.py" for name in tests.split()),
    )


AREAS: Final = (
    _safety("limits", "limits limits_edges rule_basal_window rule_cap_window"),
    _safety("curve doses basal lanes trial path", "curve doses basal path history"),
    _safety(
        "windows amounts admission ask rules case permits",
        "denials ask ask_words permits x1_counter_example rule_account_window rule_basal_window rule_bolus_cap "
        "rule_bolus_overlap rule_bolus_window rule_cap_window rule_confirmed rule_duplicate rule_edges rule_hold "
        "rule_inhibition rule_limits rule_load rule_malformed rule_patient rule_prime rule_reservoir rule_unsettled",
    ),
    _safety("lookout witness", "lookout lookout_edges witness witness_edges"),
    _safety("alarms", "alarms alarms_edges alarms_reboot rule_inhibition"),
    _safety("reconcile", "reconcile"),
    _safety(
        "guard known",
        "alarms cleared_counters denials disagreement guard guard_edges guard_told lookout lookout_edges "
        "pumps_without_ids reconcile recurring reservoir_low rule_confirmed rule_hold rule_inhibition rule_limits "
        "rule_load state",
    ),
    _safety("watchdog", "watchdog disagreement"),
    _safety(
        "state",
        "state state_fluids state_records state_time cleared_counters pumps_without_ids reservoir_low rule_hold "
        "rule_prime",
    ),
    _area("controller", "telling", "unit", "telling"),
    _area(
        "controller",
        "people pump_side session loading",
        "unit",
        "core hold_without_answer load loading people people_restart pump_side pump_side_rest pump_side_unknown "
        "silence",
    ),
    _area("controller", "machine", "unit", "machine"),
    _area("controller", "presses", "unit", "presses"),
    _area("controller", "prescription core", "unit", "core core_edges load"),
    _area("controller", "composer", "unit", "composer composer_bridge composer_stopped slot_ahead"),
    _area("controller", "due", "unit", "core due due_wake"),
    _safety(
        "history",
        "history history_commands history_counter history_time_off cleared_counters kept_counters disagreement",
    ),
    _safety("intake", "intake answers_compared calm disagreement guard_told pumps_without_ids"),
    _area("journal", "anchor", "unit", "journal_head"),
    _area("journal", "chain memory", "unit", "journal journal_line journal_signs"),
    _area("journal", "file", "unit", "journal journal_damage journal_disk journal_head journal_signs"),
    _area("journal", "reader", "unit", "journal journal_damage journal_signs"),
    _area("journal", "life", "unit", "life journal_signs"),
    _area("journal", "forms", "unit", "journal_forms"),
    _area(
        "controller",
        "totals runs",
        "unit",
        "totals totals_edges spans runs runs_edges runs_limits bridge_pace",
    ),
    _area("controller", "books", "unit", "books books_counter books_plans books_replay"),
    _area("drivers", "new_era_codec", "unit", "new_era_codec_edges new_era_codec"),
    _area("drivers", "harvard_codec", "unit", "harvard_codec_edges harvard_codec"),
    _area("drivers", "reference_codec", "unit", "reference_codec_edges reference_codec"),
    _area("drivers", "harvard_amounts", "unit", "harvard_amounts_edges harvard_amounts"),
    _area("drivers", "new_era_program", "unit", "new_era_program_edges new_era_program"),
    _area("drivers", "new_era_meter", "unit", "new_era_meter_edges new_era_meter"),
    _area("drivers", "new_era_evidence", "unit", "new_era_evidence_edges new_era_evidence"),
)
