"""Tables, pictures and the page: what stands where, and that nothing comes from elsewhere."""

import copy
import io
import re

import numpy as np
import pytest
from PIL import Image

from genbench.report.page import render_page
from genbench.report.pictures import curves, scatter
from genbench.report.progress import Lines, describe
from genbench.report.tables import group_rows, table_cells, text_report, verdict


def row(loss="non_saturating", seed=0, held=8, **changes):
    scores = {"modes": 8, "modes_held": held, "high_quality": 0.5, "kl": 0.1, "kl_off_mode": 0.4}
    curve = [{"step": step, **scores} for step in (50, 100)]
    same = {"data": "ring8", "protocol": "quick", "steps": 100}
    base = {
        **same, "loss": loss, "model": "gan", "seed": seed, "status": "ok", "reason": None,
        **scores, "best_modes_held": held,
        "mode_count": 8, "seconds": 2.0, "curve": curve, "key": f"{loss}{seed}",
        "floor": {"modes": 8.0, "modes_held": 8.0, "high_quality": 0.98889, "kl": 0.0004},
        "specification": {**same, "code": "1", "config": {}},
        "versions": {"genbench": "1"}, "conventions": {"kl": "nats"},
    }  # fmt: skip
    return {**base, **changes}


DIVERGED = {
    "status": "diverged", "reason": "loss = nan", "modes": None, "modes_held": None,
    "high_quality": None, "kl": None, "kl_off_mode": None, "best_modes_held": 3,
}  # fmt: skip
ROWS = [
    row(seed=0, held=3), row(seed=1, held=5),
    row("relativistic+r1+r2", 0), row("relativistic+r1+r2", 1),
    row("least_squares", 0, held=8), row("least_squares", 1, **DIVERGED),
]  # fmt: skip


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


def test_text_report_reads():
    text = text_report(group_rows(ROWS))
    assert "ring8, protocol quick, 100 steps" in text and "perfect sampler" in text


@pytest.fixture(scope="module")
def pictures():
    (group,) = group_rows(ROWS)
    means = np.stack([np.cos(np.arange(8)), np.sin(np.arange(8))], 1)
    cloud = np.random.default_rng(0).normal(size=(100, 2)).astype(np.float32)
    samples = {r["key"]: cloud for r in ROWS}
    return {
        f"samples-{group.slug}.png": scatter(group, samples, means=means, points=None, sigma=0.05),
        f"curves-{group.slug}.png": curves(group),
    }


def test_pictures_are_pictures(pictures):
    for content in pictures.values():
        image = Image.open(io.BytesIO(content)).convert("RGB")
        assert min(image.size) > 200
        assert len(image.getcolors(maxcolors=1 << 24) or []) > 50  # something is drawn


def test_own_points_are_drawn_without_known_modes():
    (group,) = group_rows(ROWS)
    points = np.random.default_rng(1).normal(size=(50, 2))
    assert scatter(group, {}, means=None, points=points, sigma=0.0).startswith(b"\x89PNG")


def test_the_page_is_self_contained_and_escapes(pictures):
    rows = [copy.deepcopy(r) for r in ROWS]
    rows[-1]["reason"] = "<script>alert(1)</script>"
    page = render_page(group_rows(rows), pictures, notes=["2 damaged lines & more"])
    assert page.count("data:image/png;base64,") == 2
    assert not re.search(r"(src|href)=\"(?!data:)", page) and "http" not in page
    assert "<script>" not in page and "&lt;script&gt;" in page
    assert "2 damaged lines &amp; more" in page and "perfect sampler" in page


def test_lines_tell_each_finished_cell(capsys):
    lines = Lines()
    lines.start(3, 1, 300)
    lines.finish("ring8 non_saturating seed 0", ROWS[0])
    lines.finish("ring8 least_squares seed 1", ROWS[-1])
    assert capsys.readouterr().err.splitlines() == [
        "1 of 3 cells are done already",
        "[2/3] ring8 non_saturating seed 0: 8 modes, 3 of 8 held, high quality 50.0 % (2 s)",
        "[3/3] ring8 least_squares seed 1: diverged (loss = nan)",
    ]
    assert "high quality" not in describe("x", row(high_quality=None))
