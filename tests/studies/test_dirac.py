"""DiracGAN: eigenvalues by hand against autograd and the training's losses; who converges.

Mescheder, Geiger, Nowozin 2018 (arXiv 1801.04406), sections 2 and 3; least squares, relativistic,
hinge, labels and unrolling by hand.
"""

from itertools import pairwise

import numpy as np
import pytest
import torch

from genbench.errors import InputError
from genbench.losses import CATALOG, PARTS, create_loss
from genbench.studies.dirac import NEEDS_MORE, jacobian, trajectory, vector_field

# l'(0) of the objectives whose Jacobian is [[0, l'], [-l', 0]]; the logistic function's slope
# enters cross-entropy and its pairing.
SLOPES = {
    "minimax": 0.5,
    "non_saturating": 0.5,
    "relativistic": 0.5,
    "wasserstein": 1.0,
    "hinge": 1.0,
}


def by_hand(objective):
    if objective == "least_squares":  # the critic's slope psi theta^2 vanishes to second order
        return np.array([[0.0, 1.0], [0.0, 0.0]])
    slope = SLOPES[objective]
    return np.array([[0.0, slope], [-slope, 0.0]])


def by_autograd(objective):
    """The Jacobian through the objective's two functions of logits alone."""
    losses = CATALOG[objective].load()

    def field(theta, psi):
        theta, psi = theta.clone().requires_grad_(), psi.clone().requires_grad_()
        logits = {"real": (0 * psi).reshape(1), "fake": (psi * theta).reshape(1)}
        (by_theta,) = torch.autograd.grad(losses.generator(**logits), theta, create_graph=True)
        (by_psi,) = torch.autograd.grad(losses.critic(**logits), psi, create_graph=True)
        return theta, psi, -by_theta, -by_psi

    theta, psi, *moves = field(*torch.zeros(2, dtype=torch.float64))
    rows = [
        torch.autograd.grad(move, [theta, psi], allow_unused=True, retain_graph=True)
        for move in moves
    ]
    return np.array([[0.0 if g is None else g.item() for g in row] for row in rows])


@pytest.mark.parametrize("objective", [*SLOPES, "least_squares"])
def test_eigenvalues_of_every_objective(objective):
    expected = by_hand(objective)
    # differences over 2e-5: their error is the third derivative times 1e-10
    assert np.allclose(jacobian(objective), expected, atol=1e-8)
    assert np.allclose(by_autograd(objective), expected, atol=1e-12)
    found = np.linalg.eigvals(jacobian(objective))
    if objective == "least_squares":
        assert np.allclose(jacobian(objective) @ jacobian(objective), 0, atol=1e-8)  # nilpotent
    else:
        assert np.allclose(sorted(found.imag), [-SLOPES[objective], SLOPES[objective]])
        assert np.allclose(found.real, 0, atol=1e-8)


@pytest.mark.parametrize("part", ["r1", "r2"])
@pytest.mark.parametrize("objective", SLOPES)
@pytest.mark.parametrize("share", [0.3, 1.0, 2.5])
def test_regularised_eigenvalues(objective, part, share):
    slope = SLOPES[objective]
    gamma = share * 2 * slope  # share 1 is the critical damping
    root = np.emath.sqrt(gamma**2 / 4 - slope**2)
    expected = np.array([-gamma / 2 + root, -gamma / 2 - root])
    found = np.linalg.eigvals(jacobian(f"{objective}+{part}={gamma}"))
    # at the critical damping the two meet, where they move by the root of the Jacobian's 1e-9
    assert np.allclose(np.sort_complex(found), np.sort_complex(expected), atol=1e-4)
    assert found.real.max() < 0


