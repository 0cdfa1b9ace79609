"""Protocols: each can run as it stands, and decides which points a cell trains on."""

from dataclasses import replace
from itertools import product

import pytest
import torch

from genbench import create_model
from genbench.data import Stream
from genbench.errors import InputError
from genbench.losses import create_loss
from genbench.protocol import Batch
from genbench.report.groups import group_rows
from genbench.studies import mode_collapse
from genbench.studies.protocols import PROTOCOLS
from genbench.studies.tasks import make_tasks


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_protocol_can_run_as_it_stands(name):
    protocol = PROTOCOLS[name]
    assert protocol.name == name and protocol.line
    for task, loss in product(make_tasks(protocol.data), protocol.losses):
        x = task.sample(12, torch.Generator().manual_seed(0)).float()  # 12: packs of 2, 3 and 4
        torch.manual_seed(0)
        model = create_model("gan", data_shape=task.data_shape, loss=loss, **protocol.model)
        for phase in model.phases:
            value = model.loss(Batch(x=x, seed=torch.tensor([1])), phase)["loss"]
            assert value.isfinite()
        assert model.sample(3, torch.Generator().manual_seed(0)).shape == (3, *x.shape[1:])


def batches(tmp_path, monkeypatch, *, steps=30, **changes):
    """What the critic's real points were, by seed, under `quick` with some fields changed."""
    seen = {}

    def recording(critic, *, real, fake, phase, seed):
        if phase == "critic":
            recording.rows.append(real.detach().clone())
        return (critic(fake) - critic(real)).mean() * (1 if phase == "critic" else -1)

    fields = {"batch_size": 40, "samples": 100, "evaluations": 1, "data": ("grid25",), **changes}
    tiny = replace(PROTOCOLS["quick"], name="tiny", **fields)
    monkeypatch.setitem(PROTOCOLS, "tiny", tiny)
    for seeds in (1, 2):
        recording.rows = []
        mode_collapse(losses=recording, seeds=seeds, steps=steps, protocol="tiny", out=tmp_path)
        seen[seeds - 1] = torch.cat(recording.rows)
    return seen


def test_a_fixed_training_set_is_drawn_with_replacement(tmp_path, monkeypatch):
    seen = batches(tmp_path, monkeypatch, points=7)
    sets = {seed: set(map(tuple, rows.tolist())) for seed, rows in seen.items()}
    # 1,200 draws miss one of 7 points with probability 7 (6/7)^1200 < 1e-79
    assert [len(points) for points in sets.values()] == [7, 7]
    assert not sets[0] & sets[1]  # each seed has its own
    counts = seen[0].unique(dim=0, return_counts=True)[1]
    # binomial(1200, 1/7): mean 171, standard deviation 12
    assert (counts - 1200 / 7).abs().max() < 5 * 12.2


def test_fresh_points_do_not_come_twice(tmp_path, monkeypatch):
    rows = batches(tmp_path, monkeypatch)[0]
    assert len(rows.unique(dim=0)) == len(rows) == 1200


@pytest.mark.parametrize("standardise", [True, False])
def test_data_are_standardised_where_the_protocol_says_so(tmp_path, monkeypatch, standardise):
    rows = batches(tmp_path, monkeypatch, standardise=standardise)[0].double()
    spread = rows.std(dim=0).mean().item()
    # places -4..4 in steps of 2 have variance 8, sigma adds .05^2; 1,200 x 2 draws: about 2 %
    assert spread == pytest.approx(1.0 if standardise else (8 + 0.0025) ** 0.5, rel=0.06)


def test_samples_are_scored_in_the_datas_units(tmp_path, monkeypatch):
    """A generator that always gives (2, 2): a mode of the unscaled grid, and no mode times 2.8."""

    def at_two():
        layer = torch.nn.Linear(2, 2)
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.constant_(layer.bias, 2.0)
        return layer

    def still(critic, *, real, fake, phase, seed):
        return 0.0 * critic(fake).mean()

    tiny = replace(PROTOCOLS["quick"], name="tiny", samples=50, evaluations=1)
    found = {}
    for standardise in (True, False):
        monkeypatch.setitem(PROTOCOLS, "tiny", replace(tiny, standardise=standardise))
        result = mode_collapse(
            data="grid25",
            losses=still,
            generator=at_two,
            seeds=1,
            steps=1,
            protocol="tiny",
            out=tmp_path / str(standardise),
        )
        found[standardise] = result.rows[0]["modes"], result.rows[0]["high_quality"]
    assert found == {True: (0, 0.0), False: (1, 1.0)}


@pytest.mark.parametrize("packs", [True, False])
def test_a_batch_may_count_packs(tmp_path, monkeypatch, packs):
    """PacGAN's batch is 100 rows of the critic: packing 3 draws 300 points."""
    fields = {"batch_size": 12, "samples": 50, "evaluations": 1, "batch_of_packs": packs}
    monkeypatch.setitem(PROTOCOLS, "tiny", replace(PROTOCOLS["quick"], name="tiny", **fields))
    draw, seen = Stream.__next__, []

    def recording(stream):
        seen.append(draw(stream))
        return seen[-1]

    monkeypatch.setattr(Stream, "__next__", recording)
    losses = {n: create_loss(n) for n in ("hinge", "hinge+packing3")}
    options = {"data": "ring8", "losses": losses, "seeds": 1, "steps": 2}
    result = mode_collapse(protocol="tiny", out=tmp_path, **options)
    assert [len(x) for x in seen] == [12] * 4 + [36 if packs else 12] * 4
    assert {row["status"] for row in result.rows} == {"ok"}
    assert len(group_rows(result.rows)) == 1  # packed or not, they stand in one table


def test_a_batch_of_another_size_is_another_table(tmp_path):
    losses = {n: create_loss(n) for n in ("hinge", "hinge+packing2")}  # they run in this process
    options = {"data": "ring8", "losses": losses, "seeds": 1, "steps": 2}
    mode_collapse(out=tmp_path, batch=6, **options)
    rows = mode_collapse(out=tmp_path, config={"width": 9}, **options).rows
    told = sorted(sorted(group.title.split(", ")[3:]) for group in group_rows(rows))
    assert len(rows) == 4 and told == [["batch_size 128", "width 9"], ["batch_size 6", "width 128"]]
    with pytest.raises(InputError, match="packs 2 points, which must divide the batch of 7 points"):
        mode_collapse(out=tmp_path / "odd", batch=7, **options)


def test_pacgan_goes_400_times_through_its_points():
    pacgan = PROTOCOLS["pacgan"]
    assert pacgan.points and pacgan.steps * pacgan.batch_size == 400 * pacgan.points
