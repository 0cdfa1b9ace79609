"""The study's benchmark: what it compares computes the same, and what a row holds."""

import pytest

from benchmarks.check import Disagreement
from benchmarks.report import replay_lines, study_lines
from benchmarks.study import measured, stacks
from benchmarks.study.conftest import extra_info, stack_info
from benchmarks.study.measured import ALL, OURS, Measured, losses_of, refuse
from benchmarks.study.ours import CHECKED, Recorded, trainer
from benchmarks.study.plain import OBJECTIVES


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_plain_loop_computes_what_a_cell_does(objective):
    cell = trainer(objective, 0, compiled=False)
    steps = [cell.step() for _ in range(CHECKED)]
    found = [[float(terms[f"{phase}/loss"]) for phase in cell.model.phases] for terms in steps]
    truth = losses_of(objective, Recorded(objective, 0))
    refuse(found, truth)
    found[-1][0] += 2 * measured.TOLERANCE
    with pytest.raises(Disagreement, match="first losses are"):
        refuse(found, truth)
    with pytest.raises(Disagreement):
        refuse([[float("nan")] * 2], [[0.0, 0.0]])


def test_rows_say_what_the_whole_machine_does():
    seconds = {
        "plain loop, 1 thread": [4e-3, 4e-3, 5e-3],
        "plain loop, 2 threads": [3e-3] * 3,
        OURS: [1e-3] * 3,
        ALL: [1.5e-3] * 3,
    }
    group = Measured(seconds, {}, start=44.0, found=6.0, again=1.0)
    # 44 + 6 + 10 further cells: 60 seconds of two workers for 12 x 6,000 steps
    assert group.extra == pytest.approx(30 / 72_000)
    rows = {("g", name): extra_info("hinge", name, group) for name in seconds}
    assert rows["g", ALL]["times_the_best_plain_loop"] == 2
    assert rows["g", OURS]["seed_steps_a_second"] == 1000
    assert rows["g", "plain loop, 2 threads"]["threads"] == 2
    assert rows["g", OURS]["processes"] == 2
    lines = study_lines(rows)
    assert any("| 1.50 |" in line and "| 2.00 |" in line for line in lines)
    assert study_lines({("g", "v"): {"metric": "m"}}) == []


def test_a_replay_says_what_bounds_it(monkeypatch):
    monkeypatch.setattr(stacks, "SEEDS", 2)
    monkeypatch.setattr(stacks, "LANES", 2)
    monkeypatch.setattr(stacks, "WARM_UP", 1)
    made = stacks.ensemble("non_saturating", compiled=False, device="cpu", width=4, depth=1)
    found = stacks.measure([made], steps=2, rounds=3)
    assert len(found.seconds) == 3 and 0 < found.host <= max(found.seconds)
    assert (found.kernels, found.busy) == (0, 0.0)  # the CPU launches none
    row = stack_info("hinge", stacks.STACK, 3, stacks.Replay([2e-3] * 3, 1e-3, 700, 1.5e-3))
    assert (row["replay_ms"], row["host_ms"], row["kernels_ms"]) == (2.0, 1.0, 1.5)
    assert (
        row["seed_steps_a_second"] == 3000 and row["kernels_a_replay"] == 700
    )  # 2 seeds, 3 losses
    assert row["median_us"] == 2000
    rows = {("quick, hinge", stacks.STACK): row}
    assert study_lines(rows) == []
    assert replay_lines(rows)[-1].endswith("| 2 | 1 | 1.5 | 700 | 3000 |")
