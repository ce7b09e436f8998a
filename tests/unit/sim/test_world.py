"""The world of one pump: setup, events, refills, power, and each fault of the pump."""

import pytest

from sim.faults import Fault
from sim.models import load_model, model_names, read_models
from sim.world import World
from tests.unit.sim.host import BACLOFEN, DAY, MIN, Bench, H, S, request, setup

RESET, STALL, EMPTY, LOW_BATTERY, END_OF_SERVICE, LOW_RESERVOIR = 1, 2, 4, 8, 16, 32
IDLE, RUNNING, STALLED, USED_UP, FAILED = 0, 1, 2, 3, 4
DONE, REPLACED, STOPPED, WAS_RESET = 3, 4, 5, 6


def pump_fault(bench: Bench, text: str) -> None:
    bench.world.inject(Fault.parse(text))


# Models and setup


def test_the_two_shipped_models_have_the_figures_of_the_implants() -> None:
    assert model_names() == ("implant-20", "implant-40")
    small, large = load_model("implant-20"), load_model("implant-40")
    assert (small.capacity_nl, large.capacity_nl) == (20_000_000, 40_000_000)
    for model in (small, large):
        assert (model.step_nl, model.max_nl_per_h, model.tubing_nl) == (100, 1_000_000, 140_000)
        assert (model.max_steps, model.outcomes) == (13, 64)
        assert (model.max_lease_ms, model.ttl_ms) == (DAY, 10 * MIN)


def test_an_unknown_model_is_refused_with_those_that_exist() -> None:
    with pytest.raises(ValueError, match="no pump model 'implant-30'; there are: implant-20, implant-40"):
        World(setup(model="implant-30"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("extra = 1", "missing or unknown keys: extra"),
        ("step_nl = 0", "step_nl = 0 is not a positive int"),
        ("step_nl = 1.0", "step_nl = 1.0 is not a positive int"),
        ("title = 7", "title = 7 is not a text"),
    ],
)
def test_a_model_with_a_wrong_number_is_refused(change: str, message: str) -> None:
    rows = {
        "title": '"t"',
        "firmware": '"1"',
        "capacity_nl": 1,
        "tubing_nl": 1,
        "step_nl": 1,
        "max_nl_per_h": 1,
    }
    rows |= {"max_lease_ms": 1, "max_steps": 1, "outcomes": 1, "ttl_ms": 1, "battery_life_days": 1}
    rows |= {"battery_low_percent": 1}
    key, _, value = change.partition(" = ")
    rows[key] = value
    with pytest.raises(ValueError, match=message):
        read_models("[pump]\n" + "\n".join(f"{k} = {v}" for k, v in rows.items()))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fill_nl": 0}, "fill_nl must be 1 to 40000000"),
        ({"fill_nl": 40_000_001}, "fill_nl must be 1 to 40000000"),
        ({"path_nl": -1}, "path_nl must be an int"),
        ({"gain_ppm": 1.0}, "gain_ppm must be an int"),
        ({"residual_nl": True}, "residual_nl must be an int"),
        ({"serial": "x" * 17}, "serial must be 1 to 16 ASCII"),
        ({"serial": "é"}, "serial must be 1 to 16 ASCII"),
    ],
)
def test_a_setup_with_an_impossible_number_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        World(setup(**changes))


def test_the_same_seed_draws_the_same_epochs_and_another_one_others() -> None:
    def epochs(**changes: object) -> list[int]:
        bench = Bench(**changes)
        found = [bench.firmware.epoch]
        for _ in range(3):
            bench.world.power_cycle()
            found.append(bench.firmware.epoch)
        return found

    first = epochs()
    assert first == epochs()
    assert len({*first, *epochs(seed=1), *epochs(serial="SIM-0002")} - {0}) == 12


# Time and events


def test_the_world_does_not_go_back() -> None:
    world = World(setup())
    world.advance(10)
    with pytest.raises(ValueError, match="cannot go back"):
        world.advance(9)


