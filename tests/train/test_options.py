"""What a run changes about training, each against its formula or torch's own."""

import copy
import itertools
from typing import Any

import pytest
import torch
from torch import nn

from genbench.data.datasets import Epochs, Split
from genbench.errors import InputError
from genbench.protocol import OptimizerSpec
from genbench.train import compiled
from genbench.train.loop import Diverged, Trainer, global_seed
from genbench.train.options import Options

X = torch.arange(12.0, dtype=torch.float64).view(6, 2) / 6


class Fit(nn.Module):
    """Two layers that fit x's row sums, or a class's, in one phase or in two players' turns."""

    def __init__(self, phases=("model",), *, name="adam", rate=0.05, labelled=False):
        super().__init__()
        self.phases, self._spec, self._labelled = phases, OptimizerSpec(name, rate), labelled
        with global_seed(0):
            self.players = nn.ModuleDict(
                {p: nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1)) for p in set(phases)}
            )
        self.double()

    def phase_parameters(self, phase):
        return self.players[phase].parameters()

    def optimizer(self, phase):
        return self._spec

    def loss(self, batch, phase):
        wanted = batch.labels.to(batch.x) if self._labelled else batch.x.sum(1)
        if batch.condition is not None:
            wanted = wanted + batch.condition[:, 0]
        return {"loss": (self.players[phase](batch.x)[:, 0] - wanted).square().mean()}

    def after_update(self, phase):
        pass

    def sample(self, n, rng):
        return torch.zeros(n, 2)


def trainer(options=None, *, model=None, batch=3, steps=6, split=None):
    split, model = Split(X) if split is None else split, model or Fit()
    dtype = next(model.parameters()).dtype
    batches = Epochs(split, batch_size=batch, seed=0, dtype=dtype)
    return Trainer(model, batches, steps=steps, seed=0, options=options)


@pytest.fixture
def by_torch(monkeypatch):
    """Graphs run as they were traced, each operation by torch."""
    monkeypatch.setattr(compiled, "compile_graph", lambda graph, tensors: graph)


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_the_average_is_its_sum_written_out():
    run, decay = trainer(Options(ema=0.3)), 0.3
    seen, wanted = [weights(run.model)], weights(run.model)
    for _ in range(5):
        run.step()
        seen.append(weights(run.model))
    with run.evaluated() as model:
        assert not model.training
        found = weights(model)
    # d_t = min(.3, (1 + t) / (10 + t)): the first four are below .3
    ds = [2 / 11, 3 / 12, 4 / 13, 5 / 14, 6 / 15]
    ds = [min(decay, d) for d in ds]
    shares = [torch.tensor(ds).prod().item()]
    shares += [(1 - ds[t]) * torch.tensor(ds[t + 1 :]).prod().item() for t in range(5)]
    wanted = sum(share * w for share, w in zip(shares, seen, strict=True))
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-7)  # shares in float32
    assert torch.equal(weights(run.model), seen[-1]) and run.model.training


def test_weights_come_back_where_an_evaluation_fails():
    run = trainer(Options(ema=0.9))
    run.step()
    before = weights(run.model)
    with pytest.raises(KeyError), run.evaluated():
        raise KeyError
    assert torch.equal(weights(run.model), before) and run.model.training


def test_gradients_are_clipped_as_torch_does():
    ours, theirs = trainer(Options(clip=0.01), model=Fit(name="sgd")), Fit(name="sgd")
    before = weights(ours.model)
    x = ours.peek().x
    ours.step()
    value = (theirs.players["model"](x)[:, 0] - x.sum(1)).square().mean()
    value.backward()
    norm = nn.utils.clip_grad_norm_(list(theirs.parameters()), 0.01)
    assert norm > 0.01
    gradients: list[Any] = [p.grad for p in theirs.parameters()]
    gradient = torch.cat([g.flatten() for g in gradients])
    torch.testing.assert_close(weights(ours.model), before - 0.05 * gradient)


def test_accumulated_batches_are_one_large_batch():
    small, large = trainer(Options(accumulate=2)), trainer(batch=6)
    for _ in range(3):
        a, b = small.step(), large.step()
        torch.testing.assert_close(a["model/loss"], b["model/loss"])
    torch.testing.assert_close(weights(small.model), weights(large.model))


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_the_rate_rises_and_falls_as_torchs_schedulers_have_it(schedule):
    steps, warmup = 10, 4
    run = trainer(Options(warmup=warmup, schedule=schedule), steps=steps)
    parameter = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.05)
    rise = torch.optim.lr_scheduler.LinearLR(optimizer, 1 / warmup, 1.0, total_iters=warmup - 1)
    fall = {
        "constant": torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0),
        "linear": torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=steps),
        "cosine": torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps),
    }[schedule]
    chain = torch.optim.lr_scheduler.ChainedScheduler([rise, fall], optimizer)
    for _ in range(steps):
        run.step()
        found = run.optimizers["model"].param_groups[0]["lr"]
        assert found == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        optimizer.step()
        chain.step()


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_products_are_taken_in_half_precision(precision):
    model = Fit().float()
    split = Split(X.float())
    batches = Epochs(split, batch_size=3, seed=0)
    run = Trainer(model, batches, steps=4, seed=0, options=Options(precision=precision))
    seen = []
    first: Any = model.players["model"]
    first[0].register_forward_hook(lambda m, i, out: seen.append(out.dtype))
    exact = Fit().float()
    other = Trainer(exact, Epochs(split, batch_size=3, seed=0), steps=4, seed=0)
    a, b = run.step()["model/loss"], other.step()["model/loss"]
    assert seen[-1] == getattr(torch, precision)
    assert not torch.equal(a, b)
    torch.testing.assert_close(a.float(), b, rtol=0.05, atol=0.05)  # 8 bits of bfloat16
    assert all(p.dtype == torch.float32 for p in model.parameters())


