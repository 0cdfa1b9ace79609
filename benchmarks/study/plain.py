"""A GAN's training loop as one writes it by hand: torch.nn, torch's losses, fused Adam.

Objectives as genbench names them, so that both can be compared on the same draws.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genbench.studies.protocols import PROTOCOLS

QUICK = PROTOCOLS["quick"]
OBJECTIVES = ("non_saturating", "wasserstein_gp", "non_saturating+r1+r2")


@dataclass
class Draws:
    """What one step consumes: real points, latents and mixing weights of the critic's turn; latents
    of the generator's."""

    real: Tensor  # [n, 2]
    critic_z: Tensor  # [n, latent]
    alpha: Tensor  # [n, 1]
    generator_z: Tensor  # [n, latent]


def network(inputs: int, outputs: int) -> nn.Sequential:
    """The stock MLP's layers, whose state_dict it can load."""
    config = QUICK.model
    sizes = [inputs] + [config["width"]] * config["depth"]
    layers: list[nn.Module] = []
    for rows, columns in pairwise(sizes):
        layers += [nn.Linear(rows, columns), nn.LeakyReLU(config["slope"])]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))


class PlainLoop:
    """One seed's training. compiled: networks and cross-entropy through torch.compile, as users do.

    torch.compile cannot differentiate twice, which penalties need: RuntimeError at the first step.
    """

    def __init__(self, objective: str, *, compiled: bool = False) -> None:
        config = QUICK.model
        self.objective, self.weight = objective, config["weight"]
        self.generator, self.critic = network(config["latent_dim"], 2), network(2, 1)
        adam: dict[str, Any] = {"lr": config["learning_rate"], "betas": config["betas"]}
        players = (self.critic, self.generator)
        self.optimizers = [torch.optim.Adam(p.parameters(), fused=True, **adam) for p in players]
        self.schedules = [
            torch.optim.lr_scheduler.CosineAnnealingLR(o, QUICK.steps) for o in self.optimizers
        ]
        wrap: Callable[[Any], Any] = torch.compile if compiled else lambda f: f
        self.g, self.d = wrap(self.generator), wrap(self.critic)
        self.bce = wrap(F.binary_cross_entropy_with_logits)

    def step(self, draws: Draws) -> tuple[Tensor, Tensor]:
        """One update of each player; the losses of both, 0-d."""
        with torch.no_grad():
            fake = self.g(draws.critic_z)
        critic = self._critic_loss(draws.real, fake, draws.alpha)
        self._update(0, critic)
        generator = self._generator_loss(self.d(self.g(draws.generator_z)))
        self._update(1, generator)
        return critic.detach(), generator.detach()

    def _update(self, player: int, loss: Tensor) -> None:
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizers[player].step()
        self.schedules[player].step()

    def _critic_loss(self, real: Tensor, fake: Tensor, alpha: Tensor) -> Tensor:
        if self.objective == "wasserstein_gp":
            mixed = (alpha * real + (1 - alpha) * fake).requires_grad_()
            norm = self._slope(mixed, self.d(mixed)).norm(2, dim=1)
            penalty = self.weight * ((norm - 1) ** 2).mean()
            return self.d(fake).mean() - self.d(real).mean() + penalty
        penalised = self.objective.endswith("+r1+r2")
        real, fake = real.requires_grad_(penalised), fake.requires_grad_(penalised)
        on_real, on_fake = self.d(real), self.d(fake)
        loss = self.bce(on_real, torch.ones_like(on_real))
        loss = loss + self.bce(on_fake, torch.zeros_like(on_fake))
        if penalised:
            for x, logits in ((real, on_real), (fake, on_fake)):
                loss = loss + self.weight / 2 * self._slope(x, logits).square().sum(1).mean()
        return loss

    def _slope(self, x: Tensor, logits: Tensor) -> Tensor:
        (slope,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
        return slope

    def _generator_loss(self, logits: Tensor) -> Tensor:
        if self.objective == "wasserstein_gp":
            return -logits.mean()
        return self.bce(logits, torch.ones_like(logits))


def drawing(means: Tensor, sigma: float) -> Callable[[], Draws]:
    """Draws from torch's global generator, as plain loops do. means [K, 2] float32."""
    n, latent = QUICK.batch_size, QUICK.model["latent_dim"]

    def draw() -> Draws:
        real = means[torch.randint(len(means), (n,))] + sigma * torch.randn(n, 2)
        return Draws(real, torch.randn(n, latent), torch.rand(n, 1), torch.randn(n, latent))

    return draw