def test_both_penalties_add_up():
    assert np.allclose(jacobian("hinge+r1=.3+r2=.4"), [[0, 1], [-1, -0.7]], atol=1e-8)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # E n^2 of both noises times softplus'' = 1/4; the margins and means are linear there
        ("minimax+instance_noise=.8", [[0, 0.5], [-0.5, -0.32]]),
        ("relativistic+instance_noise=.8", [[0, 0.5], [-0.5, -0.32]]),
        ("least_squares+instance_noise=.8", [[0, 1], [0, -1.28]]),
        ("wasserstein+instance_noise=.8", [[0, 1], [-1, 0]]),
        # real logits are 0 whatever psi is: their target does not matter
        ("minimax+label_smoothing", [[0, 0.5], [-0.5, 0]]),
        ("least_squares+label_smoothing=.8", [[0, 1], [0, 0]]),
        # a slope that stays below 1 is not penalised
        ("non_saturating+gp_one_sided=10", [[0, 0.5], [-0.5, 0]]),
        # the generator sees the critic K steps of .1 ahead: -2 K .1 l'(0)^2
        ("minimax+unrolled1", [[-0.05, 0.5], [-0.5, 0]]),
        ("minimax+unrolled5", [[-0.25, 0.5], [-0.5, 0]]),
        ("hinge+unrolled3", [[-0.6, 1], [-1, 0]]),
    ],
)
def test_jacobians_of_remedies(name, expected):
    assert np.allclose(jacobian(name), expected, atol=1e-7)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # fake targets of mean .15 leave sigmoid(0) - .15, and turn least squares' zero into +.15
        ("minimax+noisy_labels", [[0, 0.5], [-0.35, 0]]),
        ("least_squares+noisy_labels", [[0, 1], [0.15, 0]]),
        ("non_saturating+flips=.2", [[0, 0.5], [-0.3, 0]]),
    ],
)
def test_jacobians_of_drawn_labels(name, expected):
    # 1,024 labels of deviation .4 at most: 4 standard errors of their mean
    assert np.allclose(jacobian(name), expected, atol=0.05)
    assert not np.allclose(jacobian(name), by_hand(name.split("+")[0]), atol=0.05)


@pytest.mark.parametrize("objective", SLOPES)
def test_discrete_steps_leave_the_equilibrium(objective):
    eta, slope, start = 0.1, SLOPES[objective], 1e-4
    unbounded = f"{objective}+gp_one_sided"  # flat near 0; without it wasserstein would be clipped
    path = trajectory(unbounded, steps=40, step_size=eta, start=(start, start), simultaneous=True)
    norms = np.linalg.norm(path, axis=1)
    radius = np.sqrt(1 + eta**2 * slope**2)
    assert radius > 1
    # the field is linear up to terms of the start's size, 1e-4
    assert np.allclose(norms[1:] / norms[:-1], radius, rtol=1e-5)
    matrix = np.eye(2) + eta * jacobian(objective)
    assert np.abs(np.linalg.eigvals(matrix)).max() == pytest.approx(radius, rel=1e-7)


@pytest.mark.parametrize("objective", SLOPES)
def test_alternating_steps_neither_leave_nor_arrive(objective):
    path = trajectory(f"{objective}+gp_one_sided", steps=300, step_size=0.1, start=(1e-2, 1e-2))
    norms = np.linalg.norm(path, axis=1)
    assert norms.max() < 1.2e-2 * 2**0.5 and norms.min() > 0.8e-2 * 2**0.5


@pytest.mark.parametrize("objective", SLOPES)
@pytest.mark.parametrize("part", ["r1", "r2"])
def test_zero_centred_penalties_converge(objective, part):
    path = trajectory(f"{objective}+{part}", steps=300, step_size=0.1, weight=1.0)
    assert np.linalg.norm(path[0]) > 1 and np.linalg.norm(path[-1]) < 1e-3


@pytest.mark.parametrize("name", ["wasserstein_gp", "hinge+gp", "minimax+dragan"])
def test_one_centred_penalties_do_not_converge(name):
    path = trajectory(name, steps=600, step_size=0.05, weight=1.0)
    late = np.linalg.norm(path[300:], axis=1)
    assert late.min() > 0.02 and np.isfinite(late).all()
    with pytest.raises(InputError, match=f"loss: '{name}' has no Jacobian at".replace("+", r"\+")):
        jacobian(name)


