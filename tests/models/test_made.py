"""MADE: sums over all pictures, conditionals against enumeration, orders and masks."""

import itertools
import math

import pytest
import torch
from invariants import check_invariants

from genbench import create_model
from genbench.errors import InputError
from genbench.nets.masked_linear import MaskedMLP, order_masks, random_orders
from genbench.protocol import Batch
from genbench.train.loop import global_seed

SHAPE = (1, 2, 3)
# every binary picture of SHAPE, (64, 1, 2, 3)
ALL = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=6))).double().view(-1, *SHAPE)


def shaken(**config):
    """A model far from even odds, in float64."""
    with global_seed(1):
        model = create_model("made", data_shape=SHAPE, **{"width": 20, "masks": 3, **config})
        for parameter in model.parameters():
            parameter.data.add_(0.6 * torch.randn_like(parameter))
    return model.double()


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def test_invariants():
    x = torch.rand(7, 1, 4, 4, generator=rng()) * 2 - 1
    check_invariants("made", x, width=16, masks=3)


@pytest.mark.parametrize("order", ["natural", "random"])
@pytest.mark.parametrize("depth", [1, 2])
def test_probabilities_sum_to_one(order, depth):
    model = shaken(order=order, depth=depth)
    probabilities = model.log_prob(ALL).exp()
    assert probabilities.std() > 1e-3  # not the even odds that would sum to one too
    assert probabilities.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_outputs_see_all_that_comes_before_and_nothing_else(depth):
    d = 7
    orders = random_orders(2, d, seed=4)
    net = MaskedMLP(orders, width=200, depth=depth, seed=1).double()
    for k, order in enumerate(orders):

        def each(x, k=k):
            return net(x[None], torch.tensor([k]))[0]

        points = torch.randn(20, d, generator=rng(), dtype=torch.float64)
        slopes = torch.func.vmap(torch.func.jacrev(each))(points)  # (20, d, d)
        seen = slopes.abs().sum(0) > 0
        assert torch.equal(seen, order[:, None] > order[None, :])


def test_hidden_units_carry_every_earlier_input():
    # without direct connections: the product of masks counts the paths from input to output
    order = torch.tensor([2, 0, 3, 1])
    seed = torch.tensor([1])
    first, second, last = (mask.double() for mask in order_masks(order, [300, 300], seed=seed))
    paths = last @ second @ first
    assert torch.equal(paths > 0, order[:, None] > order[None, :])


def test_orders_are_permutations_and_masks_differ():
    model = create_model("made", data_shape=(1, 4, 4), masks=5, width=30)
    orders = model.network.orders
    assert torch.equal(orders.sort(dim=1).values, torch.arange(16).expand(5, 16))
    assert len(torch.unique(orders, dim=0)) == 5
    natural = create_model("made", data_shape=(1, 4, 4), masks=2, width=30, order="natural")
    assert torch.equal(natural.network.orders, torch.arange(16).expand(2, 16))
    masks = natural.network.hidden[0].masks
    assert not torch.equal(masks[0], masks[1])  # connectivity is drawn for every mask
    other = create_model("made", data_shape=(1, 4, 4), masks=5, width=30, mask_seed=1)
    assert not torch.equal(other.network.orders, orders)


def test_the_loss_is_one_masks_and_all_masks_take_part():
    model = shaken()
    each = {-round(model._log_prob(ALL.flatten(1), k).mean().item(), 9) for k in model._masks()}
    found = {
        round(model.loss(Batch(x=ALL, seed=torch.tensor([s])), "model")["loss"].item(), 9)
        for s in range(30)
    }
    assert len(each) == 3 and found == each


def test_a_pixel_is_ink_from_zero_on():
    model = shaken()
    grey = torch.tensor([[-0.01, 0.0, 0.7, -1.0, 1.0, -0.3]]).double().view(1, *SHAPE)
    binary = torch.tensor([[-1.0, 1, 1, -1, 1, -1]]).double().view(1, *SHAPE)
    assert torch.equal(model.log_prob(grey), model.log_prob(binary))


def counts_of(x):
    """How often each row of ALL comes up, (64,)."""
    weights = 2 ** torch.arange(5, -1, -1)
    return torch.bincount(((x.flatten(1) > 0) * weights).sum(1), minlength=64).double()


def chi_square(counts, probabilities):
    """(statistic - degrees of freedom) / its standard deviation, over cells expected 5 times."""
    expected = probabilities * counts.sum()
    fit = expected >= 5
    statistic = ((counts - expected)[fit].square() / expected[fit]).sum().item()
    freedom = int(fit.sum()) - 1
    return (statistic - freedom) / math.sqrt(2 * freedom)


def test_samples_follow_the_probabilities():
    model, n = shaken(), 4000
    assert abs(chi_square(counts_of(model.sample(n, rng(3))), model.log_prob(ALL).exp())) < 4


@pytest.mark.parametrize("masks", [1, 3])
def test_hidden_pixels_follow_their_conditional(masks):
    model, n = shaken(masks=masks), 1000
    mask = torch.tensor([True, False, True, False, False, True]).view(SHAPE)
    visible = torch.tensor([1.0, 0, -1, 0, 0, 1]).double().view(SHAPE)
    matches = (torch.where(mask, ALL - visible, 0.0) == 0).flatten(1).all(1)
    joint = model.log_prob(ALL).exp() * matches
    x = visible.expand(n, *SHAPE)
    filled = model.impute(x, mask.expand(n, *SHAPE), rng(1), particles=32)
    assert torch.equal(filled[:, mask], x[:, mask])
    # 32 particles: a bias of order 1 / 32 lies within the noise of 1000 draws
    assert abs(chi_square(counts_of(filled), joint / joint.sum())) < 5


def test_one_particle_is_exact_where_the_visible_pixels_come_first():
    model, n = shaken(masks=1, order="natural"), 4000
    mask = torch.tensor([True, True, True, False, False, False]).view(SHAPE)
    x = ALL[13].expand(n, *SHAPE)
    filled = model.impute(x, mask.expand(n, *SHAPE), rng(1), particles=1)
    matches = (ALL[:, mask] == ALL[13][mask]).all(1)
    joint = model.log_prob(ALL).exp() * matches
    assert abs(chi_square(counts_of(filled), joint / joint.sum())) < 4


def test_weight_decay_reaches_the_optimiser():
    options = shaken(weight_decay=0.25).optimizer("model").options
    assert options["weight_decay"] == 0.25 and options["betas"] == (0.9, 0.999)


@pytest.mark.parametrize(
    ("mask", "particles", "words"),
    [
        (
            torch.ones(64, *SHAPE),
            2,
            r"mask must be bool \(64, 1, 2, 3\), got float32 \(64, 1, 2, 3\)",
        ),
        (torch.ones(1, 6, dtype=torch.bool), 2, r"mask must be bool .*, got bool \(1, 6\)"),
        (None, 2, "mask must be bool .*, got NoneType"),
        (torch.ones(64, *SHAPE, dtype=torch.bool), 0, "particles must be .* at least 1, got 0"),
    ],
)
def test_a_bad_mask_is_refused(mask, particles, words):
    with pytest.raises(InputError, match=words):
        shaken().impute(ALL, mask, rng(), particles=particles)
