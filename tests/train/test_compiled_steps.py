"""The compiled step against the eager one: values, state, resumption, divergence, what it refuses.

Most tests run the traced graph by torch itself: all but the compiler's own part, in milliseconds.
"""

import copy
from typing import Any, cast

import numpy as np
import pytest
import torch

from genbench import create_model
from genbench.data import Stream, mixture
from genbench.errors import InputError
from genbench.protocol import OptimizerSpec
from genbench.train import compiled, graphs
from genbench.train.compiled import row_of, traceable
from genbench.train.graphs import Untraceable, compile_graph, compiler_found, graph_key, trace
from genbench.train.loop import Diverged, Trainer, global_seed
from genbench.train.step import Step

needs_compiler = pytest.mark.skipif(not compiler_found(), reason="no C++ compiler")
STEPS = 6


@pytest.fixture
def by_torch(monkeypatch):
    """Graphs run as they were traced, each operation by torch."""
    monkeypatch.setattr(compiled, "compile_graph", lambda graph, tensors: graph)


def new_trainer(whole, *, batch=9, dtype=torch.float64, optimizer=None, steps=STEPS, **config):
    ring = mixture("ring8")
    with global_seed(1):
        model: Any = create_model("gan", data_shape=(2,), **{"width": 8, "depth": 2, **config})
    model.to(dtype=dtype)
    if optimizer is not None:
        model.optimizer = lambda phase: optimizer
    stream = Stream(ring.sample, batch_size=batch, seed=2, scale=ring.scale, dtype=dtype)
    return Trainer(model, stream, steps=steps, seed=3, compiled=whole)


def normalised():
    return torch.nn.Sequential(
        torch.nn.Linear(2, 8),
        torch.nn.BatchNorm1d(8),
        torch.nn.LeakyReLU(0.2),
        torch.nn.Linear(8, 2),
    )


def spectral():
    norm = torch.nn.utils.parametrizations.spectral_norm
    return torch.nn.Sequential(
        norm(torch.nn.Linear(2, 8)), torch.nn.ReLU(), norm(torch.nn.Linear(8, 1))
    )


def flat(value):
    """Every number of a state, in order."""
    if isinstance(value, torch.Tensor):
        return value.detach().double().flatten().tolist()
    if isinstance(value, dict):
        return [x for key in value if key != "param_groups" for x in flat(value[key])]
    return [value] if isinstance(value, int | float) else []


CASES = {
    "plain": {"loss": "non_saturating"},
    "critic steps, penalty": {"loss": "wasserstein_gp", "critic_steps": 3},
    "penalties, pairs": {"loss": "relativistic+r1+r2", "batch": 1},
    "buffers": {"loss": "least_squares", "generator": normalised, "critic": spectral},
    "rmsprop": {"optimizer": OptimizerSpec("rmsprop", 0.01, {"momentum": 0.5}, "cosine")},
    "sgd": {"optimizer": OptimizerSpec("sgd", 0.1, {"momentum": 0.9, "dampening": 0.3})},
    "plain sgd": {"optimizer": OptimizerSpec("sgd", 0.1)},
}


def assert_close(found, wanted, bound=1e-9):
    # float64: rounding in another order, enlarged by the root of small gradients in Adam
    np.testing.assert_allclose(flat(found), flat(wanted), rtol=bound, atol=bound)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_it_computes_what_the_eager_step_does(case, by_torch):
    eager, whole = new_trainer(False, **case), new_trainer(True, **case)
    for _ in range(STEPS):
        wanted, found = eager.step(), whole.step()
        assert list(found) == list(wanted)
        assert_close(found, wanted)
    assert_close(whole.state_dict(), eager.state_dict())


@pytest.mark.parametrize("name", ["critic steps, penalty", "buffers", "sgd", "plain sgd"])
def test_each_loads_the_others_state(name, by_torch):
    case = CASES[name]
    whole = new_trainer(True, **case)
    whole.step()
    middle = copy.deepcopy(whole.state_dict())
    while whole.step_index < STEPS:
        whole.step()
    for resumed_whole in (False, True):
        resumed = new_trainer(resumed_whole, **case)
        resumed.load_state_dict(copy.deepcopy(middle))
        while resumed.step_index < STEPS:
            resumed.step()
        if resumed_whole:
            assert flat(resumed.state_dict()) == flat(whole.state_dict())
        assert_close(resumed.state_dict(), whole.state_dict())


