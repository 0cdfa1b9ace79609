"""Groups, tables and progress lines: what stands where, and what never stands side by side."""

import copy

import pytest
from study_rows import ROWS, row

from genbench.report.groups import group_rows, overall
from genbench.report.progress import Lines, describe
from genbench.report.tables import WIDTH, shortened, table_cells, text_report, verdict


def test_table_holds_means_intervals_and_the_floor():
    (group,) = group_rows(ROWS)
    titles, lines = table_cells(group)
    cell = {line[0]: dict(zip(titles, line, strict=True)) for line in lines}
    assert list(cell) == [
        "relativistic+r1+r2",
        "non_saturating",
        "least_squares",
        "perfect sampler",
    ]
    assert (
        cell["non_saturating"]["modes held"] == "4.0 ± 12.7"
    )  # t(.975, 1) = 12.706, s / sqrt 2 = 1
    assert cell["non_saturating"]["all held"] == "0/2"
    assert cell["relativistic+r1+r2"]["all held"] == "2/2"
    assert cell["least_squares"]["seeds"] == "2 (1 diverged)"
    assert cell["least_squares"]["all held"] == "1/2"
    assert cell["perfect sampler"]["quality %"] == "98.9"


def test_verdict_names_who_drops_modes():
    (group,) = group_rows(ROWS)
    assert verdict(group) == (
        "Holds every mode in every seed: relativistic+r1+r2. "
        "Drops modes: non_saturating (2 of 2 seeds), least_squares (1 of 2 seeds)."
    )


@pytest.mark.parametrize("change", ["protocol", "steps", "code", "config", "data"])
def test_what_differs_never_shares_a_column(change):
    other = copy.deepcopy(ROWS[0])
    other["specification"][change] = {"config": {"weight": 1}}.get(change, "x")
    other["key"] = "other"
    groups = group_rows([ROWS[0], other])
    assert len(groups) == 2 and len({group.slug for group in groups}) == 2
    assert len({group.title for group in groups}) == 2


def test_a_longer_budget_is_no_second_group_of_a_shorter_one():
    groups = group_rows([row(), row(steps=1000, specification={"steps": 1000})])
    assert [group.slug for group in groups] == ["ring8-quick-100", "ring8-quick-1000"]
    assert groups[1].title == "ring8, protocol quick, 1000 steps"


def test_a_row_chooses_no_folder():
    (group,) = group_rows([row(data="../../etc/x y")])
    assert group.slug == "_.._etc_x_y-quick-100"


def test_functions_of_one_name_are_told_apart():
    mine = [row("mine", seed) for seed in (0, 0)]
    for number, one in enumerate(mine):
        one["specification"] = {**one["specification"], "identity": {"loss": f"{number}" * 16}}
    (group,) = group_rows(mine)
    assert sorted(group.losses) == ["mine@000000", "mine@111111"]


def test_objectives_under_one_label_are_told_apart():
    rows = [row("a", 0, specification={"objective": name}) for name in ("hinge", "minimax")]
    (group,) = group_rows(rows)
    assert sorted(group.losses) == ["a@hinge", "a@minimax"]


def test_a_seed_run_compiled_and_eagerly_counts_once():
    rows = [
        row(loss, seed, held, specification={"compiled": compiled})
        for loss, seed, held, compiled in [
            ("hinge", 0, 8, True), ("hinge", 1, 6, True), ("hinge", 0, 7, False),
            ("mine", 0, 5, False), ("mine", 1, 5, False),  # beside compiled ones, as own losses are
        ]
    ]  # fmt: skip
    (group,) = group_rows(rows)
    assert set(group.losses) == {"hinge", "hinge (eager)", "mine"}
    assert group.interval("hinge", "modes_held").n == 2 and group.whole("hinge") == 1
    assert [r["modes_held"] for r in group.of("hinge (eager)")] == [7]
    assert [r["seed"] for r in group.of("mine")] == [0, 1]


def test_a_loss_without_any_kl_is_not_the_best_in_it():
    nothing = {"held": 0, "high_quality": None}
    rows = [row("alive", **nothing, kl=6.9), row("dead", **nothing, kl=None, status="diverged")]
    (group,) = group_rows(rows)
    assert group.losses == ["alive", "dead"]


def test_text_report_reads():
    text = text_report(group_rows(ROWS))
    assert "ring8, protocol quick, 100 steps" in text and "perfect sampler" in text
    assert "least_squares: diverged in 1 of 2 seeds." in text
    sure = (
        "relativistic+r1+r2 minus non_saturating: modes held +4.0 (95 %: -8.7 to +16.7), paired t"
    )
    assert f"The two best: {sure}" in " ".join(text.split())  # +5 and +3: 4 +- 12.706


def test_text_report_fits_a_terminal():
    more = {"recall": 0.5, "coverage": 0.25, "precision": 0.5, "density": 1.0, "different_bins": 3}
    name = "non_saturating+r1+r2+instance_noise+label_smoothing"
    rows = [row(loss, s, held=8 - s, **more) for loss in (name, "hinge") for s in range(3)]
    lines = text_report(group_rows(rows)).splitlines()
    assert max(map(len, lines)) <= WIDTH
    (titles,) = [line for line in lines if line.startswith("loss")]
    assert "modes held" in titles and "best held" in titles and "KL" in titles
    assert any(line.startswith(shortened(name)) for line in lines) and "seconds" not in titles


def test_a_name_moves_no_cursor():
    text = text_report(group_rows([row("a\x1b[2Jb\u202ec")]))
    assert "a?[2Jb?c" in text and "\x1b" not in text and "\u202e" not in text


def test_losses_are_ordered_over_all_data():
    other = [{**r, "data": "grid25", "specification": {"data": "grid25"}} for r in ROWS[:4]]
    # places 0, 1, 2 of three and 0, 1 of two; one data set has no least_squares
    names = ["relativistic+r1+r2", "non_saturating", "least_squares"]
    assert overall(group_rows(ROWS + other)) == names


def test_a_place_counts_by_how_many_there_are():
    many = [row(loss, held=8 - place) for place, loss in enumerate(["b", "x", "a", "y", "z"])]
    two = [
        row("a", data="spiral", specification={}),
        row("b", 0, 7, data="spiral", specification={}),
    ]
    # third of five and first of two is better than first of five and last of two
    names = overall(group_rows([{**r, "specification": {}} for r in many] + two))
    assert names.index("a") < names.index("b")


def test_lines_tell_each_finished_cell(capsys):
    lines = Lines()
    lines.start(3, 1, 300)
    lines.finish("ring8 non_saturating seed 0", ROWS[0])
    lines.finish("ring8 least_squares seed 1", ROWS[-1])
    assert capsys.readouterr().err.splitlines() == [
        "1 of 3 cells are done already",
        "[2/3] ring8 non_saturating seed 0: 8 modes, 3 of 8 held, high quality 50.0 % (2 s)",
        "[3/3] ring8 least_squares seed 1: diverged (loss is nan at step 60)",
    ]
    assert "high quality" not in describe("x", row(high_quality=None))


def test_a_title_names_the_constants_that_differ():
    same = {"width": 8, "critic": "mlp"}
    rows = [
        row(specification={"config": {**same, **own}, "batch_size": size})
        for own, size in (({}, 64), ({}, 128), ({"critic": "maxout"}, 128))
    ]
    for one, group in zip(rows, group_rows(rows), strict=True):
        spec = one["specification"]
        told = f"batch_size {spec['batch_size']}, critic {spec['config']['critic']}"
        assert sorted(group.title.split(", ")[3:]) == told.split(", ")
