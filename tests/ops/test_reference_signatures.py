"""The public functions and their references: one list, one signature; contents never read."""

import inspect

import pytest
import torch
from torch import nn

from genbench import ops
from genbench.ops import reference
from genbench.ops.backend import OPERATIONS

# Other people's scripts rely on these names, orders and defaults.
SIGNATURES = {
    "reparameterize_kl": "(mu, logvar, *, eps=None, seed=None, generator=None)",
    "discriminator_bce": "(*, real, fake, real_target=1.0, fake_target=0.0, flip_probability=0.0,"
    " seed=None, generator=None)",
    "generator_bce": "(*, fake, saturating=False)",
    "interpolate": "(*, real, fake, alpha=None, seed=None, generator=None)",
    "gradient_norm_penalty": "(gradients, *, center=1.0, one_sided=False)",
    "gradient_penalty": "(critic, *, real=None, fake=None, alpha=None, center=1.0,"
    " one_sided=False, seed=None, generator=None)",
    "ddpm_add_noise": "(x0, alpha_bar, *, noise=None, seed=None, generator=None)",
    "ddpm_step": "(x_t, predicted_noise, *, alpha, alpha_bar, sigma, noise=None, seed=None,"
    " generator=None)",
    "uniform": "(shape, *, seed, stream=0, dtype=torch.float32)",
    "normal": "(shape, *, seed, stream=0, dtype=torch.float32)",
}


def bare(function):
    signature = inspect.signature(function)
    empty = inspect.Parameter.empty
    plain = [p.replace(annotation=empty) for p in signature.parameters.values()]
    return str(signature.replace(parameters=plain, return_annotation=empty))


@pytest.mark.parametrize("name", SIGNATURES)
def test_public_signatures_hold_and_references_share_them(name):
    public, twin = getattr(ops, name), getattr(reference, name)
    assert bare(public) == SIGNATURES[name]
    assert inspect.signature(public) == inspect.signature(twin)
    assert public is not twin


@pytest.mark.parametrize("name", SIGNATURES)
def test_every_argument_is_annotated_and_every_docstring_says_enough(name):
    public = getattr(ops, name)
    signature = inspect.signature(public)
    assert signature.return_annotation is not inspect.Signature.empty
    assert all(p.annotation is not p.empty for p in signature.parameters.values())
    for word in (*signature.parameters, "Source"):
        assert word in public.__doc__, word


def test_the_lists_are_whole():
    assert set(SIGNATURES) == set(reference.__all__) == set(OPERATIONS)
    others = {"backend", "fold_seed", "modules", "reference", "scheduler"}
    assert set(ops.__all__) == set(SIGNATURES) | others


def test_backend_switches_by_its_public_name():
    from genbench.ops.backend import active

    with ops.backend("reference"):
        assert active() == "reference"


def test_contents_are_never_read(api):
    """On the meta device nothing can be: a read of a value would raise."""
    meta = torch.device("meta")
    x = torch.empty(4, 3, 2, device=meta)
    row, seed = torch.empty(4, device=meta), torch.empty(2, dtype=torch.int64, device=meta)
    z, kl = api.reparameterize_kl(x, x, seed=seed)
    assert z.shape == x.shape and kl.shape == (4,)
    noisy = {"real_target": (0.7, 0.9), "fake_target": x, "flip_probability": 0.1}
    assert api.discriminator_bce(real=row, fake=x, **noisy, seed=seed).shape == ()
    assert api.generator_bce(fake=x).shape == ()
    assert api.interpolate(real=x, fake=x, alpha=row).shape == x.shape
    assert api.gradient_norm_penalty(x).shape == ()
    critic = nn.Sequential(nn.Flatten(), nn.Linear(6, 1)).to(meta)
    assert api.gradient_penalty(critic, real=x, fake=x, seed=seed).shape == ()
    x_t, noise = api.ddpm_add_noise(x, row, seed=seed)
    coefficients = {"alpha": row, "alpha_bar": torch.tensor(0.5), "sigma": row}
    assert api.ddpm_step(x_t, noise, **coefficients, seed=seed).shape == x.shape
