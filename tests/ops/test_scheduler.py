"""The scheduler: closed forms of the chain, options, files and errors."""

import copy
import dataclasses
import json
import pickle

import pytest
import torch

from genbench import ops
from genbench.ops.scheduler import DDPMScheduler

SEED = torch.tensor([5])
KINDS = ("epsilon", "sample", "v_prediction")


def batch(*shape, dtype=torch.float64):
    return torch.randn(2, *shape, generator=torch.Generator().manual_seed(1)).to(dtype).unbind()


def bars(scheduler):
    """alpha_bar as the definition has it, without a table: prod (1 - beta)."""
    return torch.cumprod(1 - scheduler.config.betas(), 0)


@pytest.mark.parametrize("steps", [7, 50])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("variance", ["fixed_small", "fixed_large"])
def test_a_perfect_network_follows_the_posterior(steps, kind, variance):
    """q(x_s | x_t, x_0) by the product of two Gaussians, when the network knows x_0."""
    scheduler = DDPMScheduler(prediction_type=kind, variance_type=variance, clip_sample=False)
    scheduler.set_timesteps(steps)
    x_0, z = batch(4, 3)
    a = bars(scheduler)
    chain = scheduler.timesteps.tolist()
    for t, s in zip(chain, [*chain[1:], -1], strict=True):
        noise = torch.sin(7 * x_0)
        x_t = a[t].sqrt() * x_0 + (1 - a[t]).sqrt() * noise
        v = a[t].sqrt() * noise - (1 - a[t]).sqrt() * x_0
        output = {"epsilon": noise, "sample": x_0, "v_prediction": v}[kind]
        step = scheduler.step(output, t, x_t, noise=z)
        before = a[s] if s >= 0 else torch.tensor(1.0, dtype=torch.float64)
        # x_s | x_0 has variance p, x_t | x_s variance q and slope r: precisions add up
        p, q, r = 1 - before, 1 - a[t] / before, (a[t] / before).sqrt()
        mean = x_0 if s < 0 else (before.sqrt() * x_0 / p + r * x_t / q) / (1 / p + r**2 / q)
        spread = 0 if s < 0 else (q if variance == "fixed_large" else 1 / (1 / p + r**2 / q))
        wanted = mean + spread**0.5 * z
        # 1 / sqrt(alpha_bar) <= 160 of a dozen float64 roundings
        torch.testing.assert_close(step.prev_sample, wanted, rtol=0, atol=1e-12)
        torch.testing.assert_close(step.pred_original_sample, x_0, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_training_and_sampling_targets_belong_together(kind):
    """add_noise makes x_t of the noise, get_velocity v: a step from them finds x_0 again."""
    scheduler = DDPMScheduler(prediction_type=kind, clip_sample=False)
    x_0, noise = batch(5, 2, 2)
    t = torch.tensor([0, 10, 500, 998, 999])
    x_t = scheduler.add_noise(x_0, noise, t)
    v = scheduler.get_velocity(x_0, noise, t)
    output = {"epsilon": noise, "sample": x_0, "v_prediction": v}[kind]
    found = scheduler.step(output, t, x_t, seed=SEED).pred_original_sample
    torch.testing.assert_close(found, x_0, rtol=0, atol=1e-12)  # as above


def test_the_fields_have_places_too():
    scheduler, (x, output) = DDPMScheduler(), batch(4, 3)
    step = scheduler.step(output, 300, x, seed=SEED)
    previous, original = scheduler.step(output, 300, x, seed=SEED, return_dict=False)
    assert torch.equal(previous, step.prev_sample) and torch.equal(previous, step[0])
    assert torch.equal(original, step.pred_original_sample) and torch.equal(original, step[1])


def test_clipping_bounds_the_prediction_and_moves_the_step():
    x_t, output = batch(6, 2)
    plain, clipped = (DDPMScheduler(clip_sample=clip, clip_sample_range=0.5) for clip in (0, 1))
    free, held = (s.step(output, 700, x_t, seed=SEED) for s in (plain, clipped))
    assert free.pred_original_sample.abs().max() > 1
    assert torch.equal(held.pred_original_sample, free.pred_original_sample.clamp(-0.5, 0.5))
    known = DDPMScheduler(prediction_type="sample", clip_sample=False)
    wanted = known.step(held.pred_original_sample, 700, x_t, seed=SEED).prev_sample
    torch.testing.assert_close(held.prev_sample, wanted, rtol=1e-12, atol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_narrow_samples_keep_their_dtype(dtype):
    scheduler = DDPMScheduler(clip_sample=False)
    x_t, output = batch(4, 8)
    wanted = scheduler.step(output.to(dtype).double(), 999, x_t.to(dtype).double(), seed=SEED)
    found = scheduler.step(output.to(dtype), 999, x_t.to(dtype), seed=SEED)
    assert found.prev_sample.dtype == found.pred_original_sample.dtype == dtype
    # one rounding of the result, and float32 arithmetic before it
    torch.testing.assert_close(found.prev_sample, wanted.prev_sample.to(dtype))


def test_the_last_step_adds_no_noise():
    """Algorithm 2; with trailing timesteps it is not timestep 0."""
    scheduler = DDPMScheduler(timestep_spacing="trailing", variance_type="fixed_large")
    scheduler.set_timesteps(10)
    x, output = batch(4, 3)
    first, last = scheduler.timesteps[0], scheduler.timesteps[-1]
    assert last == 99
    bad = torch.full_like(x, torch.nan)
    step = scheduler.step(output, last, x, noise=bad)
    # x_0 itself: 1 - alpha_bar cancels none of float64's digits beyond these
    torch.testing.assert_close(step.prev_sample, step.pred_original_sample, rtol=0, atol=1e-13)
    assert scheduler.step(output, first, x, noise=bad).prev_sample.isnan().all()


def test_a_timestep_that_was_not_chosen_shows():
    scheduler, (x, output) = DDPMScheduler(), batch(4, 3)
    scheduler.set_timesteps(10)
    assert scheduler.step(output, 801, x).prev_sample.isnan().all()
    assert scheduler.step(output, 800, x).prev_sample.isfinite().all()
    assert scheduler.add_noise(x, output, 801).isfinite().all()  # training sees them all


def test_noise_repeats_and_comes_from_what_is_given(refuses):
    scheduler, (x, output) = DDPMScheduler(), batch(4, 3)

    def draw(**source):
        return scheduler.step(output, 500, x, **source).prev_sample

    assert torch.equal(draw(seed=SEED), draw(seed=SEED))
    again = (draw(generator=torch.Generator().manual_seed(2)) for _ in range(2))
    assert torch.equal(*again)
    assert not torch.equal(draw(), draw())
    sigma = (draw(noise=output + 1) - draw(noise=output)).mean()
    torch.testing.assert_close(
        draw(seed=SEED), draw(noise=0 * x) + sigma * ops.normal(x.shape, seed=SEED, dtype=x.dtype)
    )
    with refuses(ValueError, "noise and seed"):
        draw(noise=x, seed=SEED)


def test_derivatives_pass_through_a_step():
    scheduler = DDPMScheduler(clip_sample_range=10.0)
    x, output = (t.requires_grad_() for t in batch(2, 3))

    def step(output, x):
        return tuple(scheduler.step(output, 200, x, seed=SEED))

    assert torch.autograd.gradcheck(step, (output, x))


def test_copies_and_pickles_step_alike():
    scheduler, (x, output) = DDPMScheduler(beta_schedule="scaled_linear"), batch(4, 3)
    scheduler.set_timesteps(10)
    wanted = scheduler.step(output, 400, x, seed=SEED).prev_sample
    for twin in (copy.deepcopy(scheduler), pickle.loads(pickle.dumps(scheduler))):
        assert twin.config == scheduler.config and len(twin) == 1000
        assert torch.equal(twin.step(output, 400, x, seed=SEED).prev_sample, wanted)


def test_a_folder_keeps_the_options(tmp_path):
    betas = (0.1, 0.2, 0.3)
    scheduler = DDPMScheduler(num_train_timesteps=3, trained_betas=betas, clip_sample=False)
    scheduler.save_pretrained(tmp_path / "scheduler")
    for twin in (
        DDPMScheduler.from_pretrained(tmp_path / "scheduler"),
        DDPMScheduler.from_config(scheduler.config),
        DDPMScheduler.from_config(dataclasses.asdict(scheduler.config)),
    ):
        assert twin.config == scheduler.config
    torch.testing.assert_close(twin.alphas_cumprod, torch.tensor([0.9, 0.72, 0.504]))
    text = (tmp_path / "scheduler" / "scheduler_config.json").read_text()
    assert json.loads(text)["_class_name"] == "DDPMScheduler"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"beta_schedule": "sigmoid"}, ("beta_schedule", "squaredcos_cap_v2", "'sigmoid'")),
        ({"variance_type": "learned"}, ("variance_type", "fixed_large", "'learned'")),
        ({"prediction_type": "noise"}, ("prediction_type", "epsilon", "'noise'")),
        ({"timestep_spacing": "even"}, ("timestep_spacing", "trailing", "'even'")),
        ({"num_train_timesteps": 0}, ("num_train_timesteps", ">= 1", "0")),
        ({"trained_betas": (0.1,)}, ("trained_betas", "1000", "1")),
        ({"beta_start": 0.0}, ("betas", "(0, 1)", "0 to 0.02")),
        ({"beta_end": 1.0}, ("betas", "(0, 1)", "0.0001 to 1")),
        ({"beta_end": float("nan")}, ("betas", "(0, 1)", "nan")),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_unfit_options_are_refused(options, words, refuses):
    with refuses(ValueError, *words):
        DDPMScheduler(**options)


