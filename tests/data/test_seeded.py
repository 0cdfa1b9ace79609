"""Batches from a seed and a position: their distributions, and that nothing else counts."""

import math

import pytest
import torch
from torch.func import vmap

from genbench import ops
from genbench.data import SeededStream, mixture
from genbench.data.mixtures import Mixture
from genbench.data.seeded import DigitSource, MixtureSource, RowSource
from genbench.data.stacked import StackedDigits
from genbench.ops import fold_seed

MANY = 200_000


def drawn(source, n=MANY, **about):
    """One batch of n rows."""
    return next(SeededStream(source, batch_size=n, seed=5, dtype=torch.float64, **about))


def refuse_uneven(counts, expected):
    """Pearson's chi-square within five sigma: once in a million draws. Its cube root is normal
    (Wilson and Hilferty 1931)."""
    freedom = len(counts) - 1
    statistic = ((counts - expected).square() / expected).sum().item()
    variance = 2 / (9 * freedom)
    assert abs((statistic / freedom) ** (1 / 3) - (1 - variance)) < 5 * math.sqrt(variance)


def test_points_have_the_mixtures_modes_and_noise():
    grid = mixture("grid25")
    x = drawn(MixtureSource(grid))
    nearest = torch.cdist(x, grid.means).argmin(dim=1)
    counts = torch.bincount(nearest, minlength=25).double()
    refuse_uneven(counts, torch.full((25,), MANY / 25))
    z = (x - grid.means[nearest]) / grid.sigma  # modes are 20 sigma off the border between them
    error = 5 / math.sqrt(MANY)
    assert z.mean(dim=0).abs().max() < error
    assert ((z.T @ z) / MANY - torch.eye(2)).abs().max() < math.sqrt(2) * error
    assert (z**4).mean() == pytest.approx(3, abs=math.sqrt(96 / 2) * error)
    inside = (z.square().sum(dim=1) < 9).double().mean()
    assert inside == pytest.approx(1 - math.exp(-4.5), abs=0.11 * error)


def test_points_of_a_basis_stay_in_its_subspace():
    rng = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(6, 3, generator=rng, dtype=torch.float64))[0]
    means = torch.stack([basis[:, 0], -basis[:, 0], 2 * basis[:, 1]])  # at least 8 sigma apart
    x = drawn(MixtureSource(Mixture("space", means, 0.25, basis)), n=20_000)
    assert (x - x @ basis @ basis.T).abs().max() < 1e-12
    half = (torch.cdist(x, means).min(dim=1).values / 0.25) ** 2 / 2
    # a Gamma variable of shape 3/2: mean and variance 3/2
    assert half.mean() == pytest.approx(1.5, abs=5 * math.sqrt(1.5 / 20_000))


def test_rows_come_evenly_and_scaled():
    rows = torch.arange(40, dtype=torch.float64).reshape(20, 2)
    x = drawn(RowSource(rows), scale=2.0)
    places = x[:, 0].long()  # 0, 2, 4, ... over 2
    assert torch.equal(2 * x, rows[places])
    counts = torch.bincount(places, minlength=20).double()
    refuse_uneven(counts, torch.full((20,), MANY / 20))


def test_digits_come_with_even_classes_and_even_within_them():
    labels = torch.arange(10).repeat(3)[:25]  # some classes have three images, others two
    images = torch.arange(25, dtype=torch.uint8).view(25, 1, 1).expand(25, 2, 2).contiguous()
    x = drawn(DigitSource(StackedDigits(images, labels)), n=60_000)
    assert x.shape == (60_000, 3, 2, 2)
    which = ((x[..., 0, 0] + 1) * 127.5).round().long()
    weight = 1 / (10 * torch.bincount(labels).double()[labels])
    for channel in which.unbind(dim=1):
        refuse_uneven(torch.bincount(channel, minlength=25).double(), 60_000 * weight)
    triples = torch.bincount(
        (labels[which] * torch.tensor([100, 10, 1])).sum(dim=1), minlength=1000
    )
    refuse_uneven(triples.double(), torch.full((1000,), 60.0))


def test_batches_of_neighbouring_positions_and_seeds_have_nothing_in_common():
    source = MixtureSource(mixture("ring8"))
    batches = []
    for seed in (0, 1, 2):
        stream = SeededStream(source, batch_size=20_000, seed=seed, dtype=torch.float64)
        batches += [next(stream).flatten() for _ in range(3)]
    correlation = torch.corrcoef(torch.stack(batches)) - torch.eye(9)
    assert correlation.abs().max() < 5 / math.sqrt(40_000)


def test_seed_and_position_are_all_that_a_stream_remembers():
    def stream(seed=-3):
        return SeededStream(MixtureSource(mixture("ring8")), batch_size=4, seed=seed)

    whole, part, other = stream(), stream(), stream(seed=-4)
    batches = [next(whole) for _ in range(4)]
    assert whole.state_dict() == {"seed": -3, "position": 4} and batches[0].dtype == torch.float32
    part.load_state_dict({"seed": -3, "position": 2})
    assert torch.equal(next(part), batches[2]) and torch.equal(next(part), batches[3])
    assert not torch.equal(next(other), batches[0])
    other.load_state_dict(whole.state_dict())
    assert torch.equal(next(other), next(whole))


def test_seeds_come_at_once_as_one_after_the_other():
    seed = torch.tensor([-7])
    stream = SeededStream(MixtureSource(mixture("ring8")), batch_size=4, seed=-7)
    stream.load_state_dict({"seed": -7, "position": 10})
    at_once = stream.seeds(5)
    assert torch.equal(at_once, torch.stack([fold_seed(seed, 10 + p) for p in range(5)]))
    assert stream.state_dict()["position"] == 15


@pytest.mark.parametrize("shared", [True, False])
def test_many_seeds_at_once_draw_what_each_draws_alone(shared):
    rows = torch.randn(3, 50, 2, generator=torch.Generator().manual_seed(0))
    source = RowSource(rows[0], shared=shared)
    stream = SeededStream(source, batch_size=8, seed=1)
    seeds = stream.seeds(3)
    sets = rows[:1] if shared else rows
    with ops.backend("reference"):
        together = vmap(lambda seed, own: stream.draw(seed, [own]), (0, None if shared else 0))(
            seeds, sets[0] if shared else sets
        )
    alone = [stream.draw(seed, [sets[i % len(sets)]]) for i, seed in enumerate(seeds)]
    assert torch.equal(together, torch.stack(alone))
