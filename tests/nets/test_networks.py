"""Stock networks: shapes, first weights, published sizes, gradients, and tracing."""

import pytest
import torch
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx

from genbench.errors import InputError
from genbench.nets import NETWORKS
from genbench.nets.maxout import Maxout

IMAGES = ("dcgan_generator", "dcgan_critic")
FLAT = tuple(name for name in NETWORKS if name not in IMAGES)
SHAPES = {
    "mlp": ((2,), (1,)),
    "mlp_tanh": ((2,), (3, 4, 4)),
    "mlp_two_class": ((3, 4), (1,)),
    "mlp_batch_norm": ((2,), (3, 4, 4)),
    "maxout": ((2, 2), (1,)),  # two packed points
    "dcgan_generator": ((5,), (3, 8, 8)),
    "dcgan_critic": ((6, 8, 8), (1,)),  # two packed images
    "radford_generator": ((5,), (3, 8, 8)),
    "radford_critic": ((6, 8, 8), (1,)),
}


def make(name, *, width=4, depth=2, seed=0, shapes=None, **options):
    torch.manual_seed(seed)
    return NETWORKS[name].load()(*(shapes or SHAPES[name]), width=width, depth=depth, **options)


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("name", NETWORKS)
def test_shapes_and_a_seed_decides_the_weights(name):
    network = make(name)
    inputs, outputs = SHAPES[name]
    assert network(torch.randn(3, *inputs)).shape == (3, *outputs)
    weights = [torch.cat([p.flatten() for p in make(name, seed=s).parameters()]) for s in (0, 0, 1)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("size", [(8, 8), (28, 28), (5, 7), (1, 3)])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_convolutions_fit_any_size(size, depth):
    image = (3, *size)
    generator = make("dcgan_generator", depth=depth, shapes=((4,), image))
    critic = make("dcgan_critic", depth=depth, shapes=(image, (1,)))
    made = generator(100 * torch.randn(6, 4))
    assert made.shape == (6, *image) and made.abs().max() <= 1
    assert critic(made).shape == (6, 1)


@pytest.mark.parametrize("name", IMAGES)
def test_convolutions_refuse_points(name):
    with pytest.raises(InputError, match=r"must be \(channels, height, width\), got \(2,\)"):
        make(name, shapes=((2,), (2,)))


# Weights and biases counted by hand from the published tables.
PUBLISHED = {
    # PacGAN 2-D: 400 units without bias but with batch norm's two; 200 maxout units of 5 pieces
    "mlp_batch_norm": (400, 4, ((2,), (2,)), 2 * 400 + 3 * 400**2 + 4 * 800 + 802),
    "maxout": (200, 3, ((2, 2), (1,)), 5 * (4 * 200 + 2 * 200**2 + 3 * 200) + 201),
    # PacGAN stacked MNIST, a critic of a quarter of the generator's size
    "dcgan_generator": (
        *(8, 3, ((256,), (3, 28, 28))),
        257 * 1024 + 9 * (64 * 32 + 32 * 16 + 16 * 8 + 8 * 3) + 32 + 16 + 8 + 3 + 2 * 120,
    ),
    "dcgan_critic": (
        *(2, 3, ((6, 28, 28), (1,))),
        9 * (6 * 2 + 2 * 4 + 4 * 8) + 14 + 2 * 14 + 4 * 4 * 8 + 1,
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_sizes(name):
    width, depth, shapes, parameters = PUBLISHED[name]
    network = make(name, width=width, depth=depth, shapes=shapes)
    assert count(network) == parameters
    drawn = [p for p in network.parameters() if p.ndim > 1]
    weights = torch.cat([p.flatten() for p in drawn])
    # standard error of a standard deviation: 1 / sqrt(2 n); four of them
    assert weights.std().item() == pytest.approx(0.02, rel=4 / (2 * len(weights)) ** 0.5)
    assert abs(weights.mean().item()) < 4 * 0.02 / len(weights) ** 0.5
    rest = torch.cat([p.flatten() for p in network.parameters() if p.ndim == 1])
    assert set(rest.tolist()) <= {0.0, 1.0}  # biases; batch norm's scales


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_to_second_order(name):
    """A penalty differentiates the critic's input gradient; float64 against finite differences."""
    network = make(name, width=2, depth=1).double()
    with torch.no_grad():
        for parameter in network.parameters():  # .02 would leave differences of 1e-8 to compare
            parameter.copy_(torch.randn_like(parameter) / 2)
    x = torch.randn(3, *SHAPES[name][0], dtype=torch.float64, requires_grad=True)
    # along random directions: every entry of an image would take minutes
    assert torch.autograd.gradcheck(network, (x,), fast_mode=True)
    assert torch.autograd.gradgradcheck(network, (x,), fast_mode=True)


@pytest.mark.parametrize("name", FLAT)
def test_slope(name):
    """Below zero a leaky unit keeps a share of its input; maxout has no use for a slope."""
    x = torch.randn(64, *SHAPES[name][0])
    plain, leaky, linear = (make(name, slope=slope)(x) for slope in (0.0, 0.2, 1.0))
    assert torch.equal(plain, leaky) == (name == "maxout")
    if name == "mlp":  # slope 1: an affine map, so the middle of two points maps to the middle
        network = make(name, slope=1.0)
        middle = network((x[::2] + x[1::2]) / 2)
        # float32 sums of a few terms
        assert torch.allclose(middle, (linear[::2] + linear[1::2]) / 2, atol=1e-6)


def test_slope_of_convolutions():
    z, x = torch.randn(8, 5), torch.randn(8, 6, 8, 8)
    assert torch.equal(make("dcgan_generator", slope=0.3)(z), make("dcgan_generator")(z))
    assert not torch.equal(make("dcgan_critic", slope=0.3)(x), make("dcgan_critic")(x))


def test_maxout_is_the_largest_of_its_pieces():
    torch.manual_seed(1)
    layer = Maxout(3, 2, pieces=4)
    x = torch.randn(7, 3)
    weight, bias = layer.linear.weight.view(2, 4, 3), layer.linear.bias.view(2, 4)
    for row, outputs in zip(x.tolist(), layer(x).tolist(), strict=True):
        for unit, found in enumerate(outputs):
            pieces = [
                sum(w * a for w, a in zip(weight[unit, j].tolist(), row, strict=True))
                + bias[unit, j].item()
                for j in range(4)
            ]
            assert found == pytest.approx(max(pieces), abs=1e-6)  # float32 sums of 4 terms


def test_batch_norm_standardises_in_training_and_remembers():
    network = make("mlp_batch_norm", depth=1, width=3, shapes=((2,), (3,)))
    torch.nn.init.eye_(network.layers[-1].weight)
    x = torch.randn(500, 2)
    hidden = (x @ network.layers[0].weight.detach().T).double()
    out = network(x).detach().double()
    standard = (hidden - hidden.mean(0)) / hidden.std(0, correction=0)
    # eps = 1e-5 inside the root against variances of 1e-3
    assert torch.allclose(out, standard.clamp(min=0), atol=0.05)
    norm = network.layers[1]
    # Running statistics move by .05 a batch from mean 0 and variance 1; the variance is unbiased.
    assert torch.allclose(norm.running_mean.double(), 0.05 * hidden.mean(0), atol=1e-7)
    assert torch.allclose(norm.running_var.double(), 0.95 + 0.05 * hidden.var(0), atol=1e-6)


@pytest.mark.parametrize("name", ["mlp_batch_norm", *IMAGES])
def test_rows_depend_on_each_other_in_training_alone(name):
    network = make(name)
    x = torch.randn(6, *SHAPES[name][0])
    assert not torch.allclose(network(x)[:2], network(x[:2]))
    network.eval()
    assert torch.allclose(network(x)[:2], network(x[:2]), atol=1e-6)  # other blocks of a product


@pytest.mark.parametrize("name", NETWORKS)
def test_a_whole_step_can_be_traced(name):
    """One graph holds output, input gradient, penalty and the parameters' gradients."""
    network = make(name)
    parameters = {key: p.detach() for key, p in network.named_parameters()}
    buffers = {key: b.clone() for key, b in network.named_buffers()}

    def step(parameters, buffers, x):
        leaves = {key: p.detach().requires_grad_() for key, p in parameters.items()}
        x = x.detach().requires_grad_()
        with torch.enable_grad():
            out = functional_call(network, {**leaves, **buffers}, (x,))
            (slope,) = torch.autograd.grad(out.sum(), x, create_graph=True)
            loss = out.square().mean() + slope.square().mean()
            return torch.autograd.grad(loss, list(leaves.values()), allow_unused=True), buffers

    x, other = torch.randn(2, 5, *SHAPES[name][0])

    def fresh():
        return {key: b.clone() for key, b in buffers.items()}

    traced = make_fx(step)(parameters, fresh(), x)
    found, moved = traced(parameters, fresh(), other)
    expected, moved_eagerly = step(parameters, fresh(), other)
    for left, right in zip(found, expected, strict=True):
        assert (left is None) == (right is None)
        assert left is None or torch.equal(left, right)
    assert all(torch.equal(moved[key], moved_eagerly[key]) for key in buffers)