def test_unfit_arguments_are_refused(refuses):
    scheduler, (x, output) = DDPMScheduler(), batch(4, 3)
    for count in (0, 1001):
        with refuses(ValueError, "num_inference_steps", "[1, 1000]", str(count)):
            scheduler.set_timesteps(count)
    with refuses(ValueError, "steps_offset", "1000", "got 1"):
        DDPMScheduler(steps_offset=1).set_timesteps(1000)
    for t in (-1, 1000):
        with refuses(ValueError, "timestep", "[0, 1000)", str(t)):
            scheduler.step(output, t, x)
    for t in (1.5, True, None):
        with refuses(TypeError, "timestep", repr(t)):
            scheduler.step(output, t, x)  # pyright: ignore[reportArgumentType]
    with refuses(TypeError, "timestep", "int64", "float32"):
        scheduler.step(output, torch.tensor(3.0), x)
    with refuses(ValueError, "timestep", "(4,)", "(3,)"):
        scheduler.step(output, torch.tensor([1, 2, 3]), x)
    with refuses(ValueError, "model_output", "sample"):
        scheduler.step(output[:2], 3, x)
    with refuses(ValueError, "original_samples", "batch dimension"):
        scheduler.add_noise(x[0, 0], x[0, 0], 3)
    for name in ("thresholding", "rescale_betas_zero_snr"):
        with refuses(ValueError, name, "False", "True"):
            DDPMScheduler.from_config({name: True})
    with refuses(TypeError, "config", "mapping", "'folder'"):
        DDPMScheduler.from_config("folder")  # pyright: ignore[reportArgumentType]
    with refuses(TypeError, "options", "DDPMConfig", "beta_last, clip"):
        DDPMScheduler(clip=True, beta_last=0.1)
    with refuses(TypeError, "num_train_timesteps", "int", "'10'"):
        DDPMScheduler(num_train_timesteps="10")


