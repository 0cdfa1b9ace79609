"""The scheduler beside diffusers' DDPMScheduler, step by step with the same noise."""

import pytest
import torch

from genbench.ops.scheduler import DDPMScheduler

# The scheduler's own module: the package would bring in transformers and more.
theirs_module = pytest.importorskip(
    "diffusers.schedulers.scheduling_ddpm", reason="diffusers is not installed"
)

OPTIONS = [
    {},
    {"variance_type": "fixed_large", "beta_schedule": "scaled_linear", "beta_end": 0.012},
    {"beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction"},
    {"prediction_type": "sample", "clip_sample_range": 0.3, "timestep_spacing": "trailing"},
    {"clip_sample": False, "timestep_spacing": "linspace", "prediction_type": "v_prediction"},
    {"clip_sample": False, "steps_offset": 1, "num_train_timesteps": 300},
    {"trained_betas": [0.1, 0.2, 0.3, 0.4], "num_train_timesteps": 4},
]
every_option = pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(options))


def pair(options):
    """Both schedulers of one configuration."""
    theirs = theirs_module.DDPMScheduler(**options)
    return DDPMScheduler.from_config(theirs.config), theirs


def exactly(theirs, ours):
    """diffusers' arithmetic on our float64 table: its own holds four digits of 1 - .9999."""
    theirs.alphas_cumprod = torch.cumprod(1 - ours.config.betas(), 0)
    theirs.one = torch.ones((), dtype=torch.float64)


def chain(ours, theirs, dtype, network):
    """Both samples after every step of a chain; each step starts from theirs."""
    x = torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(0)).to(dtype)
    assert torch.equal(ours.timesteps, theirs.timesteps)
    for t in ours.timesteps:
        output = network(x)
        noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(int(t)), dtype=dtype)
        found = ours.step(output, t, x, noise=noise)
        wanted = theirs.step(output, t, x, generator=torch.Generator().manual_seed(int(t)))
        yield found.prev_sample, wanted.prev_sample
        yield found.pred_original_sample, wanted.pred_original_sample
        x = wanted.prev_sample.to(dtype)


@every_option
@pytest.mark.parametrize("steps", [None, 4, 50])
def test_every_step_agrees_in_float64(options, steps):
    ours, theirs = pair(options)
    exactly(theirs, ours)
    if steps is not None:
        steps = min(steps, len(ours))
        ours.set_timesteps(steps)
        theirs.set_timesteps(steps)
    for found, wanted in chain(ours, theirs, torch.float64, torch.sin):
        # 1 / sqrt(alpha_bar) <= 2e4 (cosine) of float64 roundings; diffusers holds the last
        # variance at 1e-20 or more, where ours is 0
        torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-9)


@every_option
def test_every_step_agrees_in_float32(options):
    """With diffusers' own float32 table, of whose 1 - alpha the last digits are gone."""
    ours, theirs = pair(options)
    steps = min(25, len(ours))
    ours.set_timesteps(steps)
    theirs.set_timesteps(steps)
    torch.testing.assert_close(ours.betas, theirs.betas, rtol=1e-6, atol=1e-9)
    # a product of up to 1000 float32 factors
    torch.testing.assert_close(ours.alphas_cumprod, theirs.alphas_cumprod, rtol=1e-4, atol=1e-9)
    for found, wanted in chain(ours, theirs, torch.float32, torch.sin):
        # 2^-24 of 1 - alpha >= .01 over 40 timesteps; 3e-6 was the most
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


@every_option
def test_noise_and_velocity_agree(options):
    ours, theirs = pair(options)
    exactly(theirs, ours)
    x, noise = torch.randn(2, 4, 3, 2, dtype=torch.float64).unbind()
    t = torch.tensor([0, 1, 2, len(ours) - 1])
    for name in ("add_noise", "get_velocity"):
        found, wanted = (getattr(scheduler, name)(x, noise, t) for scheduler in (ours, theirs))
        torch.testing.assert_close(found, wanted, rtol=1e-14, atol=1e-14)


@every_option
@pytest.mark.parametrize("steps", [1, 3, 7, 19, 55, 200])
def test_the_timesteps_are_the_same(options, steps):
    ours, theirs = pair(options)
    steps = min(steps, len(ours))
    ours.set_timesteps(steps)
    theirs.set_timesteps(steps)
    assert torch.equal(ours.timesteps, theirs.timesteps)
    assert ours.num_inference_steps == theirs.num_inference_steps == steps


def test_folders_are_exchanged(tmp_path):
    ours, theirs = pair(OPTIONS[1])
    ours.save_pretrained(tmp_path / "ours")
    theirs.save_pretrained(tmp_path / "theirs")
    assert DDPMScheduler.from_pretrained(tmp_path / "theirs").config == ours.config
    read = theirs_module.DDPMScheduler.from_pretrained(str(tmp_path / "ours"))
    assert {name: read.config[name] for name in OPTIONS[1]} == OPTIONS[1]
    assert torch.equal(read.betas, theirs.betas)