def test_a_world_without_anything_to_come_waits_for_its_battery() -> None:
    assert World(setup()).next_event_ms() == 198_832_320_000  # 90 % of 2557 days


def test_a_scheduled_fault_is_an_event_and_happens_at_its_instant() -> None:
    bench = Bench("power-loss@3h")
    first = bench.firmware.epoch
    assert bench.world.next_event_ms() == 3 * H
    assert bench.to(3 * H - 1).firmware.epoch == first
    assert bench.to(3 * H).firmware.epoch != first


def test_a_fault_at_0_has_happened_when_the_world_begins() -> None:
    assert Bench("battery-low@0").status().alarms & LOW_BATTERY


def test_a_fault_of_the_wire_is_refused() -> None:
    with pytest.raises(ValueError, match="give it to the wire"):
        World(setup(), [Fault.parse("lose-reply@0")])


def test_the_end_of_a_step_is_no_event_unless_a_later_step_may_raise_an_alarm() -> None:
    calm = Bench(fill_nl=1_000_000, alarm_nl=900_000)
    calm.run(1, (0, 10_000, H), (0, 10_000, H))
    assert calm.world.next_event_ms() == 198_832_320_000
    near = Bench(fill_nl=1_000_000, alarm_nl=985_000)
    near.run(1, (0, 10_000, H), (0, 10_000, H))
    assert near.world.next_event_ms() == H
    assert near.to(H).world.next_event_ms() == H + H // 2


def test_what_falls_due_in_the_pump_comes_before_a_fault_of_the_same_instant() -> None:
    bench = Bench("power-loss@1h")
    bench.run(1, (0, 10_000, H))
    assert bench.to(H).outcome(1) == (1, DONE, 10_000)


def test_steps_shorter_than_a_tick_of_a_fast_clock_are_all_made() -> None:
    bench = Bench("clock-drift@0:ppm=4000000")
    bench.run(1, *((0, 0, 1) for _ in range(12)), (0, 100, S))
    assert bench.to(3).status().step_index == 12
    assert bench.to(S).outcome(1) == (1, DONE, 100)


# Reservoir