def test_an_overflow_of_half_precision_skips_the_update_and_halves_the_scale():
    model = Fit().float()
    split = Split(X.float() * 100)  # squares of 1e3 times a scale of 65,536 leave float16's range
    options = Options(precision="float16")
    run = Trainer(model, Epochs(split, batch_size=3, seed=0), steps=40, seed=0, options=options)
    before = weights(model)
    scales = [run.state_dict()["scaler"]["scale"]]
    for _ in range(30):
        run.step()
        scales.append(run.state_dict()["scaler"]["scale"])
    assert scales[1] == scales[0] / 2 and weights(model).isfinite().all()
    assert not torch.equal(weights(model), before)


PATTERNS = [("model",), ("critic", "critic", "generator"), ("a", "b", "a")]
VARIANTS = [
    Options(),
    Options(ema=0.9, clip=0.5, warmup=2, schedule="linear"),
    Options(accumulate=2, ema=0.5),
    Options(precision="bfloat16", ema=0.9),
    Options(precision="float16", clip=1.0),
    Options(compiled=True, ema=0.9, clip=0.5, warmup=2),
]


@pytest.mark.parametrize(
    ("pattern", "options"), list(itertools.product(PATTERNS, VARIANTS)), ids=lambda v: str(v)[:40]
)
def test_a_resumed_run_ends_on_the_same_bits_at_every_step(pattern, options, by_torch):
    def run():
        model = Fit(pattern).float() if options.precision == "float16" else Fit(pattern)
        return trainer(options, model=model, batch=4)  # batches run over the ends of epochs

    whole, states = run(), []
    for _ in range(6):
        states.append(snapshot(whole))
        whole.step()
    end = snapshot(whole)
    for state in states:
        again = run()
        again.load_state_dict(state)
        while again.step_index < 6:
            again.step()
        assert same(snapshot(again), end)


def snapshot(run):
    return copy.deepcopy(run.state_dict())


def same(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


@pytest.mark.parametrize("name", ["adam", "adamw", "adagrad", "sgd", "rmsprop"])
@pytest.mark.parametrize("options", [{}, {"clip": 0.5, "warmup": 3, "schedule": "cosine"}])
def test_the_compiled_step_computes_what_the_eager_one_does(name, options, by_torch):
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    split = Split(X, labels, condition=X[:, :1])
    runs = [
        trainer(
            Options(compiled=whole, **options), model=Fit(name=name, labelled=True), split=split
        )
        for whole in (False, True)
    ]
    for _ in range(3):
        a, b = (run.step()["model/loss"] for run in runs)
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
    # each goes on from the other's state
    states = [snapshot(run) for run in runs]
    for run, state in zip(runs, reversed(states), strict=True):
        run.load_state_dict(state)
    for _ in range(3):
        a, b = (run.step()["model/loss"] for run in runs)
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def test_half_precision_is_compiled_too(by_torch):
    split = Split(X.float())
    runs = []
    for whole in (False, True):
        options = Options(compiled=whole, precision="bfloat16")
        batches = Epochs(split, batch_size=3, seed=0)
        runs.append(Trainer(Fit().float(), batches, steps=3, seed=0, options=options))
    for _ in range(3):
        a, b = (run.step()["model/loss"] for run in runs)
        torch.testing.assert_close(a, b, rtol=1e-2, atol=1e-2)  # 8 bits


def test_divergence_names_the_first_tensor_that_is_not_finite():
    run = trainer()
    with torch.no_grad():
        run.model.players["model"][2].bias.fill_(float("nan"))
    with pytest.raises(Diverged, match=r"so is players\.model\.2\.bias") as caught:
        run.step()
    assert caught.value.tensor == "players.model.2.bias" and caught.value.step == 0
    bad = Split(torch.where(torch.arange(6).view(6, 1) >= 0, float("inf"), X))
    with pytest.raises(Diverged, match=r"so is batch\.x"):
        trainer(split=bad).step()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"ema": 1.0}, "ema must be a finite number above 0 and below 1 or none, got 1.0"),
        ({"clip": 0}, "clip must be"),
        ({"accumulate": 0}, "accumulate must be a whole number of at least 1, got 0"),
        ({"precision": "half"}, "precision must be one of 'float32', 'bfloat16', 'float16'"),
        ({"warmup": -1}, "warmup must be a whole number of at least 0, got -1"),
        ({"captured": True}, "captured: a CUDA graph is taken of a compiled step"),
        ({"compiled": True, "accumulate": 2}, "accumulate: a compiled step takes one batch, got 2"),
        ({"compiled": True, "precision": "float16"}, "precision: a compiled step scales no"),
    ],
)
def test_what_makes_no_sense_is_refused(options, match):
    with pytest.raises(InputError, match=match):
        Options(**options)


def test_a_graph_needs_a_device(by_torch):
    with pytest.raises(InputError, match="captured: a CUDA graph needs a CUDA device, got cpu"):
        trainer(Options(compiled=True, captured=True))


@pytest.mark.cuda
@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_captured_step_computes_what_the_eager_one_does(pattern):
    runs = []
    for options in (Options(), Options(compiled=True, captured=True)):
        batches = Epochs(Split(X).to("cuda"), batch_size=3, seed=0, dtype=torch.float64)
        model = Fit(pattern).cuda()
        runs.append(Trainer(model, batches, steps=6, seed=0, options=options))
    for _ in range(6):
        a, b = (run.step() for run in runs)
        for name in a:
            torch.testing.assert_close(a[name], b[name], rtol=1e-9, atol=1e-9)
