"""A user's module: a loss and networks that workers can import."""

import torch

from genbench import ops


def linear_loss(critic, *, real, fake, phase, seed):
    """Wasserstein with a one-sided penalty, written by hand."""
    if phase == "generator":
        return -critic(fake).mean()
    penalty = ops.gradient_penalty(critic, real=real, fake=fake, one_sided=True, seed=seed)
    return critic(fake).mean() - critic(real).mean() + 10 * penalty


def broken_loss(critic, *, real, fake, phase, seed):
    """Raises at the first call."""
    raise ValueError("no such luck")


def exploding_loss(critic, *, real, fake, phase, seed):
    """Not finite from the start."""
    return critic(fake).mean() * float("inf")


class LateCritic(torch.nn.Linear):
    """(n, 2) -> (n, 1); late_loss counts its updates here, where checkpoints keep them."""

    def __init__(self):
        super().__init__(2, 1)
        self.register_buffer("calls", torch.zeros(()))


def late_loss(critic, *, real, fake, phase, seed):
    """Its penalty is infinite at step 2."""
    critic.calls += phase == "critic"
    penalty = 0.1 / (critic.calls < 3)
    return {"loss": critic(fake).mean() + penalty, "penalty": penalty, "mean": critic(real).mean()}


def noisy_critic():
    """Draws from torch's global generator at every call."""
    return torch.nn.Sequential(
        torch.nn.Linear(2, 16), torch.nn.Dropout(0.3), torch.nn.Linear(16, 1)
    )


def generator():
    """(n, 2) -> (n, 2)."""
    return torch.nn.Sequential(torch.nn.Linear(2, 16), torch.nn.Tanh(), torch.nn.Linear(16, 2))


def critic():
    """(n, 2) -> (n, 1)."""
    return torch.nn.Sequential(torch.nn.Linear(2, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))


def ending_loss(critic, *, real, fake, phase, seed):
    """For LateCritic: its penalty is infinite from step 4 on where the first weight is positive."""
    critic.calls += phase == "critic"
    ends = (critic.calls > 4) & (critic.weight[0, 0] > 0)
    penalty = torch.where(ends, float("inf"), 0.0)
    objective = -critic(fake) if phase == "generator" else critic(fake) - critic(real)
    return {"loss": objective.mean() + penalty, "penalty": penalty}