def test_loading_goes_back_in_the_same_trainer(by_torch):
    whole = new_trainer(True)
    start = copy.deepcopy(whole.state_dict())
    first = [flat(whole.step()) for _ in range(3)]
    whole.load_state_dict(start)
    assert [flat(whole.step()) for _ in range(3)] == first


@pytest.mark.slow  # twenty kernels to compile
@needs_compiler
def test_the_compiled_code_resumes_on_the_same_bits():
    case = {"dtype": torch.float32, "loss": "non_saturating+r1", "batch": 33}
    whole, eager = new_trainer(True, **case), new_trainer(False, **case)
    states = []
    for _ in range(STEPS):
        states.append(copy.deepcopy(whole.state_dict()))
        found = whole.step()
        # float32 sums in another order, over six steps
        assert_close(found, eager.step(), 1e-4)
    for step, state in enumerate(states):
        resumed = new_trainer(True, **case)
        resumed.load_state_dict(state)
        assert resumed.step_index == step
        while resumed.step_index < STEPS:
            resumed.step()
        assert flat(resumed.state_dict()) == flat(whole.state_dict())


def test_clipping_happens_inside_the_step(by_torch):
    def clipped(whole):
        trainer = new_trainer(whole)
        model: Any = trainer.model

        def clip(phase):
            if phase == "critic":
                for parameter in model.critic.parameters():
                    parameter.data.clamp_(-0.05, 0.05)

        model.after_update = clip
        ring = mixture("ring8")
        stream = Stream(ring.sample, batch_size=9, seed=2, dtype=torch.float64)
        return Trainer(model, stream, steps=STEPS, seed=3, compiled=whole)

    eager, whole = clipped(False), clipped(True)
    for _ in range(3):
        assert_close(whole.step(), eager.step())
    critic = cast(Any, whole.model).critic
    weights = torch.cat([p.detach().flatten() for p in critic.parameters()])
    assert weights.abs().max() == 0.05
    assert_close(whole.state_dict(), eager.state_dict())


def test_losses_see_the_share_of_the_run(by_torch):
    def annealed(whole):
        trainer = new_trainer(whole)
        plain = trainer.model.loss

        def loss(batch, phase):
            terms = plain(batch, phase)
            return {"loss": (1 - batch.done) * terms["loss"]}

        trainer.model.loss = loss
        return Trainer(trainer.model, trainer.batches, steps=STEPS, seed=3, compiled=whole)

    eager, whole = annealed(False), annealed(True)
    for _ in range(STEPS):
        assert_close(whole.step(), eager.step())


def test_torchs_own_dropout_draws_from_the_batchs_seed(by_torch):
    def run(disturb):
        trainer = new_trainer(
            True,
            critic=lambda: torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Linear(2, 1)),
        )
        for _ in range(3):
            torch.rand(disturb)  # another use of the global generator
            terms = trainer.step()
        return flat(terms)

    assert run(1) == run(5)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(("bad", "phase"), [("critic", "critic"), ("generator", "generator")])
def test_divergence_leaves_the_weights_and_names_the_term(whole, bad, phase, by_torch):
    class Broken:
        remedies = None

        def __call__(self, critic, *, real, fake, phase, seed):
            loss = critic(fake).mean() - critic(real).mean() * (phase == "critic")
            part = torch.where(seed[0] * 0 + (phase == bad) > 0, real.sum() / 0, 0.0)
            return {"loss": loss + part, "part": part.detach()}

    trainer = new_trainer(whole, loss=Broken())
    before = copy.deepcopy(dict(trainer.model.state_dict()))
    with pytest.raises(Diverged, match=f"{phase} loss is not finite at step 0") as caught:
        trainer.step()
    assert (caught.value.phase, caught.value.term, caught.value.step) == (phase, "part", 0)
    after = trainer.model.state_dict()
    moved = {name.split(".")[0] for name in after if not torch.equal(after[name], before[name])}
    assert moved == ({"critic"} if bad == "generator" else set())


