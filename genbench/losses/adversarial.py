"""An adversarial loss: one objective and any parts, named like "relativistic+r1+r2"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from genbench import ops
from genbench.losses import CATALOG
from genbench.losses.names import parse
from genbench.losses.objectives import Objective
from genbench.losses.parts import PARTS
from genbench.losses.penalties import CriticPoints, Penalty
from genbench.losses.remedies import Remedies

LABELS = 1  # the key of the labels' draws; the penalties draw from the seed itself


@dataclass(frozen=True)
class AdversarialLoss:
    """Callable with any critic: `loss(critic, real=, fake=, phase=, seed=)` -> terms.

    weights: gamma (r1, r2) or lambda (gp, gp_one_sided, dragan) by penalty. labels: targets of a
    labelled objective's critic, keywords of `ops.discriminator_bce`. remedies: what the loss asks
    of the model that trains, and cannot do itself: packing, clipping, noise, ... A graph that comes
    with fake stays in the critic's terms, for unrolling. A user's own callable of the same
    signature, returning a 0-d tensor or a dict that holds "loss", can stand in its place.
    """

    name: str
    objective: Objective
    penalties: Mapping[str, Penalty]
    weights: Mapping[str, float]
    labels: Mapping[str, Any] = field(default_factory=dict)
    remedies: Remedies = field(default_factory=Remedies)

    def __call__(
        self,
        critic: nn.Module | Callable[[Tensor], Tensor],
        *,
        real: Tensor,
        fake: Tensor,
        phase: str,
        seed: Tensor,
    ) -> dict[str, Tensor]:
        """Terms of `phase` ("critic" or "generator"); real, fake (n, *data_shape), seed (1,)."""
        if self.objective.paired and len(real) != len(fake):
            raise ValueError(
                f"{self.name} compares row by row: real and fake must have as many rows, "
                f"got {len(real)} and {len(fake)}"
            )
        if phase not in ("critic", "generator"):
            raise ValueError(f"phase must be critic or generator, got {phase!r}")
        if phase == "generator":
            real_logits = critic(real) if self.objective.paired else None
            return {"loss": self.objective.generator(real=real_logits, fake=critic(fake))}
        return self._critic_terms(critic, real, fake, seed)

    def _critic_terms(
        self, critic: nn.Module | Callable, real: Tensor, fake: Tensor, seed: Tensor
    ) -> dict[str, Tensor]:
        real = real.detach().requires_grad_(any(p.at_real for p in self.penalties.values()))
        if not fake.requires_grad:
            fake = fake.detach().requires_grad_(any(p.at_fake for p in self.penalties.values()))
        points = CriticPoints(critic, real, fake, critic(real), critic(fake), seed)
        labels = {**self.labels, "seed": ops.fold_seed(seed, LABELS)} if self.labels else {}
        loss = self.objective.critic(real=points.real_logits, fake=points.fake_logits, **labels)
        terms = {"objective": loss.detach()}
        for name, penalty in self.penalties.items():
            term = penalty.term(points, self.weights[name])
            terms[name] = term.detach()
            loss = loss + term
        return {"loss": loss, **terms}


def create_loss(name: str, *, weight: float = 0.1) -> AdversarialLoss:
    """The loss called `name`: an objective, then parts of PARTS, joined by "+".

    weight: gamma or lambda of the penalties without a strength of their own ("r1=10"). Raises
    InputError, in one line, for an unknown or misplaced name, a bad number or strength, a part
    named twice, and a combination that makes no sense.
    """
    recipe = parse(name)
    penalties = recipe.of_kind("penalty")
    labels: dict[str, Any] = {}
    for part, strength in recipe.of_kind("label").items():
        labels.update(PARTS[part].load()(strength))
    remedies: dict[str, Any] = {
        part.removesuffix("N"): True if strength is None else strength
        for part, strength in recipe.of_kind("remedy").items()
    }
    return AdversarialLoss(
        name,
        CATALOG[recipe.objective].load(),
        {part: PARTS[part].load() for part in penalties},
        {part: weight if own is None else own for part, own in penalties.items()},
        labels,
        Remedies(clip=recipe.clip, **remedies),
    )