def test_the_low_alarm_comes_when_the_calculated_content_reaches_the_alarm_volume() -> None:
    bench = Bench(fill_nl=1_000_000, alarm_nl=995_000)
    bench.run(1, (0, 10_000, H))
    assert bench.world.next_event_ms() == H // 2
    assert bench.to(H // 2 - 1).pushes() == []
    (alarm,) = bench.to(H // 2).pushes()
    assert (alarm.type, alarm.owner, alarm.seq) == (0xC0, 0, 0)
    assert (alarm.status.alarms, alarm.status.reservoir_nl, alarm.status.state) == (
        LOW_RESERVOIR,
        995_000,
        RUNNING,
    )


def test_an_alarm_volume_between_two_pump_steps_is_reached_with_the_step_that_passes_it() -> None:
    bench = Bench(fill_nl=1_000_000, alarm_nl=999_850)
    bench.run(1, (0, 10_000, H))
    assert bench.to(72 * S - 1).pushes() == []
    (alarm,) = bench.to(72 * S).pushes()
    assert alarm.status.reservoir_nl == 999_800


def test_the_empty_alarm_ends_delivery_though_more_may_truly_be_there() -> None:
    bench = Bench(fill_nl=5_000, gain_ppm=900_000)
    bench.run(1, (0, 10_000, H), (0, 1_000, H))
    assert bench.world.next_event_ms() == H // 2
    (alarm,) = bench.to(H // 2).pushes()
    assert (alarm.status.alarms, alarm.status.state) == (LOW_RESERVOIR | EMPTY, USED_UP)
    assert bench.outcome(1) == (1, STOPPED, 5_000)
    assert (bench.world.truth.delivered_nl(), bench.world.truth.reservoir_nl()) == (4_500, 500)
    assert bench.to(3 * H).world.truth.delivered_nl() == 4_500


def test_a_pump_that_gives_too_much_runs_dry_without_an_alarm() -> None:
    bench = Bench(fill_nl=10_000, gain_ppm=2_000_000)
    bench.run(1, (0, 9_000, 9 * H))
    bench.to(9 * H)
    assert (bench.status().alarms & EMPTY, bench.status().reservoir_nl, bench.outcome(1)) == (
        0,
        1_000,
        (1, DONE, 9_000),
    )
    assert bench.world.truth.delivered_nl() == 10_000


def test_a_run_that_uses_up_the_content_with_its_last_step_is_done_and_the_pump_is_empty() -> None:
    bench = Bench(fill_nl=5_000)
    bench.run(1, (0, 5_000, H))
    (alarm,) = bench.to(H).pushes()
    assert (alarm.status.state, alarm.status.alarms & EMPTY, bench.outcome(1)) == (
        USED_UP,
        EMPTY,
        (1, DONE, 5_000),
    )


def test_a_commit_on_an_empty_pump_is_accepted_and_stopped_at_once() -> None:
    bench = Bench(fill_nl=5_000)
    bench.run(1, (0, 5_000, H))
    bench.to(H)
    reply = bench.run(2, (0, 100, H))
    assert (reply.result, reply.status.state) == ((2, STOPPED, 0), USED_UP)


def test_a_refill_ends_the_alarms_and_says_what_was_drawn_out() -> None:
    bench = Bench(fill_nl=5_000, gain_ppm=800_000, alarm_nl=1_000)
    bench.run(1, (0, 10_000, H))
    bench.to(H)
    assert bench.world.refill(20_000, BACLOFEN) == 1_000
    status = bench.status()
    assert (status.alarms, status.reservoir_nl, status.state) == (0, 20_000, USED_UP)
    bench.run(2, (0, 1_000, H))
    assert bench.status().state == RUNNING


def test_a_refill_under_the_alarm_volume_raises_the_alarm_at_once() -> None:
    bench = Bench(alarm_nl=2_000_000)
    bench.world.refill(1_000_000, BACLOFEN)
    (alarm,) = bench.pushes()
    assert alarm.status.alarms & LOW_RESERVOIR


def test_the_pump_believes_what_it_is_told_about_its_fill() -> None:
    bench = Bench()
    bench.world.refill(1_000_000, BACLOFEN, told_nl=20_000_000)
    assert (bench.status().reservoir_nl, bench.world.truth.reservoir_nl()) == (20_000_000, 1_000_000)


@pytest.mark.parametrize("volume", [0, -1, 40_000_001])
def test_a_refill_that_does_not_fit_is_refused(volume: int) -> None:
    with pytest.raises(ValueError, match="must be 1 to 40000000 nL"):
        World(setup()).refill(volume, BACLOFEN)


def test_the_residual_mixes_with_every_fill_and_cannot_be_drawn() -> None:
    bench = Bench(
        model="implant-20",
        fill_nl=18_600_000,
        drugs={"morphine": 5_000_000_000},
        residual_nl=1_400_000,
        residual_drugs={"morphine": 10_000_000_000},
        path_nl=0,
    )
    bench.run(1, (0, 100_000, H))
    bench.to(H)
    assert bench.world.truth.tip_pg("morphine") == 100_000 * 5_350
    assert bench.world.truth.reservoir_nl() == 18_500_000


# Battery


def test_the_battery_warns_at_10_percent_and_ends_the_service_at_0() -> None:
    bench = Bench("battery-low@1h")
    bench.run(1, (0, 10_000, DAY))
    (low,) = bench.to(H).pushes()
    assert (low.status.battery, low.status.alarms, low.status.state) == (10, LOW_BATTERY, RUNNING)
    end = bench.world.next_event_ms()
    assert end == H + 22_092_480_000  # 10 % of 2557 days
    (dead,) = bench.to(end).pushes()
    assert (dead.status.battery, dead.status.alarms) == (0, LOW_BATTERY | END_OF_SERVICE)
    assert dead.status.state == FAILED


def test_a_dead_battery_ends_delivery_and_every_later_proposal() -> None:
    bench = Bench("battery-dead@30min")
    bench.run(1, (0, 10_000, H))
    bench.to(H)
    assert (bench.outcome(1), bench.world.truth.delivered_nl()) == ((1, STOPPED, 5_000), 5_000)
    bench.hello()
    assert bench.propose(2, (0, 100, H)).nak == 10
    bench.world.power_cycle()
    assert bench.status().state == FAILED


# Stall and occlusion


def test_a_stall_is_seen_when_the_next_pump_step_is_due() -> None:
    bench = Bench("stall@90s")
    bench.run(1, (0, 1_000, 1_000 * S))
    assert bench.world.next_event_ms() == 90 * S
    assert bench.to(90 * S).world.next_event_ms() == 100 * S
    (alarm,) = bench.to(100 * S).pushes()
    assert (alarm.status.alarms, alarm.status.state, bench.outcome(1)) == (STALL, STALLED, (1, STOPPED, 0))
    assert bench.world.truth.delivered_nl() == 90  # the even line was 90 nL into a pump step that never ended


def test_a_stall_during_a_rest_is_seen_in_the_step_after_it() -> None:
    bench = Bench("stall@30min")
    bench.run(1, (0, 0, H), (0, 3_600, H))
    bench.to(30 * MIN)
    assert bench.world.next_event_ms() == H
    assert bench.to(H).world.next_event_ms() == H + 100 * S
    assert len(bench.to(H + 100 * S).pushes()) == 1


def test_a_commit_on_a_stalled_pump_is_accepted_and_stalls_again_until_it_clears() -> None:
    bench = Bench("stall@0", "stall-clear@1h")
    bench.run(1, (0, 3_600, H))
    assert (bench.status().state, bench.status().alarms) == (RUNNING, 0)
    bench.to(30 * MIN)
    assert (bench.status().state, bench.status().alarms) == (STALLED, STALL)
    bench.to(H)
    bench.run(2, (0, 3_600, H))
    assert bench.to(2 * H).outcome(2) == (2, DONE, 3_600)
    assert bench.status().alarms == 0


def test_a_silent_stall_is_not_counted_and_the_run_goes_on_to_its_end() -> None:
    bench = Bench("stall@30min:silent=1,for=15min")
    bench.run(1, (0, 3_600, H))
    bench.to(45 * MIN)
    assert (bench.status().delivered_nl, bench.status().state) == (1_800, RUNNING)
    assert bench.to(H).outcome(1) == (1, DONE, 2_700)
    assert bench.world.truth.delivered_nl() == 2_700


def test_a_silent_stall_stays_unseen_when_something_else_happens() -> None:
    bench = Bench("stall@30min:silent=1", "battery-low@45min")
    bench.run(1, (0, 3_600, H))
    (alarm,) = bench.to(50 * MIN).pushes()
    assert (alarm.status.state, alarm.status.alarms) == (RUNNING, LOW_BATTERY)


def test_a_silent_stall_that_clears_may_be_caught_up() -> None:
    bench = Bench("stall@30min:silent=1", "stall-clear@45min:catch_up=1")
    bench.run(1, (0, 3_600, H))
    assert bench.to(H).outcome(1) == (1, DONE, 3_600)
    assert bench.world.truth.worst_window("baclofen", 1) == 3_600_000


def test_an_occlusion_is_counted_and_not_delivered_until_it_clears() -> None:
    bench = Bench("occlusion@0", "occlusion-clear@1h")
    bench.run(1, (0, 3_600, 2 * H))
    truth = bench.to(H - 1).world.truth
    assert (truth.delivered_nl(), truth.stored_nl(), bench.status().delivered_nl) == (0, 1_799, 1_700)
    assert bench.to(H + S).world.truth.delivered_nl() == 1_800
    assert bench.world.truth.worst_window("baclofen", 1) == 1_800_500


def test_an_occlusion_that_is_full_stalls_the_motor_and_is_seen() -> None:
    bench = Bench("occlusion@0:limit_nl=1000")
    bench.run(1, (0, 3_600, H), (0, 3_600, H))
    assert bench.world.next_event_ms() == 1_000 * S
    (alarm,) = bench.to(H).pushes()
    assert (alarm.status.tick_ms, alarm.status.alarms) == (1_100 * S, STALL)
    assert bench.world.truth.stored_nl() == 1_000
    pump_fault(bench, "occlusion-clear@0")
    bench.run(2, (0, 3_600, H))
    assert bench.to(2 * H).outcome(2) == (2, DONE, 3_600)
    assert bench.world.truth.delivered_nl() == 4_600


# Too much


def test_over_infusion_is_truth_and_not_counted() -> None:
    bench = Bench("over-infusion@30min:gain_ppm=1500000")
    bench.run(1, (0, 10_000, H))
    assert bench.to(H).outcome(1) == (1, DONE, 10_000)
    assert bench.world.truth.delivered_nl() == 5_000 + 7_500


def test_a_runaway_is_counted_and_bounded_by_the_pumps_own_hour() -> None:
    bench = Bench("runaway@0")
    bench.run(1, (0, 200_000, H))
    assert bench.to(H).status().delivered_nl == 1_000_000
    assert bench.outcome(1) == (1, DONE, 1_000_000)
    assert bench.world.truth.delivered_nl() == 1_000_000


def test_a_runaway_for_a_quarter_of_an_hour() -> None:
    bench = Bench("runaway@15min:for=15min")
    bench.run(1, (0, 3_600, H))
    assert bench.to(H).outcome(1) == (1, DONE, 900 + 9_000 + 1_800)


def test_free_flow_is_truth_alone_and_ends_when_the_reservoir_is_empty() -> None:
    bench = Bench("free-flow@1h:nl_per_h=20000000")
    bench.to(2 * H)
    assert (bench.world.truth.delivered_nl(), bench.status().delivered_nl) == (20_000_000, 0)
    assert bench.to(DAY).world.truth.delivered_nl() == 40_000_000
    assert bench.status().reservoir_nl == 40_000_000


def test_an_empty_reservoir_that_the_pump_cannot_see() -> None:
    bench = Bench("empty@30min:left_nl=1000")
    bench.run(1, (0, 10_000, H))
    assert bench.to(H).outcome(1) == (1, DONE, 10_000)
    assert bench.world.truth.delivered_nl() == 6_000
    assert bench.status().alarms & EMPTY == 0


# Power


def test_a_power_loss_forgets_the_steps_and_keeps_what_was_given() -> None:
    bench = Bench("power-loss@30min")
    bench.run(1, (0, 10_000, H))
    epoch = bench.firmware.epoch
    (alarm,) = bench.to(H).pushes()
    assert (alarm.epoch != epoch, alarm.status.alarms, alarm.status.tick_ms) == (True, RESET, 0)
    assert (bench.outcome(1), bench.world.truth.delivered_nl()) == ((1, WAS_RESET, 5_000), 5_000)
    assert (bench.status().delivered_nl, bench.status().reservoir_nl) == (5_000, 39_995_000)


def test_a_pump_without_power_is_silent_and_still() -> None:
    bench = Bench()
    bench.run(1, (0, 10_000, H))
    bench.to(30 * MIN).world.power_off()
    assert bench.firmware.handle(b"\x7e", bench.world.now_ms) == b""
    bench.to(2 * H).world.power_on()
    assert bench.status().delivered_nl == 5_000


def test_a_power_loss_can_last() -> None:
    bench = Bench("power-loss@1h:for=10min")
    assert bench.to(H).firmware.off
    assert bench.pushes() == []
    assert not bench.to(H + 10 * MIN).firmware.off
    assert bench.status().tick_ms == 0


def test_a_pump_may_run_at_a_rate_of_its_own_after_a_power_loss() -> None:
    bench = Bench("power-loss@1h:then_nl_per_h=1000,for=1min")
    status = bench.to(3 * H + MIN).status()
    assert (status.state, status.running_id, status.delivered_nl, status.alarms) == (RUNNING, 0, 2_000, RESET)
    assert bench.to(3 * DAY).status().delivered_nl == 24_000


def test_a_pump_that_resumes_by_itself_runs_on_without_an_id() -> None:
    bench = Bench("resume-after-reset@30min")
    bench.run(1, (0, 10_000, H), (0, 2_000, H))
    status = bench.to(H).status()
    assert (status.state, status.running_id, status.delivered_nl) == (RUNNING, 0, 10_000)
    assert (bench.outcome(1), status.alarms) == ((1, WAS_RESET, 5_000), RESET)
    status = bench.to(3 * H).status()
    assert (status.state, status.delivered_nl) == (IDLE, 12_000)


def test_a_pump_that_did_nothing_has_nothing_to_resume() -> None:
    assert Bench("resume-after-reset@1h").to(2 * H).status().state == IDLE


# What the pump says


def test_a_counter_that_is_reset_counts_on_from_there() -> None:
    bench = Bench("counter-reset@30min", "counter-reset@2h:value_nl=77")
    bench.run(1, (0, 10_000, H))
    assert bench.to(H).status().delivered_nl == 5_000
    assert bench.outcome(1) == (1, DONE, 10_000)
    assert bench.world.truth.counted_nl() == 10_000
    assert bench.to(2 * H).status().delivered_nl == 77


def test_a_counter_that_runs_without_flow() -> None:
    bench = Bench("counter-stuck@30min")
    bench.run(1, (0, 10_000, H))
    assert bench.to(H).status().delivered_nl == 10_000
    assert bench.world.truth.delivered_nl() == 5_000


def test_a_stuck_status_repeats_the_last_one_tick_and_all() -> None:
    bench = Bench("status-stuck@1h:for=1h")
    bench.run(1, (0, 10_000, 3 * H))
    last = bench.status()
    assert bench.to(90 * MIN).status() == last
    assert bench.stop().status == last
    fresh = bench.to(2 * H).status()
    assert (fresh.tick, fresh.state, fresh.delivered_nl) == (last.tick + 1, IDLE, 5_000)


def test_a_drifting_clock_shows_in_the_tick_and_in_the_steps() -> None:
    bench = Bench("clock-drift@0:ppm=-50000")
    bench.run(1, (0, 9_500, 57 * MIN))
    assert bench.to(H - 1).status().state == RUNNING
    status = bench.to(H).status()
    assert (status.tick_ms, status.state, status.delivered_nl) == (57 * MIN, IDLE, 9_500)


@pytest.mark.parametrize(("how", "state", "given"), [("honest", RUNNING, 10_000), ("lie", IDLE, 10_000)])
def test_a_stop_that_is_ignored(how: str, state: int, given: int) -> None:
    bench = Bench(f"stop-ignored@0:reply={how}")
    bench.run(1, (0, 10_000, H))
    generation = bench.firmware.generation
    reply = bench.to(30 * MIN).stop()
    assert (reply.status.state, reply.status.generation - generation) == (state, 0 if how == "honest" else 1)
    assert bench.to(H).status().delivered_nl == given
    assert bench.to(2 * H).status().delivered_nl == given


def test_a_motor_that_does_not_stop_is_ended_by_the_next_commit() -> None:
    bench = Bench("stop-ignored@0:reply=lie")
    bench.run(1, (0, 10_000, H))
    bench.to(30 * MIN).stop()
    bench.run(2, (0, 0, H))
    assert bench.to(2 * H).status().delivered_nl == 5_000


def test_a_motor_that_does_not_stop_may_stall_and_nobody_sees_it() -> None:
    bench = Bench("stop-ignored@0:reply=lie", "stall@40min")
    bench.run(1, (0, 10_000, H))
    bench.to(30 * MIN).stop()
    status = bench.to(2 * H).status()
    assert (status.state, status.alarms, status.delivered_nl) == (IDLE, 0, 6_600)


def test_a_stop_that_gets_no_answer() -> None:
    bench = Bench("stop-ignored@0:reply=silent,count=1")
    bench.run(1, (0, 10_000, H))
    assert bench.firmware.handle(request(5), 0) == b""
    assert bench.stop().status.state == IDLE
