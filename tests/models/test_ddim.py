"""DDIM: DDPM's step at eta = 1, the flow of a Gaussian in closed form, there and back again."""

import math

import pytest
import torch
from exact_noise import ExactNoise
from invariants import check_invariants
from torch import nn

from genbench import create_model
from genbench.data import mixture
from genbench.errors import InputError
from genbench.metrics import mode_coverage
from genbench.models.diffusion.ddim import DDIM, Config
from genbench.ops.scheduler import DDPMScheduler
from genbench.protocol import Batch
from genbench.train.loop import global_seed


def exact(name, **config):
    """A DDIM that predicts the noise of a mixture exactly; data scaled to unit deviation."""
    data = mixture(name)
    c = Config(data_shape=(2,), **config)
    return DDIM(
        c, ExactNoise(data.means / data.scale, data.sigma / data.scale, c.alpha_bars())
    ), data


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def test_invariants():
    x = torch.randn(7, 2, generator=rng())
    check_invariants("ddim", x, width=8, depth=1, timesteps=10, steps=4, eta=0.5)


def test_invariants_of_pictures():
    x = torch.rand(5, 2, 4, 4, generator=rng()) * 2 - 1
    check_invariants("ddim", x, width=4, depth=1, timesteps=10, steps=3)


class Linear(nn.Module):
    """Some prediction, and what it was asked."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def forward(self, x, t):
        self.asked.append((x.clone(), int(t[0])))
        return 0.3 * x - 0.1


def test_eta_one_over_all_steps_is_ddpm():
    c = Config(data_shape=(2,), timesteps=12, steps=12, eta=1.0)
    network = Linear()
    x = DDIM(c, network).double().sample(500, rng())
    scheduler = DDPMScheduler.from_config(c.chain())  # its own formula of mean and variance
    for (x_t, t), (x_s, s) in zip(network.asked, [*network.asked[1:], (x, -1)], strict=True):
        assert s == t - 1
        noise = 0.3 * x_t - 0.1
        mean = scheduler.step(noise, t, x_t, noise=torch.zeros_like(x_t)).prev_sample
        one = scheduler.step(noise, t, x_t, noise=torch.ones_like(x_t)).prev_sample
        sigma = (one - mean)[0, 0].item()
        if t == 0:
            torch.testing.assert_close(x_s, mean)
        else:
            z = (x_s - mean) / sigma
            assert z.std().item() == pytest.approx(1, abs=0.1)  # 4.5 standard errors of 1000
            assert z.mean().item() == pytest.approx(0, abs=0.13)


@pytest.mark.parametrize("steps", [50, 200])
def test_a_gaussian_flows_as_its_variance_does(steps):
    """For N(0, s^2) the flow only scales: z = x sqrt(alpha_bar s^2 + 1 - alpha_bar) / s at T."""
    c, s = Config(data_shape=(1,), steps=steps), 0.4
    model = DDIM(c, ExactNoise(torch.zeros(1, 1), s, c.alpha_bars())).double()
    bar = c.alpha_bars()[-1].item()
    scale = math.sqrt(bar * s**2 + 1 - bar) / s
    x = torch.tensor([[-0.7], [0.1], [1.2]]).double()
    # Euler's steps: an error of first order in their number, .15 at 50
    bound = 7.5 / steps
    torch.testing.assert_close(model.encode(x), scale * x, rtol=bound, atol=0)
    torch.testing.assert_close(model.decode(scale * x), x, rtol=bound, atol=0)


def test_there_and_back_again_is_nearer_with_more_steps():
    errors = []
    for steps in (10, 50, 250):
        model, truth = exact("ring8", steps=steps)
        x = (truth.sample(200, rng()) / truth.scale).double()
        model = model.double()
        errors.append((model.decode(model.encode(x)) - x).square().mean().item())
    assert errors[0] > 2 * errors[1] > 8 * errors[2]


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_few_steps_of_exact_predictions_show_every_mode(eta):
    model, truth = exact("ring8", steps=50, eta=eta)
    found = mode_coverage(model.sample(1000, rng()) * truth.scale, truth)
    assert found.modes_held == 8 and found.high_quality > 0.9


def test_without_eta_a_sample_is_its_noise_decoded():
    model, _ = exact("ring8", steps=5)
    network = Linear()
    model = DDIM(model.config, network)
    x = model.sample(4, rng())
    z = network.asked[0][0]
    assert torch.equal(model.decode(z.flatten(1)), x)


def test_it_takes_a_ddpms_network():
    with global_seed(0):
        ddpm = create_model("ddpm", data_shape=(1, 4, 4), width=4, depth=1, timesteps=8)
    model = DDIM(Config(data_shape=(1, 4, 4), width=4, depth=1, timesteps=8, steps=4), ddpm.network)
    batch = Batch(x=torch.zeros(3, 1, 4, 4), seed=torch.tensor([1]))
    assert torch.equal(model.loss(batch, "model")["loss"], ddpm.loss(batch, "model")["loss"])
    own = create_model("ddim", data_shape=(1, 4, 4), width=4, depth=1, timesteps=8, steps=4)
    own.load_state_dict(ddpm.state_dict())
    assert torch.equal(own.sample(2, rng()), model.sample(2, rng()))


def test_samples_come_in_blocks_that_differ(monkeypatch):
    model, _ = exact("ring8", steps=3, eta=1.0)
    monkeypatch.setattr("genbench.models.diffusion.ddim.BLOCK_ENTRIES", 8)
    x = model.sample(10, rng())
    assert x.shape == (10, 2) and len(torch.unique(x, dim=0)) == 10


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"steps": 11}, "steps must be at most timesteps 10, got 11"),
        ({"eta": 1.5}, "eta must be a finite number of at least 0 and at most 1, got 1.5"),
    ],
)
def test_a_bad_config_is_refused(config, words):
    with pytest.raises(InputError, match=words):
        create_model("ddim", data_shape=(2,), timesteps=10, **config)
