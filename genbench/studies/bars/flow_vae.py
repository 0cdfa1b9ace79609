"""Bars of `flow_vae`: determinants, and a posterior that a diagonal Gaussian cannot follow."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.func import jacrev, vmap

from genbench.models.variational.flow_vae import Config, FlowVAE
from genbench.studies.bars.bar import Bar, at_most
from genbench.studies.bars.lab import Lab
from genbench.studies.cells import derived_seed
from genbench.train.loop import Trainer, global_seed

FLOWS, STEPS, BATCH = 16, 2000, 256
STD, REACH, POINTS = 0.2, 5.0, 2001  # of the likelihood; of the quadrature's square
DRAWS = 20000


class Banana(nn.Module):
    """A fixed decoder of two latents: x = z_2 + z_1^2, plus noise; at x = 0 z lies on a bow."""

    def forward(self, z: Tensor) -> Tensor:
        """z (n, 2) -> (n, 1, 1)."""
        return (z[:, 1] + z[:, 0].square())[:, None, None]


class Zeros:
    """Endless batches of x = 0."""

    def __next__(self) -> Tensor:
        return torch.zeros(BATCH, 1)

    def state_dict(self) -> dict[str, int]:
        """Every batch is the same."""
        return {}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Nothing to go back to."""


def bars(lab: Lab) -> Iterator[Bar]:
    """Log-determinants, then KL(q, p) of flows beside the diagonal Gaussian's."""
    exact = log_evidence()
    flows = {seed: fitted(lab, seed, FLOWS) for seed in lab.seeds}
    errors = [determinant_error(model, lab.rng(seed, "z")) for seed, model in flows.items()]
    yield at_most("log-determinant of all flows, float64", errors, 1e-5)
    shares, plain = [], []
    for seed, model in flows.items():
        plain.append(divergence(fitted(lab, seed, 0), exact, lab.rng(seed, "plain")))
        shares.append(divergence(model, exact, lab.rng(seed, "flows")) / plain[-1])
    yield at_most(
        "KL(q, p) over the diagonal Gaussian's, on a bow",
        shares,
        0.5,
        diagonal_nats=sum(plain) / len(plain),
    )


def fitted(lab: Lab, seed: int, flows: int) -> FlowVAE:
    """The posterior of x = 0, trained by the bound, in float64."""
    config = Config((1,), latent_dim=2, flows=flows, depth=0, std=STD, learning_rate=1e-2)
    with global_seed(derived_seed(seed, "weights")):
        model = FlowVAE(config, decoder=Banana())
    steps = lab.steps(STEPS)
    trainer = Trainer(model, Zeros(), steps=steps, seed=derived_seed(seed, "noise"))
    lab.say(f"flow_vae of {flows} flows, seed {seed}: {steps} steps")
    for _ in range(steps):
        trainer.step()
    return model.eval().double()


def log_evidence() -> float:
    """ln p(x = 0), by quadrature over the plane: smooth and 0 at the ends, so that sums converge
    faster than any power of the step."""
    line = torch.linspace(-REACH, REACH, POINTS, dtype=torch.float64)
    z = torch.cartesian_prod(line, line)
    x = Banana()(z)[:, 0, 0]
    log_joint = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1)
    log_joint = log_joint + torch.distributions.Normal(0.0, STD).log_prob(x)
    step = 2 * REACH / (POINTS - 1)
    return (torch.logsumexp(log_joint, 0) + 2 * torch.tensor(step).double().log()).item()


def divergence(model: FlowVAE, exact: float, rng: torch.Generator) -> float:
    """KL(q(z | x) || p(z | x)) at x = 0: what the ELBO lacks of ln p(x), nats."""
    x = torch.zeros(DRAWS, 1, dtype=torch.float64)
    return exact - model.elbo(x, rng).mean().item()


def determinant_error(model: FlowVAE, rng: torch.Generator) -> float:
    """The largest difference from the Jacobian's over 200 z_0, all flows in a row."""
    z = torch.randn(200, 2, generator=rng, dtype=torch.float64)
    numbers = model.flow_numbers(torch.zeros(200, 1, dtype=torch.float64)).detach()

    def whole(z: Tensor, one: Tensor) -> Tensor:
        return model.flow(z[None], one[None])[0][0]

    _, exact = torch.linalg.slogdet(vmap(jacrev(whole))(z, numbers))
    return (model.flow(z, numbers)[1] - exact).abs().max().item()
