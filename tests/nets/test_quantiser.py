"""Codebooks: nearest codes, straight-through gradients, moving averages, codes put elsewhere."""

import math

import pytest
import torch

from genbench.nets.quantiser import RARE, Quantiser

SEED = torch.tensor([3])
CODES = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [5.0, 5.0]])


def quantiser(decay=0.9):
    q = Quantiser(4, 2, decay=decay)
    q.codes.copy_(CODES)
    q.total.copy_(CODES)
    q.count.fill_(1.0)
    return q


def vectors(n=3, seed=0):
    return torch.rand(n, 2, 4, 5, generator=torch.Generator().manual_seed(seed))


def test_the_nearest_code_is_the_one_of_least_distance():
    q, z = quantiser(), vectors()
    distance = torch.cdist(z.movedim(1, -1).reshape(-1, 2), CODES)
    assert torch.equal(q.nearest(z).flatten(), distance.argmin(1))
    assert torch.equal(q.look_up(q.nearest(z))[:, :, 1, 2], CODES[q.nearest(z)[:, 1, 2]])


def test_gradients_pass_straight_through_and_commitment_pulls():
    q, z = quantiser(), vectors().requires_grad_()
    e, commitment, _ = q(z, SEED)
    weight = torch.randn(e.shape, generator=torch.Generator().manual_seed(1))
    (through,) = torch.autograd.grad((e * weight).sum(), z, retain_graph=True)
    assert torch.equal(through, weight)
    (pull,) = torch.autograd.grad(commitment, z)
    expected = 2 * (z.detach() - q.look_up(q.nearest(z))) / z.numel()
    assert torch.allclose(pull, expected)
    assert not list(q.parameters())


def test_perplexity_counts_codes_in_use():
    q = quantiser()
    two = torch.tensor([0.1, 0.9]).view(1, 1, 1, 2).expand(1, 2, 1, 2).clone()
    two[:, 1] = 0.0  # half the vectors at code 0, half at code 1
    assert q(two, SEED)[2].item() == pytest.approx(2.0)
    assert q(vectors() * 0.01, SEED)[2].item() == pytest.approx(1.0)


def test_codes_move_to_the_mean_of_their_vectors():
    q, z = quantiser(decay=0.5), vectors(40)
    rows, index = z.movedim(1, -1).reshape(-1, 2), q.nearest(z).flatten()
    before = q.codes.clone()
    first = q(z, SEED)
    assert all(torch.equal(a, b) for a, b in zip(first, q(z, SEED), strict=True))
    assert torch.equal(q.codes, before)  # a loss alone moves nothing
    q.move()
    for k in range(3):
        own = rows[index == k]
        expected = (0.5 * before[k] + 0.5 * own.sum(0)) / (0.5 + 0.5 * len(own))
        assert torch.allclose(q.codes[k], expected, atol=1e-6)  # float32 sums
    for _ in range(60):
        q(z, SEED)
        q.move()
    for k in q.nearest(z).unique():
        own = rows[q.nearest(z).flatten() == k].mean(0)
        assert torch.allclose(q.codes[k], own, atol=0.05)  # vectors at borders still change sides


def test_a_code_that_nothing_uses_is_put_onto_the_data():
    q, z = quantiser(), vectors()
    rows = z.movedim(1, -1).reshape(-1, 2)
    steps = math.ceil(math.log(RARE) / math.log(q.decay)) + 30
    for _ in range(steps):
        q(z, SEED)
        q.move()
    assert torch.cdist(q.codes[3:], rows).amin() < 0.5  # code 3 lay at (5, 5)
    assert (torch.bincount(q.nearest(z).flatten(), minlength=4) > 0).all()


def test_a_new_codebook_starts_on_the_data():
    torch.manual_seed(0)
    q, z = Quantiser(8, 2, decay=0.99), vectors() + 3
    index = q.nearest(z).flatten()
    q(z, SEED)
    q.move()
    rows = z.movedim(1, -1).reshape(-1, 2)
    means = torch.stack([rows[index == k].mean(0) for k in index.unique()])
    assert len(means) < 8  # some code was used by none
    # each is the mean of its vectors, or one of all
    gap = (q.codes[:, None] - torch.cat([means, rows])).norm(dim=2).amin(1)
    assert gap.max() < 1e-5
    assert len(torch.unique(q.codes, dim=0)) > 4  # two codes may get one row
