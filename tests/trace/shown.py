"""Each invariant and each rule once more, to the point: where it is kept, the tests that show it, a defect they find.

That an id stands in a file says little. Here one person has looked which tests would be red if the statement were
false, and which planted defect makes it false; ``python -m tests.trace.fall`` plants each alone, runs these tests and
no others, and one of them has to be red.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Shown:
    """How an id is shown.

    ``code``: ``module::name`` below ``pump_ctrl``, the class that keeps it; ``tests``: ``file::test`` below ``tests``;
    ``falls``: the planted defect that they find. Of a rule of the dose path also ``example``, the counter-example on
    which it was found, and in ``counter`` the tests that hold it.
    """

    code: str
    tests: tuple[str, ...]
    falls: str
    example: str = ""
    counter: tuple[str, ...] = ()

    @property
    def all_tests(self) -> tuple[str, ...]:
        """As pytest wants them."""
        return tuple(f"tests/{name}" for name in (*self.counter, *self.tests))


SHOWN: Final[dict[str, Shown]] = {
    "S-01": Shown(
        "safety/windows.py::CapWindow",
        (
            "safety/test_rule_cap_window.py::test_a_cap_holds_with_the_two_margins_of_the_accounts_and_no_step_more",
            "safety/test_rule_cap_window.py::test_basal_and_bolus_count_together",
            "properties/test_guard_truth.py",
        ),
        "G-82",
    ),
    "S-02": Shown(
        "safety/windows.py::BasalWindow",
        (
            "safety/test_x1_counter_example.py",
            "safety/test_rule_basal_window.py::test_the_worst_window_lies_between_steps_not_at_the_end",
        ),
        "G-01",
    ),
    "S-03": Shown(
        "safety/history.py::History",
        ("safety/test_guard.py::test_the_dose_counts_before_it_is_sent", "properties/test_ledger_machine.py"),
        "M-02",
    ),
    "S-04": Shown(
        "safety/history.py::History",
        (
            "safety/test_rule_unsettled.py::test_a_resolve_by_a_person_takes_the_block_away_and_leaves_the_dose",
            "safety/test_guard.py::test_no_evidence_changes_nothing",
        ),
        "G-51",
    ),
    "S-05": Shown(
        "safety/guard.py::GuardedPump",
        (
            "safety/test_guard.py::test_the_intent_is_durable_before_a_byte_leaves_and_the_outcome_follows",
            "safety/test_guard.py::test_a_journal_that_cannot_be_written_sends_nothing_and_is_not_trusted_again",
        ),
        "G-60",
    ),
    "S-06": Shown(
        "safety/admission.py::Once",
        (
            "safety/test_rule_duplicate.py::test_a_bouncing_key_gives_one_dose",
            "contract/test_driver_contract_wire.py::test_the_same_permit_again_after_a_lost_reply_gives_nothing_more",
        ),
        "G-30",
    ),
    "S-07": Shown(
        "safety/admission.py::Settled",
        ("safety/test_rule_unsettled.py::test_nothing_but_the_hold_is_given_after_a_lost_answer",),
        "G-29",
    ),
    "S-08": Shown(
        "safety/guard.py::GuardedPump",
        (
            "safety/test_guard.py::test_stop_goes_out_in_every_state",
            "safety/test_guard.py::test_stop_is_sent_before_it_is_written",
        ),
        "G-63",
    ),
    "S-09": Shown(
        "safety/state.py::State",
        (
            "safety/test_rule_unsettled.py::"
            "test_an_unknown_stop_leaves_the_steps_running_and_an_acknowledged_one_keeps_the_unsettled_dose",
            "safety/test_rule_patient.py::test_the_latest_end_of_an_unknown_bolus_counts",
        ),
        "G-50",
    ),
    "S-10": Shown(
        "safety/amounts.py::SingleBolus",
        (
            "safety/test_rule_bolus_cap.py::test_no_bolus_is_larger_than_the_largest_of_the_plan",
            "safety/test_rule_bolus_cap.py::test_the_hard_cap_of_the_drug_holds_below_the_plans_largest",
        ),
        "G-08",
    ),
    "S-11": Shown(
        "safety/amounts.py::PatientTerms",
        (
            "safety/test_rule_patient.py::"
            "test_example_c_3_h_09_min_59_s_after_a_start_is_denied_and_3_h_10_min_granted",
            "unit/test_core.py::test_a_patient_request_that_could_not_end_before_the_next_slot_is_denied",
        ),
        "G-49",
    ),
    "S-12": Shown(
        "safety/admission.py::Shape",
        (
            "safety/test_rule_malformed.py::test_whole_steps_up_to_the_fastest_flow_are_let_through",
            "safety/test_rule_malformed.py::test_no_step_is_faster_than_24_ml_a_day",
            "safety/test_rule_malformed.py::test_a_pump_that_could_do_more_than_the_limits_were_compiled_for_may_not",
        ),
        "G-35",
    ),
    "S-13": Shown(
        "therapy/review_change.py",
        (
            "unit/test_decrease_passes.py",
            "unit/test_review.py::test_a_decrease_against_the_plan_in_force_is_never_blocked",
            "unit/test_review.py::test_daily_doses_are_compared_not_rates_within_the_day",
            "safety/test_rule_basal_window.py::"
            "test_a_step_down_by_a_fifth_is_granted_in_its_own_account_and_refused_in_the_old_one",
        ),
        "G-84",
    ),
    "S-14": Shown(
        "safety/limits.py",
        (
            "safety/test_rule_limits.py::test_without_a_limits_file_nothing_is_confirmed_and_nothing_given",
            "safety/test_limits.py::test_a_file_that_a_person_changed_by_one_digit_is_none",
            "safety/test_limits.py::test_no_field_may_be_missing",
        ),
        "G-72",
    ),
    "S-15": Shown(
        "safety/admission.py::Shape",
        (
            "safety/test_rule_malformed.py::test_the_basal_share_belongs_in_a_bolus_and_leaves_a_bolus",
            "safety/test_rule_edges.py::test_nothing_negative_is_a_request_whatever_the_grid_of_the_pump_is",
            "safety/test_rule_malformed.py::test_a_volume_that_is_no_whole_number_of_steps_is_refused",
            "safety/test_rule_malformed.py::test_a_time_that_is_no_whole_number_from_1_on_is_refused",
        ),
        "G-31",
    ),
    "S-16": Shown(
        "controller/runs.py",
        (
            "safety/test_rule_malformed.py::test_a_volume_that_is_no_whole_number_of_steps_is_refused",
            "unit/test_totals.py::test_hourly_cuts_with_a_100_nl_step_do_not_drift_in_90_days",
        ),
        "G-36",
    ),
    "S-17": Shown(
        "safety/path.py",
        (
            "safety/test_path.py::test_the_stronger_fluid_counts_until_it_has_surely_left",
            "safety/test_path.py::test_old_fluid_twice_as_strong_counts_twice_until_the_path_is_surely_empty_of_it",
            "safety/test_path.py::test_a_new_stronger_fluid_counts_from_the_step_in_which_it_may_arrive",
        ),
        "G-43",
    ),
    "S-18": Shown(
        "safety/rules.py",
        (
            "safety/test_alarms.py::test_permissions_are_the_intersection_and_never_grow_with_another_alarm",
            "properties/test_history_oracle.py::test_more_history_never_turns_a_no_into_a_yes",
        ),
        "G-78",
    ),
    "S-19": Shown(
        "safety/admission.py::Shape",
        (
            "safety/test_rule_malformed.py::"
            "test_an_object_that_shows_other_steps_the_next_time_it_is_asked_is_no_request",
            "architecture/test_imports.py::test_the_tree_as_it_stands_keeps_every_contract",
        ),
        "G-74",
    ),
    "S-20": Shown(
        "safety/guard.py::GuardedPump",
        (
            "safety/test_guard.py::test_a_permit_is_what_was_asked_what_was_written_and_what_was_sent",
            "safety/test_guard.py::test_a_permit_that_is_not_sent_within_2_s_is_void",
            "safety/test_rule_duplicate.py::test_no_permit_id_is_used_twice_on_a_journal",
        ),
        "G-61",
    ),
    "S-21": Shown(
        "safety/admission.py::Shape",
        (
            "safety/test_rule_malformed.py::test_no_lease_is_longer_than_24_h",
            "safety/test_rule_malformed.py::test_no_more_than_13_steps",
            "contract/test_driver_contract.py::test_what_is_delivered_flows_evenly_and_ends_by_itself",
        ),
        "G-34",
    ),
    "S-22": Shown(
        "assembly.py",
        (
            "unit/test_assembly.py::"
            "test_a_pump_with_a_wire_time_out_stops_by_itself_under_stop_and_goes_on_under_hold",
            "contract/test_driver_contract.py::test_what_is_delivered_flows_evenly_and_ends_by_itself",
            "contract/test_driver_contract.py::"
            "test_a_pump_with_a_wire_time_out_stops_by_itself_when_the_host_is_silent",
            "contract/test_driver_contract.py::"
            "test_a_restarted_host_that_does_not_stop_waits_for_the_pumps_own_bound",
            "unit/test_new_era_driver.py::test_in_safe_mode_a_host_that_is_lost_stops_the_pump_after_the_time_out",
            "unit/test_harvard_alone.py",
        ),
        "V-57",
    ),
    "S-23": Shown(
        "safety/watchdog.py",
        (
            "safety/test_watchdog.py::test_a_counter_that_does_not_follow_its_command",
            "safety/test_guard.py::test_a_counter_that_runs_away_raises_the_ledger_stops_the_pump_and_blocks",
        ),
        "G-68",
    ),
    "S-24": Shown(
        "safety/history.py::History",
        (
            "safety/test_guard_told.py::"
            "test_what_has_surely_left_never_falls_however_often_the_pump_loses_its_session",
            "safety/test_guard.py::test_counter_readings_bound_what_left_from_both_sides_and_never_go_back",
            "unit/test_new_era_meter.py::test_a_roll_over_that_can_have_been_goes_on_counting",
            "unit/test_new_era_meter.py::test_a_fall_that_nothing_explains_is_a_new_life_and_no_credit",
        ),
        "G-57",
    ),
    "S-25": Shown(
        "safety/admission.py::Confirmed",
        (
            "safety/test_rule_confirmed.py::test_a_confirm_is_bound_to_the_content",
            "safety/test_rule_confirmed.py::"
            "test_a_journal_that_has_dosed_waits_after_a_restart_and_only_the_hold_may_go_on",
            "unit/test_core.py::test_an_interrupted_bolus_is_closed_and_never_resumed",
        ),
        "G-28",
    ),
    "S-26": Shown(
        "journal/file.py",
        (
            "unit/test_journal_disk.py::test_a_crash_at_any_system_call_costs_no_record_whose_append_returned",
            "safety/test_guard.py::test_replaying_twice_is_replaying_once",
            "properties/test_crash_points.py",
        ),
        "J-01",
    ),
    "S-27": Shown(
        "journal/chain.py",
        (
            "unit/test_journal_damage.py::test_an_edited_byte_anywhere_is_refused",
            "unit/test_journal_damage.py::test_removed_moved_doubled_and_foreign_records_are_refused",
            "properties/test_journal_chain.py::"
            "test_a_damaged_journal_opens_only_if_nothing_but_the_end_behind_the_head_was_lost",
        ),
        "J-05",
    ),
    "S-28": Shown(
        "safety/state.py::State",
        (
            "safety/test_state.py::test_the_wall_clock_moves_nothing",
            "safety/test_state.py::test_suspending_the_host_ages_like_any_time_because_the_boot_clock_counts_it",
            "safety/test_rule_patient.py::test_after_a_reboot_of_the_host_the_lockout_ages_by_95_in_100_of_the_pumps_time",
        ),
        "G-53",
    ),
    "S-29": Shown(
        "controller/due.py",
        (
            "unit/test_core.py::test_a_slot_that_could_not_start_within_its_time_is_missed_and_not_made_up",
            "unit/test_dose_path_rules.py::test_d16_each_slot_is_given_once_though_plan_time_goes_back_over_it",
        ),
        "C-11",
    ),
    "S-30": Shown(
        "safety/alarms.py",
        (
            "safety/test_alarms.py::test_every_row_has_the_priority_of_its_harm_and_onset",
            "safety/test_alarms.py::"
            "test_an_alarm_goes_when_its_condition_is_gone_and_it_was_acknowledged_in_either_order",
            "safety/test_rule_inhibition.py::"
            "test_acknowledging_opens_nothing_while_the_condition_holds_nor_does_its_end_before_the_ack",
        ),
        "G-38",
    ),
    "S-31": Shown(
        "safety/watchdog.py",
        (
            "safety/test_watchdog.py::test_under_delivery_after_four_hours_without_flow",
            "unit/test_totals.py::test_a_pump_that_gave_less_than_told_leaves_a_gap_and_no_make_up_dose",
        ),
        "G-69",
    ),
    "S-32": Shown(
        "safety/amounts.py::Reservoir",
        (
            "safety/test_rule_reservoir.py::test_what_was_given_and_what_may_have_been_given_counts",
            "safety/test_rule_reservoir.py::test_no_more_is_given_than_was_filled",
            "unit/test_live_filling.py::test_a_refill_that_is_off_stops_the_pump_and_latches",
        ),
        "G-18",
    ),
    "S-33": Shown(
        "journal/file.py",
        (
            "unit/test_journal.py::test_a_second_writer_is_refused_until_the_first_lets_go",
            "wire/test_link_pty.py::test_a_second_controller_is_told_which_process_has_the_port",
            "contract/test_driver_contract.py::test_a_second_host_is_refused_but_may_stop",
        ),
        "J-03",
    ),
    "S-34": Shown(
        "safety/rules.py",
        (
            "safety/test_guard.py::test_the_same_requests_at_the_same_times_get_the_same_answers",
            "safety/test_no_float.py::test_the_pure_core_reads_no_clock",
        ),
        "G-75",
    ),
    "S-35": Shown(
        "safety/permits.py",
        (
            "safety/test_guard.py::test_a_permit_is_what_was_asked_what_was_written_and_what_was_sent",
            "safety/test_permits.py::test_an_intent_says_when_it_was_asked_for_and_under_which_limits",
            "architecture/test_refusal_codes.py::test_every_refusal_names_a_code_of_the_table",
        ),
        "V-75",
    ),
    "D-01": Shown(
        "safety/admission.py::Shape",
        (
            "contract/test_driver_contract.py::test_steps_flow_in_order_each_with_its_own_volume",
            "properties/test_protocol_machine.py",
        ),
        "G-33",
        "A bolus behind an hour of basal, which the guard would count where it was asked.",
        (
            "safety/test_rule_malformed.py::test_a_purpose_has_its_kinds_of_steps_in_their_order",
            "unit/test_dose_path_rules.py::test_d01_a_bolus_is_only_ever_the_first_step",
        ),
    ),
    "D-02": Shown(
        "controller/totals.py::Totals",
        (
            "properties/test_totals.py::"
            "test_the_residual_is_always_less_than_one_step_and_missed_is_the_sum_of_the_gaps",
        ),
        "C-01",
        "Booked by time, hourly cuts with a 100 nL step lose 98.5 uL in 90 days; 61,320 rounded gaps lose 31 uL.",
        (
            "unit/test_totals.py::test_hourly_cuts_with_a_100_nl_step_do_not_drift_in_90_days",
            "unit/test_totals.py::test_gaps_are_kept_as_exact_fractions",
        ),
    ),
    "D-03": Shown(
        "controller/runs.py::bolus_span",
        (
            "unit/test_runs.py::test_beside_a_bolus_goes_the_lowest_basal_rate_of_its_time",
            "safety/test_rule_bolus_overlap.py",
        ),
        "C-03",
        "Basal 5 to 25 uL/h at 03:00 under a bolus from 02:52 to 03:02, spread evenly: 516 nL over E(24).",
        (
            "unit/test_dose_path_rules.py::"
            "test_d03_a_bolus_over_a_rise_of_the_basal_carries_the_lower_rate_and_is_granted",
        ),
    ),
    "D-04": Shown(
        "safety/windows.py::BolusWindow",
        (
            "properties/test_compiler_brute_force.py",
            "properties/test_history_oracle.py::test_verdicts_are_those_of_the_slow_ledger",
        ),
        "T-05",
        "A: B(24) is 75.2 ug, not 60: late today, on time tomorrow.",
        (
            "unit/test_limits_compiler.py::test_plan_a_may_get_340_ug_of_basal_and_75_2_ug_of_bolus_in_a_day",
            "safety/test_rule_bolus_window.py::"
            "test_example_a_late_today_and_on_time_tomorrow_is_granted_and_earlier_is_not",
        ),
    ),
    "D-05": Shown(
        "safety/limits.py",
        ("properties/test_history_oracle.py::test_verdicts_are_those_of_the_slow_ledger",),
        "G-07",
        "13 steps with 2 s of doubt at each fall; hourly leases with a 10 nL counter; ziconotide at 19.2 ug/day.",
        (
            "safety/test_rule_basal_window.py::"
            "test_thirteen_steps_with_2_s_of_doubt_at_each_fall_are_granted_with_the_falls_in_the_margin",
            "safety/test_rule_basal_window.py::"
            "test_the_margin_is_t_s_times_highest_rate_and_falls_and_a_step_for_each_command_and_two",
            "safety/test_rule_basal_window.py::test_renewals_every_hour_at_a_steady_rate_are_never_refused",
            "unit/test_limits_compiler.py::test_ziconotide_at_its_cap_is_not_blocked_and_a_tenth_more_is",
        ),
    ),
    "D-06": Shown(
        "safety/lanes.py",
        (
            "safety/test_history.py::test_an_unknown_run_counts_at_each_instant_as_the_larger_of_the_two",
            "properties/test_history_oracle.py::test_every_window_of_the_history_is_that_of_the_slow_ledger",
        ),
        "G-48",
        "A's renewal unknown at 12:00, resolved at 12:30; counted whole in every window the next waits for 48.5 h.",
        (
            "safety/test_rule_basal_window.py::test_a_renewal_unknown_at_12_00_and_resolved_at_12_30_costs_nothing",
        ),
    ),
    "D-07": Shown(
        "safety/windows.py::CapWindow",
        (
            "unit/test_handover.py::test_an_hour_is_safe_exactly_if_no_load_in_it_passes_the_cap",
            "safety/test_rule_load.py",
        ),
        "G-06",
        "Three plans in a day give 450 against 300; the new E alone refuses a step of -20 % for 24 h.",
        (
            "safety/test_rule_cap_window.py::test_three_plans_in_a_day_stay_within_the_cap",
            "safety/test_rule_basal_window.py::"
            "test_a_step_down_by_a_fifth_is_granted_in_its_own_account_and_refused_in_the_old_one",
        ),
    ),
    "D-08": Shown(
        "therapy/accounts.py",
        (
            "properties/test_approved_means_granted.py",
            "contract/test_profiles_and_models.py::"
            "test_every_profile_of_the_package_runs_a_plan_on_its_simulated_pump",
        ),
        "T-07",
        "Without D-04 to D-07 and D-09, 148 of 300 drawn runs of approved plans are refused.",
        ("unit/test_limits_compiler.py", "unit/test_approved_on_syringes.py"),
    ),
    "D-09": Shown(
        "therapy/review_change.py",
        ("unit/test_review.py::test_daily_doses_are_compared_not_rates_within_the_day",),
        "G-84",
        "The rescue of an overdosed patient, a decrease, has to wait for the rest between two steps.",
        (
            "unit/test_decrease_passes.py::"
            "test_a_decrease_an_hour_after_the_plan_in_force_began_is_not_blocked",
        ),
    ),
    "D-10": Shown(
        "safety/path.py",
        (
            "safety/test_path.py::"
            "test_a_path_keeps_its_bounds_whatever_comes_and_goes_and_says_when_one_fluid_is_alone",
        ),
        "T-09",
        "1.4 mL of 10 mg/mL under 18.6 mL of 5: 5.35 mg/mL, 3.21 mg/day against an E of 3.00.",
        (
            "safety/test_path.py::test_a_weak_refill_over_a_strong_residual_counts_the_upper_bound_of_the_mixture",
            "unit/test_limits_compiler.py::test_what_stayed_under_the_fill_raises_the_fluid_and_so_the_limit",
        ),
    ),
    "D-11": Shown(
        "controller/runs.py::BridgePace",
        (
            "properties/test_compiler_brute_force.py::test_a_bridge_holds_exactly_the_larger_of_its_two_flows",
            "unit/test_bridge_pace.py",
        ),
        "C-05",
        "Ended by commanded V_hi on a pump at -14.5 %: hydromorphone 10 to 5 gives 2 times, baclofen 2000 to 500 4.",
        (
            "unit/test_dose_path_rules.py::test_d11_a_bridge_on_a_slow_pump_never_gives_more_than_the_dose_rate",
        ),
    ),
    "D-12": Shown(
        "safety/amounts.py::Prime",
        (
            "safety/test_rule_prime.py::test_no_more_than_the_path_holds",
            "safety/test_rule_prime.py::"
            "test_the_rest_after_an_interruption_is_v_hi_minus_what_may_have_been_given",
            "safety/test_rule_prime.py::test_what_else_has_left_since_the_path_was_new_fills_it_too",
        ),
        "G-16",
        "B: 0.84 mg in E would block the basal for 13.4 h; a prime at a routine refill gives 3.36 mg.",
        (
            "safety/test_rule_prime.py::test_a_prime_of_10_mg_per_ml_at_a_refill_would_be_3_36_mg_and_is_refused",
            "unit/test_dose_path_rules.py::"
            "test_d12_the_basal_follows_a_prime_at_once_and_a_refill_alone_gives_no_second_one",
        ),
    ),
    "D-13": Shown(
        "runner.py::Runner",
        (
            "properties/test_restart_everywhere.py::test_a_death_at_one_record_in_nine_loses_nothing_and_doubles_nothing",
        ),
        "J-18",
        "A run of which nobody knows is left alone over a restart; what a person stopped begins to hold.",
        (
            "unit/test_dose_path_rules.py::test_d13_policy_stop_sends_stop_before_anything_else",
            "unit/test_dose_path_rules.py::test_d13_what_a_person_stopped_no_restart_starts_again",
        ),
    ),
    "D-14": Shown(
        "safety/amounts.py::Hold",
        (
            "safety/test_rule_hold.py::test_neither_a_restart_nor_an_ack_nor_a_hold_nor_a_settled_command_starts_it_anew",
            "properties/test_hold_granted.py::test_the_hold_of_any_plan_flows_wherever_the_plan_does",
        ),
        "K-02",
        "Since the last act of a person: endless with an ack every 3 h, and nothing after a quiet month.",
        (
            "unit/test_dose_path_rules.py::test_d14_acknowledging_every_three_hours_does_not_prolong_a_hold",
            "unit/test_hold_after_a_month.py::test_after_a_quiet_month_a_hold_lasts_as_long_as_on_the_first_day",
            "unit/test_dose_path_rules.py::test_d14_while_a_bridge_lasts_the_hold_is_the_lower_of_both_plans",
        ),
    ),
    "D-15": Shown(
        "drivers/new_era_evidence.py",
        (
            "contract/test_driver_contract_wire.py::test_whatever_one_fault_does_the_conclusion_is_what_flowed",
            "properties/test_protocol_machine.py",
        ),
        "N-27",
        "RUN is still on its way when the pump is asked, and is called not given.",
        ("unit/test_new_era_evidence.py::test_absence_is_proven_only_after_a_second_of_silence",),
    ),
    "D-16": Shown(
        "safety/state.py::State",
        (
            "safety/test_state.py::test_the_wall_clock_moves_nothing",
            "safety/test_rule_patient.py::"
            "test_after_a_reboot_no_more_ages_than_the_person_says_whatever_the_hosts_clock_says",
        ),
        "K-01",
        "A: the clock back by 60 min at 08:59 gives 356.7 ug against 340.0.",
        ("unit/test_dose_path_rules.py::test_d16_a_wall_clock_set_back_moves_nothing",),
    ),
    "D-17": Shown(
        "safety/guard.py::GuardedPump",
        (
            "safety/test_rule_confirmed.py::test_a_new_journal_asks_what_was_given_in_the_last_day",
            "safety/test_rule_confirmed.py::test_a_pump_whose_counter_shows_use_contradicts_none",
        ),
        "G-73",
        "A journal is deleted: a second day's dose.",
        ("unit/test_dose_path_rules.py::test_d17_deleting_the_journal_does_not_allow_a_second_days_dose",),
    ),
    "D-18": Shown(
        "runner.py::Runner",
        ("crash/test_restart_table.py",),
        "J-18",
        "Every crash point, policy and kind of pump is brought about and walked: docs/safety/restart-table.md.",
        ("crash/test_restart_table.py::test_a_start_does_what_the_table_says_and_the_way_out_leads_out",),
    ),
}
