"""The modules: each is its function, under copy, pickle, compilation and in a larger model."""

import copy
import inspect
import io
import pickle

import pytest
import torch
from torch import nn

from genbench import ops
from genbench.ops import modules

SEED = torch.tensor([11])
GENERATOR = torch.Generator().manual_seed(3)
X, Y = torch.randn(2, 6, 3, 2, generator=GENERATOR).unbind()
ROW = torch.rand(6, generator=GENERATOR)


class Critic(nn.Module):
    """Its gradient depends on its input: a constant one would hide where it was taken."""

    def forward(self, x):
        return (x**3).flatten(1).sum(1)


RANGES = {"real_target": (0.7, 0.9), "fake_target": 0.1, "flip_probability": 0.2}
STEP = {"alpha": ROW, "alpha_bar": ROW * 0.9, "sigma": ROW}
# module name -> its function, its options, the arguments of a call
TWINS = {
    "ReparameterizeKL": ("reparameterize_kl", {}, (X, Y), {"seed": SEED}),
    "DiscriminatorBCE": ("discriminator_bce", RANGES, (), {"real": X, "fake": Y, "seed": SEED}),
    "GeneratorBCE": ("generator_bce", {"saturating": True}, (), {"fake": X}),
    "Interpolate": ("interpolate", {}, (), {"real": X, "fake": Y, "seed": SEED}),
    "GradientNormPenalty": ("gradient_norm_penalty", {"center": 0.5, "one_sided": True}, (X,), {}),
    "GradientPenalty": (
        "gradient_penalty",
        {"center": 0.5, "one_sided": True},
        (Critic(),),
        {"real": X, "fake": Y, "seed": SEED},
    ),
    "DDPMAddNoise": ("ddpm_add_noise", {}, (X, ROW), {"seed": SEED}),
    "DDPMStep": ("ddpm_step", {}, (X, Y), STEP | {"seed": SEED}),
}
twins = pytest.mark.parametrize("name", TWINS)


def case(name):
    """The module, its call's arguments, and what its function gives for them."""
    function, options, args, kwargs = TWINS[name]
    wanted = getattr(ops, function)(*args, **kwargs, **options)
    return getattr(modules, name)(**options), args, kwargs, wanted


def same(found, wanted):
    if isinstance(wanted, tuple):
        assert len(found) == len(wanted)
        return all(map(same, found, wanted))
    return torch.equal(found, wanted)


def test_every_operation_has_its_module():
    drawn = {"uniform", "normal", "fold_seed", "backend", "reference", "modules", "scheduler"}
    assert set(TWINS) == set(modules.__all__)
    assert {twin[0] for twin in TWINS.values()} == set(ops.__all__) - drawn


@twins
def test_a_module_is_its_function(name):
    module, args, kwargs, wanted = case(name)
    assert same(module(*args, **kwargs), wanted)
    assert same(module.eval()(*args, **kwargs), wanted)


@twins
def test_options_and_call_make_up_the_signature(name):
    """No argument is lost, renamed or given another default."""
    function = inspect.signature(getattr(ops, TWINS[name][0])).parameters
    module = getattr(modules, name)
    given = inspect.signature(module).parameters if TWINS[name][1] else {}
    options, call = dict(given), dict(inspect.signature(module.forward).parameters)
    del call["self"]
    assert set(options).isdisjoint(call) and set(options) | set(call) == set(function)
    for key, parameter in (options | call).items():
        assert (parameter.default, parameter.kind) == (function[key].default, function[key].kind)


@twins
def test_copies_and_pickles_are_the_same_module(name):
    module, args, kwargs, wanted = case(name)
    saved = io.BytesIO()
    torch.save(module, saved)
    saved.seek(0)
    for twin in (
        copy.deepcopy(module),
        pickle.loads(pickle.dumps(module)),
        torch.load(saved, weights_only=False),
    ):
        assert repr(twin) == repr(module)
        assert same(twin(*args, **kwargs), wanted)


@twins
def test_modules_compile_whole(name):
    module, args, kwargs, wanted = case(name)
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(*args, **kwargs), wanted)


def test_repr_shows_the_options():
    assert repr(modules.ReparameterizeKL()) == "ReparameterizeKL()"
    loss = modules.DiscriminatorBCE(real_target=(0.7, 0.9))
    assert repr(loss) == (
        "DiscriminatorBCE(real_target=(0.7, 0.9), fake_target=0.0, flip_probability=0.0)"
    )


def test_a_larger_model_keeps_its_own_state_alone():
    class Gan(nn.Module):
        def __init__(self):
            super().__init__()
            self.critic = nn.Linear(6, 1)
            self.loss, self.penalty = modules.DiscriminatorBCE(), modules.GradientPenalty(center=0)

        def forward(self, real, fake):
            loss = self.loss(real=self.critic(real), fake=self.critic(fake))
            return loss + self.penalty(self.critic, real=real)

    gan, (real, fake) = Gan(), (X.flatten(1), Y.flatten(1))
    gan(real, fake).backward()
    assert list(gan.state_dict()) == ["critic.weight", "critic.bias"]
    assert gan.critic.weight.grad is not None and gan.critic.weight.grad.any()
    assert {type(m).__name__ for m in gan.modules()} >= {"DiscriminatorBCE", "GradientPenalty"}
    gan.half().to("meta")  # nothing else to move or to convert
    assert gan.loss.options["real_target"] == 1.0


def test_unfit_options_are_refused(refuses):
    with refuses(TypeError, "real_target", "number or (low, high)", "tensor"):
        modules.DiscriminatorBCE(real_target=ROW)  # pyright: ignore[reportArgumentType]
    with refuses(TypeError, "center"):
        modules.Interpolate(center=1)  # pyright: ignore[reportCallIssue]
    with refuses(ValueError, "flip_probability", "got 2"):
        modules.DiscriminatorBCE(flip_probability=2)(real=X, fake=X)
