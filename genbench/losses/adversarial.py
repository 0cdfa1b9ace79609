"""An adversarial loss: one objective and any penalties, named like "relativistic+r1+r2"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from genbench.catalog import look_up, unknown_name
from genbench.errors import InputError
from genbench.losses import CATALOG, PENALTIES
from genbench.losses.objectives import Objective
from genbench.losses.penalties import CriticPoints, Penalty


@dataclass(frozen=True)
class AdversarialLoss:
    """Callable with any critic: `loss(critic, real=, fake=, phase=, seed=)` -> terms.

    weight: the penalties' gamma (r1, r2) or lambda (gp). A user's own callable of the same
    signature, returning a 0-d tensor or a dict that holds "loss", can stand in its place.
    """

    name: str
    objective: Objective
    penalties: Mapping[str, Penalty]
    weight: float

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
        fake = fake.detach().requires_grad_(any(p.at_fake for p in self.penalties.values()))
        points = CriticPoints(critic, real, fake, critic(real), critic(fake), seed)
        loss = self.objective.critic(real=points.real_logits, fake=points.fake_logits)
        terms = {"objective": loss.detach()}
        for name, penalty in self.penalties.items():
            term = penalty.term(points, self.weight)
            terms[name] = term.detach()
            loss = loss + term
        return {"loss": loss, **terms}


def create_loss(name: str, *, weight: float = 0.1) -> AdversarialLoss:
    """The loss called `name`: an objective, then penalties, joined by "+".

    weight: gamma of r1 and r2, lambda of the gradient penalty. Raises InputError for an unknown
    part, a penalty in the objective's place, a second objective or a penalty named twice.
    """
    first, *rest = str(name).split("+")
    if first in PENALTIES or not all([first, *rest]):
        raise InputError(
            f"losses: '{name}' must be an objective, then penalties, joined by '+': "
            f"{', '.join(CATALOG)}; {', '.join(PENALTIES)}"
        )
    entry = look_up(CATALOG, first, argument="losses")
    names = [*entry.preset.get("penalties", ()), *rest]
    for part in rest:
        if part in CATALOG:
            raise InputError(f"losses: '{name}' names two objectives, '{first}' and '{part}'")
        if part not in PENALTIES:
            raise unknown_name("losses", part, PENALTIES)
        if names.count(part) > 1:
            raise InputError(f"losses: '{name}' has the penalty '{part}' twice")
    penalties = {part: PENALTIES[part].load() for part in names}
    return AdversarialLoss(name, entry.load(), penalties, weight)
