"""The user's own functions: found by other processes, identified by their text, checked first."""

import functools
import re

import own_parts
import pytest
import torch

from genbench.errors import InputError
from genbench.studies.parts import check_networks, identity, name_losses, reference, resolve


def outer():
    def inner(critic, *, real, fake, phase, seed):
        return critic(fake).mean()

    return inner


def test_a_function_of_a_module_is_found_again():
    target = reference(own_parts.linear_loss)
    assert target == "own_parts:linear_loss"
    assert resolve(target) is own_parts.linear_loss


@pytest.mark.parametrize("function", [outer(), lambda: None], ids=["inner", "lambda"])
def test_others_are_not(function):
    assert reference(function) is None


SHARED = torch.nn.Linear(2, 2)


def scaled(factor, shift=0.0):
    def loss(critic, *, real, fake, phase, seed):
        return factor * critic(fake).mean() + shift

    return loss


class Scaled:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, critic, *, real, fake, phase, seed):
        return self.factor * critic(fake).mean()


def typed(text):
    """A function without a source file, as typed at a prompt."""
    names = {}
    exec(f"def loss(critic, *, real, fake, phase, seed):\n    return {text}", names)
    return names["loss"]


def by_class(factor):
    class Loss:
        strength = factor

        def __call__(self, critic, *, real, fake, phase, seed):
            return self.strength * critic(fake).mean()

    return Loss()


def by_base(factor):
    class Base:
        @staticmethod
        def scaled(value):
            return factor * value

    class Loss(Base):
        def __call__(self, critic, *, real, fake, phase, seed):
            return self.scaled(critic(fake).mean())

    return Loss()


def by_property(factor):
    class Loss:
        @property
        def strength(self):
            return factor

        def __call__(self, critic, *, real, fake, phase, seed):
            return self.strength * critic(fake).mean()

    return Loss()


def by_sign(factor):
    """Functions whose code differs in nothing but the order of their arguments."""

    def up(critic, *, real, fake, phase, seed):
        return critic(real).mean() - critic(fake).mean()

    def down(critic, *, fake, real, phase, seed):
        return critic(fake).mean() - critic(real).mean()

    return up if factor == 1 else down


def by_operation(factor):
    def plus(critic, *, real, fake, phase, seed):
        return critic(real).mean() + critic(fake).mean()

    def minus(critic, *, real, fake, phase, seed):
        return critic(real).mean() - critic(fake).mean()

    return plus if factor == 1 else minus


def with_default(factor):
    def loss(critic, *, real, fake, phase, seed, factor=factor):
        return factor * critic(fake).mean()

    return loss


@pytest.mark.parametrize(
    "make",
    [
        scaled,
        Scaled,
        by_class,
        by_base,
        by_property,
        by_sign,
        by_operation,
        with_default,
        lambda factor: functools.partial(scaled(1.0), factor),
        lambda factor: Scaled(factor).__call__,
        lambda factor: typed(f"{factor} * critic(fake).mean()"),
        lambda factor: scaled(torch.tensor(factor)),
        lambda factor: scaled({"weights": [factor, None, "x"]}),
        lambda factor: scaled(Scaled(factor)),
    ],
)
def test_identity_is_all_that_a_function_holds(make):
    assert identity("loss", make(1.0)) == identity("loss", make(1.0))
    assert identity("loss", make(1.0)) != identity("loss", make(2.0))


def test_the_order_of_a_set_does_not_matter():
    assert list({0, 8}) != list({8, 0})  # they fall into one place of eight
    assert identity("loss", scaled({0, 8})) == identity("loss", scaled({8, 0}))


def test_identity_of_names_and_nothing():
    assert identity("loss", "least_squares") == "least_squares"
    assert identity("critic", None) is None
    assert identity("loss", own_parts.linear_loss) != identity("loss", own_parts.broken_loss)


def test_what_has_no_lasting_text_is_refused():
    with pytest.raises(InputError, match="loss: holds a generator"):
        identity("loss", scaled(x for x in "ab"))


def test_losses_get_names():
    found = name_losses(["least_squares", own_parts.linear_loss])
    assert list(found) == ["least_squares", "linear_loss"]
    assert list(name_losses({"mine": outer(), "b": "least_squares"})) == ["mine", "b"]
    assert list(name_losses("hinge+r1".replace("hinge", "relativistic"))) == ["relativistic+r1"]


@pytest.mark.parametrize(
    ("losses", "words"),
    [
        ([], "at least one"),
        (["least_squares", "least_squares"], "named twice"),
        ([3], "expected a name or a callable, got int"),
        (["nothing"], "unknown name 'nothing'"),
        ({"mine": 5}, "expected a name or a callable, got int"),
        ({"mine": "nothing"}, "unknown name 'nothing'"),
    ],
)
def test_bad_losses_are_refused(losses, words):
    with pytest.raises(InputError, match=words):
        name_losses(losses)


@pytest.mark.parametrize(
    ("networks", "words"),
    [
        ({"generator": torch.nn.Linear(2, 2)}, "generator: must be a function that returns a new"),
        ({"critic": 3}, "critic: must be a function that returns a new network"),
        ({"generator": lambda: torch.nn.Linear(2, 3)}, r"generator: must map \(4, 2\) to \(4, 2\)"),
        ({"generator": lambda: torch.nn.Linear(5, 2)}, r"generator: does not take \(4, 2\)"),
        ({"critic": lambda: torch.nn.Linear(2, 7)}, r"critic: must map \(4, 2\) to \(4, 1\) or"),
        ({"generator": lambda: SHARED}, "the same weights twice"),
        ({"generator": lambda width: torch.nn.Linear(2, width)}, "needs no argument, it raised"),
        ({"generator": lambda: None}, "it returned NoneType"),
        ({"generator": torch.nn.Identity}, "generator: must have parameters"),
        ({"critic": lambda: torch.nn.LSTM(2, 1)}, "critic: must map .*, got tuple"),
        ({"generator": lambda: torch.nn.Sequential(torch.nn.BatchNorm2d(2))}, "does not take"),
    ],
)
def test_bad_networks_are_refused_before_anything_runs(networks, words):
    with pytest.raises(InputError, match=words):
        check_networks((2,), {"width": 8}, networks)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"schedule": "cosin"}, "schedule: unknown name 'cosin'"),
        ({"learning_rate": -1.0}, "learning_rate must be a finite number"),
        ({"learning_rate": "fast"}, "learning_rate must be a finite number"),
        ({"width": True}, "width must be a whole number"),
    ],
)
def test_bad_constants_are_refused_before_anything_runs(config, words):
    with pytest.raises(InputError, match=words):
        check_networks((2,), config, {})


def test_good_networks_pass():
    check_networks((2,), {}, {"generator": own_parts.generator, "critic": own_parts.critic})


@pytest.mark.parametrize(
    ("loss", "features"),
    [("hinge+packing3", 6), ("hinge+minibatch_std", 3), ("hinge+packing2+minibatch_std", 5)],
)
def test_a_critic_fits_what_the_loss_shows_it(loss, features):
    check_networks((2,), {"loss": loss}, {"critic": lambda: torch.nn.Linear(features, 1)})
    words = rf"critic: with {re.escape(loss)} it gets rows of shape \({features},\), made of points"
    with pytest.raises(InputError, match=words):
        check_networks((2,), {"loss": loss}, {"critic": own_parts.critic})
    wide = {"critic": lambda: torch.nn.Linear(features, 2)}
    with pytest.raises(InputError, match="critic: must map"):
        check_networks((2,), {"loss": loss}, wide)
