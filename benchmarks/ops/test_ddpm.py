"""ddpm_step and ddpm_add_noise on samples of 256 numbers, beside diffusers. Ho 2020, 2006.11239."""

import torch

from benchmarks.operation import BOTH, FORWARD, Noise, Operation

SAMPLE = 256
TIME = 500  # the step that is taken
# The paper's linear schedule, section 4.
ALPHAS = 1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
ALPHA_BARS = ALPHAS.cumprod(0)
ALPHA, ALPHA_BAR = float(ALPHAS[TIME]), float(ALPHA_BARS[TIME])
# The variance of q(x_{t-1} | x_t, x_0), the paper's second choice and diffusers' own.
SIGMA = float(((1 - ALPHA_BARS[TIME - 1]) / (1 - ALPHA_BARS[TIME]) * (1 - ALPHAS[TIME])) ** 0.5)
SCALE, WEIGHT = ALPHA**-0.5, (1 - ALPHA) / (1 - ALPHA_BAR) ** 0.5


def samples(elements, generator):
    return torch.randn(elements // SAMPLE, SAMPLE, generator=generator)


def times(count):
    """A timestep for each sample, spread over the schedule."""
    return torch.arange(count) * 379 % 1000


def step(x_t, predicted, noise=None):
    z = torch.randn_like(x_t) if noise is None else noise
    return ((x_t * SCALE).add_(predicted, alpha=-SCALE * WEIGHT).add_(z, alpha=SIGMA),)


def add_noise(x0, alpha_bar, noise=None):
    z = torch.randn_like(x0) if noise is None else noise
    signal, rest = alpha_bar.sqrt()[:, None], (1 - alpha_bar).sqrt()[:, None]
    return torch.addcmul(signal * x0, rest, z), z


def scheduler():
    from diffusers.schedulers.scheduling_ddpm import (  # pyright: ignore[reportMissingImports]
        DDPMScheduler,
    )

    scheduler = DDPMScheduler(num_train_timesteps=1000, clip_sample=False)
    scheduler.set_timesteps(1000)
    return scheduler


def diffusers_step():
    take = scheduler().step
    return lambda x_t, predicted: take(predicted, TIME, x_t, return_dict=False)[:1]


def diffusers_add_noise():
    add = scheduler().add_noise

    def function(x0, alpha_bar):
        noise = torch.randn_like(x0)
        return add(x0, noise, chosen(x0)), noise

    timesteps = {}

    def chosen(x0):
        """Made once: in training the loop has them already."""
        if len(x0) not in timesteps:
            timesteps[len(x0)] = times(len(x0)).to(x0.device)
        return timesteps[len(x0)]

    return function


OPERATIONS = [
    Operation(
        name="ddpm_step",
        floors={FORWARD: 12, BOTH: 24},  # x_t, predicted, x_{t-1}; its gradient, and two
        inputs=lambda elements, g: (samples(elements, g), samples(elements, g)),
        forms={"add_": step},
        seeded=lambda function, x_t, predicted, seed: (
            function(x_t, predicted, alpha=ALPHA, alpha_bar=ALPHA_BAR, sigma=SIGMA, seed=seed),
        ),
        differentiable=2,
        noise=Noise(
            law="normal",
            shape=lambda x_t, predicted: x_t.shape,
            solve=lambda outputs, x_t, predicted: (
                (outputs[0] - SCALE * (x_t - WEIGHT * predicted)) / SIGMA
            ),
        ),
        rivals={"diffusers": diffusers_step},
        directions=(FORWARD,),  # sampling takes no gradient
        large=True,
    ),
    Operation(
        name="ddpm_add_noise",
        floors={FORWARD: 12, BOTH: 20},  # x0, noise, x_t; its gradient, and that of x0
        inputs=lambda elements, g: (
            samples(elements, g),
            ALPHA_BARS[times(elements // SAMPLE)].float(),
        ),
        forms={"addcmul": add_noise},
        seeded=lambda function, x0, alpha_bar, seed: function(x0, alpha_bar, seed=seed),
        differentiable=1,
        noise=Noise(
            law="normal",
            shape=lambda x0, alpha_bar: x0.shape,
            solve=lambda outputs, x0, alpha_bar: outputs[1],
        ),
        rivals={"diffusers": diffusers_add_noise},
        directions=(FORWARD,),  # data takes no gradient
    ),
]


def test_ddpm(row):
    row()