def test_it_shows_its_options():
    scheduler = DDPMScheduler(beta_schedule="scaled_linear", trained_betas=None)
    assert repr(scheduler).startswith("DDPMScheduler(num_train_timesteps=1000, ")
    names = {"DDPMScheduler": DDPMScheduler}
    assert eval(repr(scheduler), names).config == scheduler.config


@pytest.mark.parametrize("written", [0, 1])
@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("clip", [False, True])
def test_original_samples_are_of_the_tensors_of_the_step(written, kind, clip):
    """A loop that keeps its samples in place must not read x_0 of the next ones."""
    scheduler = DDPMScheduler(prediction_type=kind, clip_sample=clip)
    tensors = batch(4, 3)
    wanted = scheduler.step(tensors[0], 300, tensors[1], seed=SEED).pred_original_sample.clone()
    step = scheduler.step(tensors[0], 300, tensors[1], seed=SEED)
    tensors[written].copy_(step.prev_sample)
    if kind == "epsilon" and not clip:
        with pytest.raises(RuntimeError, match="before sample or model_output is written to"):
            _ = step.pred_original_sample
    else:
        assert torch.equal(step.pred_original_sample, wanted)


@pytest.mark.parametrize("schedule", ["linear", "scaled_linear", "squaredcos_cap_v2", None])
def test_the_default_device_does_not_matter(schedule):
    options = {"trained_betas": (0.1, 0.2, 0.3), "num_train_timesteps": 3}
    options = options if schedule is None else {"beta_schedule": schedule}
    x, output = batch(4, 3)
    with torch.device("meta"):
        scheduler = DDPMScheduler(**options)
        scheduler.set_timesteps(3)
        found = scheduler.step(output, scheduler.timesteps[0], x, seed=SEED).prev_sample
    plain = DDPMScheduler(**options)
    plain.set_timesteps(3)
    assert torch.equal(found, plain.step(output, plain.timesteps[0], x, seed=SEED).prev_sample)
