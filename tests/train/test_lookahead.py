"""Unrolled steps against a closed form, and against torch.optim's differentiable updates."""

from typing import Any

import pytest
import torch
from torch.func import functional_call

from genbench.protocol import Batch, OptimizerSpec
from genbench.train import compiled
from genbench.train.loop import Trainer

RATE, COUNT = 0.3, 4


class Constant:
    """One row of ones, again and again."""

    def __next__(self):
        return torch.ones(1, 1, dtype=torch.float64)

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


class Game(torch.nn.Module):
    """Critic psi (3,) and generator theta (3,): V = theta A psi - psi B psi / 2, ascended by psi.

    `value` may be replaced; `lookahead` is the generator's.
    """

    phases = ("critic", "generator")

    def __init__(self, optimizer, count=COUNT):
        super().__init__()
        rng = torch.Generator().manual_seed(0)
        draw = [torch.randn(3, 3, generator=rng, dtype=torch.float64) for _ in range(2)]
        self.a, self.b = draw[0].tolist(), (draw[1] @ draw[1].T / 3).tolist()
        self.critic = torch.nn.Parameter(torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64))
        self.generator = torch.nn.Parameter(torch.tensor([1.0, 2.0, -1.0], dtype=torch.float64))
        self.spec = optimizer
        self.seeds = []
        self.lookahead = {"generator": ("critic", count)} if count else {}

    def phase_parameters(self, phase):
        return [getattr(self, phase)]

    def optimizer(self, phase):
        return self.spec if phase == "critic" else OptimizerSpec("sgd", 0.1)

    def matrices(self):
        return [torch.tensor(rows, dtype=torch.float64) for rows in (self.a, self.b)]

    def value(self):
        a, b = self.matrices()
        return self.generator @ a @ self.critic - self.critic @ b @ self.critic / 2

    def loss(self, batch, phase):
        self.seeds.append(batch.seed)
        value = self.value() * batch.x.mean()
        return {"loss": -value if phase == "critic" else value}

    def after_update(self, phase):
        pass

    def sample(self, n, rng):
        return torch.zeros(n, 1)


class Curved(Game):
    """A value that no update is linear in, so that second derivatives matter."""

    def value(self):
        return super().value() + (self.generator * self.critic).sin().sum()


@pytest.fixture(params=["eager", "traced"])
def whole(request, monkeypatch):
    monkeypatch.setattr(compiled, "compile_graph", lambda graph, tensors: graph)
    return request.param == "traced"


def trained(model, whole, steps=3):
    trainer = Trainer(model, Constant(), steps=steps, seed=0, compiled=whole)
    for _ in range(steps):
        trainer.step()
    return model.critic.detach().clone(), model.generator.detach().clone()


def test_a_bilinear_game_against_its_closed_form(whole):
    # psi_{k+1} = psi_k + r (A' theta - B psi_k), so psi_K = M psi + N A' theta with M = (1 - rB)^K,
    # N = sum_j (1 - rB)^j r; the unrolled value's gradient by theta is A psi_K + A N (A' theta - B
    # psi_K): the second part is what plain training leaves out.
    model = Game(OptimizerSpec("sgd", RATE))
    a, b = model.matrices()
    psi, theta = model.critic.detach().clone(), model.generator.detach().clone()
    m = torch.eye(3, dtype=torch.float64) - RATE * b
    powers = [torch.linalg.matrix_power(m, j) for j in range(COUNT)]
    n = RATE * torch.stack(powers).sum(0)
    for _ in range(3):
        psi = psi + RATE * (a.T @ theta - b @ psi)
        ahead = torch.linalg.matrix_power(m, COUNT) @ psi + n @ a.T @ theta
        theta = theta - 0.1 * (a @ ahead + a @ n @ (a.T @ theta - b @ ahead))
    found = trained(model, whole)
    torch.testing.assert_close(found[0], psi, rtol=1e-12, atol=1e-12)  # float64
    torch.testing.assert_close(found[1], theta, rtol=1e-12, atol=1e-12)


OPTIMIZERS = {
    "adam": (torch.optim.Adam, {"betas": (0.5, 0.9)}),
    "sgd": (torch.optim.SGD, {"momentum": 0.8}),
    "rmsprop": (torch.optim.RMSprop, {"alpha": 0.9}),
}