def test_least_squares_stops_where_the_critic_is_flat():
    # psi falls to 0 and takes the generator's slope with it: any theta is then at rest
    path = trajectory("least_squares", steps=400, step_size=0.1)
    assert abs(path[-1, 1]) < 1e-2 and abs(path[-1, 0]) > 0.5
    assert np.allclose(vector_field("least_squares", 1.7, 0.0), 0)


def test_clipping_keeps_the_critic_within_its_bound():
    path = trajectory("wasserstein=.3", steps=200, step_size=0.1)
    assert np.abs(path[1:, 1]).max() == pytest.approx(0.3)
    assert np.abs(path[-60:, 0]).max() > 0.1  # and goes on around the point


def test_unrolling_converges_where_plain_steps_do_not():
    plain, ahead = (
        trajectory(f"minimax{part}", steps=150, step_size=0.2, simultaneous=True)
        for part in ("", "+unrolled3")
    )
    assert np.linalg.norm(ahead[-1]) < 0.2 < np.linalg.norm(plain[0]) < np.linalg.norm(plain[-1])


def test_instance_noise_falls_along_the_steps():
    first, later = (
        trajectory("minimax+instance_noise=2", steps=n, step_size=0.1)[:11] for n in (10, 1000)
    )
    assert not np.allclose(first, later)
    assert np.allclose(first[1, 1], later[1, 1])  # the first step has the whole noise
    constant = vector_field("minimax+instance_noise=2", *later[0])[1]
    assert later[1, 1] == pytest.approx(1 + 0.1 * constant)


def test_more_critic_steps_are_more_critic_steps():
    path = trajectory("wasserstein+r1+critic4", steps=1, step_size=0.1, weight=1.0)
    theta, psi = 1.0, 1.0
    for _ in range(4):
        psi += 0.1 * (-theta - psi)
    assert np.allclose(path[1], [theta + 0.1 * psi, psi])


def test_simultaneous_steps_follow_the_field():
    path = trajectory("relativistic+r2", steps=5, step_size=0.1, weight=0.5, simultaneous=True)
    for here, there in pairwise(path):
        assert np.allclose(there, here + 0.1 * vector_field("relativistic+r2", *here, weight=0.5))


@pytest.mark.parametrize("objective", [*SLOPES, "least_squares"])
def test_the_field_has_the_games_symmetry(objective):
    theta, psi = np.meshgrid(np.linspace(-1, 1, 3), np.linspace(-1, 1, 3))
    field = vector_field(objective, theta, psi)
    assert field.shape == (3, 3, 2)
    # D(x) = psi x does not change when point and slope both change their sign
    assert np.allclose(field[::-1, ::-1], -field)


def test_a_callable_plays_too():
    def linear(critic, *, real, fake, phase, seed):
        loss = critic(fake).mean() - critic(real).mean()
        return loss if phase == "critic" else -loss

    assert np.allclose(jacobian(linear), by_hand("wasserstein"), atol=1e-8)


@pytest.mark.parametrize("part", PARTS)
def test_every_part_plays_or_says_why(part):
    name = f"minimax+{part[:-1] + '2' if part.endswith('N') else part}"
    if part not in NEEDS_MORE:
        assert np.isfinite(trajectory(name, steps=3, step_size=0.1)).all()
        return
    for loss in (name, create_loss(name)):  # it is a loss, but not on one parameter
        with pytest.raises(InputError, match="makes no sense on one parameter") as caught:
            trajectory(loss, steps=3, step_size=0.1)
        assert f"'{name}'" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["minimax+flips=.2", "hinge+r1=.3", "minimax+instance_noise"])
def test_a_loss_plays_as_its_name_does(name):
    assert np.array_equal(jacobian(create_loss(name)), jacobian(name))


@pytest.mark.parametrize("options", [{"steps": 0, "step_size": 0.1}, {"steps": 3, "step_size": 0}])
def test_bad_steps_are_refused(options):
    with pytest.raises(InputError, match="steps and step_size must be positive"):
        trajectory("minimax", **options)