def test_divergence_leaves_the_optimisers_memory():
    model = new_trainer(False).model
    step = Step(model)
    start, x = step.start(), torch.full((4, 2), torch.nan, dtype=torch.float64)
    numbers, seeds = row_of(step, 0, 9, x.device), torch.tensor([[1], [2]])
    after, _, fine = step(start, numbers, [x, x], seeds)
    assert not fine
    assert all(torch.equal(a, b) for a, b in zip(start.tensors(), after.tensors(), strict=True))


class Reads:
    """Losses that cannot be traced, each in its way."""

    def __init__(self):
        self.calls = 0
        self.own = torch.ones(2, dtype=torch.float64)

    def item(self, value):
        return value * value.item()

    def branch(self, value):
        return value if value > 0 else -value

    def numpy(self, value):
        return value * float(value.detach().numpy())

    def tensor(self, value):
        return value * self.own.sum()

    def counter(self, value):
        self.calls += 1
        return value * self.calls

    def generator(self, value):
        return value * float(np.random.rand())


@pytest.mark.parametrize("way", ["item", "branch", "numpy", "tensor", "counter", "generator"])
def test_what_cannot_be_traced_is_refused_in_one_line(way, by_torch):
    change = getattr(Reads(), way)

    def loss(critic, *, real, fake, phase, seed):
        return change(critic(fake).mean() - critic(real).mean())

    with pytest.raises(Untraceable, match=r"the step cannot be (traced|compiled)") as caught:
        new_trainer(True, loss=loss)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, InputError)
    eager = new_trainer(False, loss=loss)
    eager.step()
    if way not in ("counter", "generator"):  # found only by comparing values
        with pytest.raises(Untraceable):
            traceable(eager.model, next(eager.batches))


def test_a_traceable_model_passes():
    eager = new_trainer(False)
    before = copy.deepcopy(dict(eager.model.state_dict()))
    traceable(eager.model, next(eager.batches))
    assert flat(eager.model.state_dict()) == flat(before)


def graph_of(constant):
    return trace(lambda x: [x * constant], [torch.ones(3)])


def test_graphs_that_differ_in_a_constant_do_not_share():
    same = graph_key(graph_of(0.1)), graph_key(graph_of(0.1))
    assert same[0] == same[1]
    others = [0.1 + 2**-55, -0.1, 1, torch.float64]
    keys = [graph_key(graph_of(c)) for c in others[:3]]
    keys.append(graph_key(trace(lambda x: [x * 0.1], [torch.ones(3, dtype=torch.float64)])))
    keys.append(graph_key(trace(lambda x: [x * 0.1], [torch.ones(4)])))
    keys.append(graph_key(trace(lambda x: [x * torch.tensor([1.0, 2.0, 3.0])], [torch.ones(3)])))
    keys.append(graph_key(trace(lambda x: [x * torch.tensor([1.0, 2.0, 4.0])], [torch.ones(3)])))
    assert len({same[0], *keys}) == 1 + len(keys)


def test_models_share_a_graph_only_where_nothing_differs(monkeypatch):
    seen = []
    monkeypatch.setattr(
        compiled, "compile_graph", lambda graph, tensors: seen.append(graph_key(graph)) or graph
    )

    def key(**config):
        new_trainer(True, **config)
        return seen[-1]

    base = key()
    assert key() == base
    assert key(learning_rate=1e-4, schedule="constant") == base  # inputs of the graph
    assert key(steps=100) == base
    others = [
        {"betas": (0.5, 0.9)},
        {"betas": (0.0, 0.99)},
        {"slope": 0.2},
        {"loss": "least_squares"},
        {"loss": "non_saturating+r1"},
        {"loss": "non_saturating+r1", "weight": 0.3},
        {"batch": 10},
        {"width": 16},
        {"critic_steps": 2},
        {"dtype": torch.float32},
    ]
    keys = [key(**other) for other in others]
    assert len({base, *keys}) == 1 + len(others)


@needs_compiler
def test_an_equal_graph_is_compiled_once(monkeypatch):
    monkeypatch.setattr(graphs, "_compiled", {})
    x = torch.arange(3.0)
    first, second = compile_graph(graph_of(2.0), [x]), compile_graph(graph_of(2.0), [x])
    assert first is second
    assert first(x)[0].tolist() == [0, 2, 4]


def test_no_compiler_is_no_error(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert not compiler_found()
    monkeypatch.delenv("CXX")
    monkeypatch.setenv("PATH", "")
    assert not compiler_found()