def torchs_unrolling(model, name, steps):
    """The same training by torch.optim with differentiable=True, which moves non-leaf tensors."""
    kind, options = OPTIMIZERS[name]
    spec = OptimizerSpec(name, 0.05, options)
    reference = Curved(spec)
    memory = None
    for _ in range(steps):
        memory = differentiable_updates(reference, kind, spec, memory, 1, create_graph=False)
        with torch.no_grad():
            reference.critic.copy_(memory["critic"])
        ahead = differentiable_updates(reference, kind, spec, memory, COUNT, create_graph=True)
        named = {"critic": ahead["critic"], "generator": reference.generator}
        batch = Batch(x=torch.ones(1, 1, dtype=torch.float64), seed=torch.zeros(1))
        value = functional_call(Entry(reference), prefixed(named), (batch, "generator"))
        (slope,) = torch.autograd.grad(value, reference.generator)
        with torch.no_grad():
            reference.generator.sub_(0.1 * slope)
    return reference.critic.detach(), reference.generator.detach()


class Entry(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, batch, phase):
        return self.model.loss(batch, phase)["loss"]


def prefixed(named):
    return {f"model.{name}": value for name, value in named.items()}


def differentiable_updates(model, kind, spec, memory, count, *, create_graph):
    """{"critic": the critic after `count` updates, "state": torch's memory, ...}."""
    critic = model.critic.detach().clone().requires_grad_()
    moving = critic.clone()
    options = {"lr": spec.learning_rate, **spec.options, "differentiable": True}
    optimizer = kind([torch.nn.Parameter(critic.detach().clone())], **options)
    group = optimizer.param_groups[0]
    group["params"] = [moving]
    if memory is not None:
        copies = {k: v.detach().clone() for k, v in memory["state"].items()}
        optimizer.state[moving] = copies
    batch = Batch(x=torch.ones(1, 1, dtype=torch.float64), seed=torch.zeros(1))
    for _ in range(count):
        named = prefixed({"critic": moving, "generator": model.generator})
        loss = functional_call(Entry(model), named, (batch, "critic"))
        before = moving
        (moving.grad,) = torch.autograd.grad(loss, before, create_graph=create_graph)
        held = optimizer.state.pop(before, {})
        moving = before.clone()
        moving.grad = before.grad
        optimizer.state[moving] = held
        group["params"] = [moving]
        optimizer.step()
    state = {k: v for k, v in optimizer.state[moving].items() if v is not None}
    return {"critic": moving, "state": state}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_critics_own_optimizer_is_differentiated_through(name, whole):
    spec = OptimizerSpec(name, 0.05, OPTIMIZERS[name][1])
    wanted = torchs_unrolling(Curved(spec), name, 3)
    found = trained(Curved(spec), whole)
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=0)  # its bias corrections are float32
    plain = trained(Curved(spec, count=0), whole)
    assert (found[1] - plain[1]).abs().max() > 1e-3  # what is compared is not nothing


def test_a_lookahead_draws_anew_and_changes_nothing_but_its_players_loss(whole):
    model: Any = Game(OptimizerSpec("adam", 0.05))
    trainer = Trainer(model, Constant(), steps=3, seed=0)
    trainer.step()
    seeds = [int(seed) for seed in model.seeds]
    # the critic's turn, COUNT further updates, the generator's own turn
    assert len(set(seeds)) == len(seeds) == COUNT + 2
    counts = {int(held["step"]) for held in trainer.optimizers["critic"].state.values()}
    assert counts == {1}


def test_a_lookahead_leaves_assigned_buffers_alone():
    """A module that assigns its buffer: looks ahead are forgotten, the turn's own are kept."""

    class Counting(Game):
        def __init__(self):
            super().__init__(OptimizerSpec("sgd", 0.1), count=2)
            self.register_buffer("calls", torch.zeros(()))

        def value(self):
            self.calls = self.calls + 1
            return super().value()

    model: Any = Counting()
    Trainer(model, Constant(), steps=3, seed=0).step()
    assert model.calls == 2  # one a turn
