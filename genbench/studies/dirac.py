"""DiracGAN: one point against one parameter. Mescheder, Geiger, Nowozin 2018, arXiv 1801.04406.

The data are the point 0, the generator is a point theta, the critic D(x) = psi x (definition 2.1).
The losses are those that training calls; only players and optimiser (gradient descent) are smaller.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genbench import ops
from genbench.errors import InputError
from genbench.losses import create_loss
from genbench.losses.remedies import Remedies

Loss = str | Callable[..., Any]

# Why one parameter and one point are not enough for these parts.
NEEDS_MORE = {
    "spectral_norm": "it fixes |psi| to 1, which leaves nothing to learn",
    "minibatch_std": "a single point has no spread",
    "packingN": "psi would be N parameters",
    "dropout": "the generator has no hidden units",
    "uniform_latent": "the generator has no latents",
}
LABEL_ROWS = 1024  # copies of the point with a label each: their mean errs by a hundredth at most
NOISE_ROWS = 16  # quantiles of the instance noise; all pairs of real and generated ones are rows


def trajectory(
    loss: Loss,
    *,
    steps: int,
    step_size: float,
    weight: float = 0.1,
    start: tuple[float, float] = (1.0, 1.0),
    simultaneous: bool = False,
) -> np.ndarray:
    """(theta, psi) before the first and after every step of gradient descent: (steps + 1, 2).

    loss: a name, or a callable as in a study. The critic moves first, as often as the name says
    ("+critic5"); simultaneous: the generator answers the critic from before its move. Clipping
    follows the critic's updates, instance noise falls to 0 along the steps, as in training.
    weight: of penalties without a strength. Raises InputError for a bad name, for a part that
    needs more than one parameter, and for steps or step_size that are not positive.
    """
    if steps < 1 or not step_size > 0:
        raise InputError(f"steps and step_size must be positive, got {steps} and {step_size}")
    game = _Game(loss, weight, step_size)
    theta, psi = start
    path = [(theta, psi)]
    for index in range(steps):
        seed = torch.tensor([index])
        done, seen = index / steps, psi
        for turn in range(game.remedies.critic or 1):
            psi += step_size * game.field(theta, psi, "critic", ops.fold_seed(seed, turn), done)
            psi = game.clipped(psi)
        seen = seen if simultaneous else psi
        theta += step_size * game.field(theta, seen, "generator", seed, done)
        path.append((theta, psi))
    return np.array(path)


def vector_field(
    loss: Loss,
    theta: np.ndarray | float,
    psi: np.ndarray | float,
    weight: float = 0.1,
    *,
    step_size: float = 0.1,
) -> np.ndarray:
    """The direction in which both players move, (-dL_G/dtheta, -dL_D/dpsi): (*shape, 2).

    theta, psi: of one shape that broadcasts. step_size: of the critic's updates that "+unrolledN"
    looks ahead; else unused. Clipping does not enter; instance noise has its first deviation.
    """
    game, seed = _Game(loss, weight, step_size), torch.tensor([0])
    pairs = np.broadcast(theta, psi)
    field = [
        [game.field(float(t), float(p), phase, seed) for phase in ("generator", "critic")]
        for t, p in pairs
    ]
    return np.array(field).reshape(*pairs.shape, 2)


def jacobian(loss: Loss, weight: float = 0.1, *, step_size: float = 0.1) -> np.ndarray:
    """The derivative of `vector_field` at its equilibrium (0, 0) by (theta, psi): (2, 2).

    Eigenvalues with negative real parts: it is stable; of the discrete steps, simultaneous ones,
    the matrix is 1 + step_size * jacobian. By central differences, as a critic's loss is cut off
    from theta. Raises InputError where the field has a jump there, as WGAN-GP's.
    """
    # float64 rounding / h and the third derivative * h^2 stay below 1e-9
    fine, coarse = (_differences(loss, weight, step_size, h) for h in (1e-5, 2e-5))
    if not np.allclose(fine, coarse, rtol=1e-4, atol=1e-6):
        name = getattr(loss, "__name__", loss)
        raise InputError(f"loss: '{name}' has no Jacobian at (0, 0), its field jumps there")
    return fine


def _differences(loss: Loss, weight: float, step_size: float, h: float) -> np.ndarray:
    theta, psi = np.array([h, -h, 0, 0]), np.array([0, 0, h, -h])
    field = vector_field(loss, theta, psi, weight, step_size=step_size)  # (4, 2)
    return np.stack([field[0] - field[1], field[2] - field[3]], axis=1) / (2 * h)


class _Game:
    """Both players' losses as functions of two numbers, float64."""

    def __init__(self, loss: Loss, weight: float, step_size: float) -> None:
        loss = create_loss(loss, weight=weight) if isinstance(loss, str) else loss
        remedies = getattr(loss, "remedies", None) or Remedies()
        for part, reason in NEEDS_MORE.items():
            field = part.removesuffix("N")
            if getattr(remedies, field) != getattr(Remedies(), field):
                name = getattr(loss, "name", part)
                raise InputError(
                    f"loss: '{name}' makes no sense on one parameter: '{part}', {reason}"
                )
        self.loss: Callable[..., Any] = loss
        self.remedies: Remedies = remedies
        self.step_size = step_size
        noise = _quantiles(NOISE_ROWS) if self.remedies.instance_noise else torch.zeros(1, 1)
        drawn = bool(getattr(loss, "labels", None))
        rows = LABEL_ROWS // len(noise) ** 2 if drawn else 1
        # every real noise with every fake one, so that paired losses see independent rows
        self.real_noise = noise.repeat_interleave(len(noise), 0).repeat(rows, 1).double()
        self.fake_noise = noise.repeat(len(noise) * rows, 1).double()

    def clipped(self, psi: float) -> float:
        """psi as `after_update` leaves it."""
        clip = self.remedies.clip
        return psi if clip is None else min(max(psi, -clip), clip)

    def field(self, theta: float, psi: float, phase: str, seed: Tensor, done: float = 0.0) -> float:
        """Minus the derivative of one player's loss by its own parameter."""
        numbers = torch.tensor([theta, psi], dtype=torch.float64).requires_grad_()
        point, slope = numbers.unbind()
        if phase == "critic":
            return -self._by(slope, point, slope, phase, seed, done).item()
        ahead = slope
        for turn in range(self.remedies.unrolled):
            key = ops.fold_seed(seed, 1 + turn)
            ahead = ahead - self.step_size * self._by(ahead, point, ahead, "critic", key, done)
        return -self._by(point, point, ahead, phase, seed, done).item()

    def _by(
        self, parameter: Tensor, point: Tensor, slope: Tensor, phase: str, seed: Tensor, done: float
    ) -> Tensor:
        """The derivative (0-d) of one player's loss by `parameter`, with a graph for unrolling."""
        std = self.remedies.instance_noise * (1 - done)
        terms = self.loss(
            lambda x: slope * x,  # (rows, 1) -> (rows, 1)
            real=std * self.real_noise,
            fake=point + std * self.fake_noise,
            phase=phase,
            seed=seed,
        )
        loss = terms["loss"] if isinstance(terms, dict) else terms
        return torch.autograd.grad(loss, parameter, create_graph=self.remedies.unrolled > 0)[0]


def _quantiles(count: int) -> Tensor:
    """(count, 1): quantiles of the standard normal, spread to variance 1 exactly."""
    ranks = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    quantiles = torch.special.ndtri(ranks)
    return (quantiles / quantiles.square().mean().sqrt())[:, None]
