"""The study from end to end: rows, resume, a user's own parts, the same rows however it runs."""

import json
from pathlib import Path

import numpy as np
import own_parts
import pytest
import torch

import genbench
from genbench.data import Mixture
from genbench.errors import CellFailed, InputError
from genbench.ops.backend import backend, load_error
from genbench.report.progress import Progress
from genbench.studies import mode_collapse

LOSSES = ["non_saturating", "wasserstein_gp"]
VARYING = ("seconds", "versions")


class Record(Progress):
    def __init__(self):
        self.events = []

    def start(self, cells, done, steps):
        self.events.append(("start", cells, done, steps))

    def finish(self, title, row):
        self.events.append(("finish", title))

    def note(self, text):
        self.events.append(("note", text))


def run(out, **options):
    settings = {"data": "ring8", "losses": LOSSES, "seeds": 2, "steps": 40, "workers": 2}
    return mode_collapse(out=out, **{**settings, **options})


def stable(rows):
    return [{k: v for k, v in row.items() if k not in VARYING} for row in rows]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return run(tmp_path_factory.mktemp("study") / "out")


def test_the_folder_holds_rows_page_and_pictures(finished):
    names = {path.name for path in finished.out.iterdir()}
    assert {"rows.jsonl", "report.html", "study.json", "cells"} <= names
    assert {"samples-ring8-quick-40.png", "curves-ring8-quick-40.png"} <= names
    lines = (finished.out / "rows.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == finished.rows and len(lines) == 4
    assert "perfect sampler" in finished.table


def test_samples_of_every_evaluation_are_kept(finished):
    for row in finished.rows:
        cell = finished.out / "cells" / row["key"]
        frames = {int(path.stem): np.load(path) for path in (cell / "frames").glob("*.npy")}
        assert sorted(frames) == [scores["step"] for scores in row["curve"]]
        assert all(frame.shape == (512, 2) for frame in frames.values())
        assert np.array_equal(frames[40], np.load(cell / "samples.npy")[:512])


def test_a_row_says_what_is_needed_to_repeat_it(finished):
    row = finished.rows[0]
    assert {"data", "loss", "model", "protocol", "seed", "steps", "status"} <= set(row)
    assert {"modes", "modes_held", "high_quality", "kl", "kl_off_mode"} <= set(row)
    assert {
        f"best_{k}" for k in ("step", "modes", "modes_held", "high_quality", "kl", "kl_off_mode")
    } <= set(row)
    assert row["specification"]["config"]["betas"] == [0.0, 0.9]
    assert (row["reason"], row["term"], row["diverged_step"]) == (None, None, None)
    assert row["versions"]["torch"] == torch.__version__ and row["threads"] == 1
    assert row["curve"][-1]["step"] == 40 and len(row["curve"]) == 20
    best = max(row["curve"], key=lambda s: (s["modes_held"], s["high_quality"]))
    assert (row["best_step"], row["best_modes_held"]) == (best["step"], best["modes_held"])


@pytest.mark.usefixtures("here")
def test_a_second_call_runs_nothing_and_more_seeds_run_only_those(finished):
    record = Record()
    again = run(finished.out, progress=record)
    assert again.rows == finished.rows and record.events == [("start", 4, 4, 160)]
    more = Record()
    grown = run(finished.out, seeds=3, losses=["non_saturating"], progress=more)
    assert more.events[0] == ("start", 3, 2, 120)
    assert more.events[-1] == ("finish", "ring8 non_saturating seed 2") and len(more.events) == 3
    assert stable(grown.rows)[:2] == stable(finished.rows)[:2] and len(grown.rows) == 5


@pytest.mark.usefixtures("here")
def test_one_process_and_other_order_give_the_same_rows(finished, tmp_path):
    alone = run(tmp_path / "alone", losses=LOSSES[::-1])
    mine = [row for row in stable(alone.rows) if row["seed"] < 2]
    assert mine == [row for row in stable(finished.rows) if row["seed"] < 2]


@pytest.mark.usefixtures("here")
def test_a_damaged_row_runs_again_and_ends_the_same(finished, tmp_path):
    result = run(tmp_path, losses="non_saturating", steps=10)
    cell = next((tmp_path / "cells").iterdir())
    before = json.loads((cell / "row.json").read_text())
    (cell / "row.json").write_bytes((cell / "row.json").read_bytes()[:-40])
    (tmp_path / "rows.jsonl").write_text("{broken")
    again = run(tmp_path, losses="non_saturating", steps=10)
    assert stable(again.rows) == stable(result.rows) and before["key"] in {
        r["key"] for r in again.rows
    }


def test_own_mixture_networks_and_loss_in_workers(tmp_path):
    record = Record()
    result = genbench.studies.mode_collapse(
        data=Mixture("pair", torch.tensor([[-2.0, 0.0], [2.0, 0.0]]), 0.2),
        losses=[own_parts.linear_loss, "non_saturating"],
        generator=own_parts.generator,
        critic=own_parts.critic,
        seeds=1,
        steps=40,
        out=tmp_path,
        progress=record,
    )
    assert {row["loss"] for row in result.rows} == {"linear_loss", "non_saturating"}
    assert all(row["mode_count"] == 2 and row["status"] == "ok" for row in result.rows)
    assert not [event for event in record.events if event[0] == "note"]


def test_functions_that_cannot_be_imported_run_here_with_the_same_numbers(tmp_path):
    def linear_loss(critic, *, real, fake, phase, seed):
        return own_parts.linear_loss(critic, real=real, fake=fake, phase=phase, seed=seed)

    record = Record()
    threads = torch.get_num_threads()
    here = run(tmp_path / "here", losses=linear_loss, seeds=1, steps=10, progress=record)
    there = run(tmp_path / "there", losses=own_parts.linear_loss, seeds=1, steps=10)
    assert [event[0] for event in record.events] == ["start", "note", "finish"]
    assert here.rows[0]["curve"] == there.rows[0]["curve"]
    assert here.rows[0]["key"] != there.rows[0]["key"]
    assert torch.get_num_threads() == threads


@pytest.mark.usefixtures("here")
def test_points_without_known_modes(tmp_path):
    x = np.random.default_rng(0).normal(size=(1500, 2)).astype(np.float32)
    result = run(tmp_path, data={"cloud": x}, losses="non_saturating", seeds=1, steps=5)
    (row,) = result.rows
    assert row["high_quality"] is None and row["mode_count"] == 50
    assert 0 <= row["recall"] <= 1 and "recall" in result.table
    assert (tmp_path / "samples-cloud-quick-5.png").exists()


def test_layers_that_draw_give_the_same_rows_for_any_number_of_workers(tmp_path, request):
    options = {"critic": own_parts.noisy_critic, "steps": 5}
    both = run(tmp_path / "2", **options)
    request.getfixturevalue("here")
    alone = run(tmp_path / "1", **options)
    assert stable(alone.rows) == stable(both.rows)


@pytest.mark.usefixtures("here")
def test_a_label_is_not_the_loss(tmp_path):
    labelled = run(tmp_path / "a", losses={"least_squares": "non_saturating"}, seeds=1, steps=5)
    plain = run(tmp_path / "b", losses="non_saturating", seeds=1, steps=5)
    assert labelled.rows[0]["loss"] == "least_squares"
    assert labelled.rows[0]["curve"] == plain.rows[0]["curve"]


@pytest.mark.usefixtures("here")
def test_titles_of_the_user_are_drawn_as_they_are(tmp_path):
    data = {"a": "ring8", "b-a": "grid25", "../x" * 100: "ring8"}
    result = run(tmp_path / "out", data=data, losses={"$x_{$": "least_squares"}, seeds=1, steps=5)
    assert len(list((tmp_path / "out").glob("*.png"))) == 1 + 2 * 3 and len(result.rows) == 3
    assert {path.name for path in tmp_path.iterdir()} == {"out"}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x: x.mean().item(), "got float as 'loss'"),
        (lambda x: x, r"got \(\d+, 1\) as 'loss'"),
        (lambda x: {"objective": x.mean()}, r"a dict with 'loss', got \['objective'\]"),
        (lambda x: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_a_wrong_answer_of_a_loss_names_the_cell_and_the_rule(tmp_path, answer, words):
    def loss(critic, *, real, fake, phase, seed):
        return answer(critic(fake))

    with pytest.raises(CellFailed, match=f"ring8 loss seed 0: .*{words}"):
        run(tmp_path, losses=loss, seeds=1)
    assert len(list(tmp_path.glob("cells/*/error.txt"))) == 1


@pytest.mark.usefixtures("here")
def test_divergence_is_a_row(tmp_path):
    result = run(tmp_path, losses=[own_parts.exploding_loss], seeds=1)
    (row,) = result.rows
    assert row["status"] == "diverged" and "not finite at step 0" in row["reason"]
    assert (row["term"], row["diverged_step"]) == ("loss", 0)
    assert row["modes"] is None and row["best_modes_held"] is None
    assert "1 (1 diverged)" in result.table


@pytest.mark.usefixtures("here")
def test_a_divergence_on_the_way_names_term_and_step_and_keeps_what_was_scored(tmp_path):
    options = {"losses": own_parts.late_loss, "critic": own_parts.LateCritic, "seeds": 1}
    (row,) = run(tmp_path, **options, steps=10).rows
    assert (row["status"], row["term"], row["diverged_step"]) == ("diverged", "penalty", 2)
    assert row["reason"].startswith("critic loss is not finite at step 2: loss = inf, penalty = in")
    assert row["modes"] is None and row["best_step"] in (1, 2) and len(row["curve"]) == 2


def test_a_loss_that_raises_is_one_line_and_a_traceback_on_disk(tmp_path):
    with pytest.raises(
        CellFailed, match="ring8 broken_loss seed 0: ValueError: no such luck"
    ) as caught:
        run(tmp_path, losses=own_parts.broken_loss, seeds=1)
    path = str(caught.value).split("(see ")[1].rstrip(")")
    assert "no such luck" in Path(path).read_text()


@pytest.mark.usefixtures("here")
def test_backends_give_the_same_numbers(tmp_path):
    if load_error():
        pytest.skip(f"no extension: {load_error()}")
    curves = {}
    for name in ("reference", "fused"):
        with backend(name):
            rows = run(tmp_path / name, dtype="float64", steps=20, seeds=1).rows
        assert {row["specification"]["backend"] for row in rows} == {name}
        curves[name] = [value for row in rows for s in row["curve"] for value in s.values()]
    nothing = [value is None for value in curves["reference"]]
    assert nothing == [value is None for value in curves["fused"]]
    one, other = (np.array(curves[name], dtype=float) for name in curves)
    np.testing.assert_allclose(one, other, rtol=1e-9)  # float64: the rounding of 20 steps


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seeds": 0}, "seeds: must be a whole number of at least 1, got 0"),
        ({"seeds": -3}, "got -3"),
        ({"seeds": 2.5}, "got 2.5"),
        ({"steps": 0}, "steps: must be a whole number of at least 1, got 0"),
        ({"workers": 0}, "workers: must be"),
        ({"data": "ring7"}, "data: unknown name 'ring7'"),
        ({"losses": "wgan"}, "losses: unknown name 'wgan'"),
        (
            {"losses": "hinge+packing3"},
            "'hinge\\+packing3' packs 3 points, which must",
        ),
        ({"losses": "hinge+flips"}, "'hinge\\+flips' makes no sense"),
        ({"protocol": "fast"}, "protocol: unknown name 'fast'"),
        ({"device": "tpu"}, "device: unknown name 'tpu'"),
        ({"dtype": "int8"}, "dtype: unknown name 'int8'"),
        ({"config": {"wdith": 3}}, "gan has no field 'wdith'"),
        ({"config": {"width": 0}}, "width must be a whole number"),
        ({"generator": torch.nn.Linear(2, 2)}, "generator: must be a function"),
        ({"seeds": True}, "seeds: must be"),
        ({"device": "cpu:foo"}, "device: unknown name 'cpu:foo'"),
        ({"protocol": ["quick"]}, "protocol: unknown name"),
        ({"config": {"loss": "least_squares"}}, "config: 'loss' is the study's own"),
        ({"config": {"critic": "maxoud"}}, "critic: unknown name 'maxoud'; did you mean 'maxout'"),
        ({"config": {"critic": len}}, "config: 'critic' must be a name; give a function"),
        ({"config": {"learning_rate": float("nan")}}, "learning_rate must be"),
    ],
)
def test_bad_input_is_refused_before_a_folder_is_made(tmp_path, options, words):
    with pytest.raises(InputError, match=words):
        run(tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_no_such_device(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("a CUDA device is here")
    with pytest.raises(InputError, match="device: 'cuda' was asked for, but torch"):
        run(tmp_path / "out", device="cuda")
