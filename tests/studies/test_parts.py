"""The user's own functions: found by other processes, identified by their text, checked first."""

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


def test_identity_is_the_text():
    assert identity("least_squares") == "least_squares" and identity(None) is None
    assert identity(outer()) == identity(outer())
    assert identity(own_parts.linear_loss) != identity(own_parts.broken_loss)


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
    ],
)
def test_bad_networks_are_refused_before_anything_runs(networks, words):
    with pytest.raises(InputError, match=words):
        check_networks((2,), {"width": 8}, networks)


def test_good_networks_pass():
    check_networks((2,), {}, {"generator": own_parts.generator, "critic": own_parts.critic})
