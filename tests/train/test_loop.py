"""The loop against explicit training steps, resumption at every step, and divergence."""

import copy
import itertools

import pytest
import torch

from genbench import create_model
from genbench.data import Stream, mixture
from genbench.errors import InputError
from genbench.protocol import OptimizerSpec
from genbench.train.loop import Diverged, Trainer, global_seed
from genbench.train.optimizers import SCHEDULES, make_optimizer


class Line(torch.nn.Module):
    """Fits a line by squared error, in one phase or in two that share nothing."""

    def __init__(self, phases=("model",), schedule="constant"):
        super().__init__()
        self.phases = phases
        self.weights = torch.nn.ParameterDict(
            {
                phase: torch.nn.Parameter(torch.tensor([0.5], dtype=torch.float64))
                for phase in phases
            }
        )
        self.schedule = schedule
        self.updated = []

    def phase_parameters(self, phase):
        return [self.weights[phase]]

    def optimizer(self, phase):
        return OptimizerSpec("sgd", 0.1, schedule=self.schedule)

    def loss(self, batch, phase):
        # the other phase's weight takes part: only inputs= keeps its gradient out
        others = sum(self.weights[other].sum() for other in self.weights if other != phase)
        value = (batch.x * self.weights[phase] + others - 1).square().mean()
        return {"loss": value, "seed": batch.seed[0].double()}

    def after_update(self, phase):
        self.updated.append(phase)

    def sample(self, n, rng):
        return torch.zeros(n, 1)


class Ones:
    """Batches 1, 2, 3, ..."""

    def __init__(self):
        self.position = 0

    def __next__(self):
        self.position += 1
        return torch.full((2, 1), float(self.position), dtype=torch.float64)

    def state_dict(self):
        return {"position": self.position}

    def load_state_dict(self, state):
        self.position = state["position"]


def test_one_step_is_gradient_descent():
    model = Line()
    trainer = Trainer(model, Ones(), steps=2, seed=0)
    terms = trainer.step()
    # loss (w - 1)^2 at w = .5: value .25, slope -1, so w = .5 + .1
    assert terms["model/loss"].item() == pytest.approx(0.25)
    assert model.weights["model"].item() == pytest.approx(0.6)
    trainer.step()
    # second batch is 2: slope 2 * 2 * (2 * .6 - 1) = .8
    assert model.weights["model"].item() == pytest.approx(0.6 - 0.08)


def test_phases_take_fresh_batches_in_order_and_leak_nothing():
    model = Line(("a", "a", "b"))
    batches = Ones()
    trainer = Trainer(model, batches, steps=1, seed=0)
    trainer.step()
    assert batches.position == 3 and model.updated == ["a", "a", "b"]
    a = 0.5
    for x in (1.0, 2.0):
        a -= 0.1 * 2 * x * (x * a + 0.5 - 1)
    b = 0.5 - 0.1 * 2 * 3 * (3 * 0.5 + a - 1)
    assert model.weights["a"].item() == pytest.approx(a)
    assert model.weights["b"].item() == pytest.approx(b)


def test_dropout_draws_from_the_batchs_seed():
    def run(disturb):
        with global_seed(0):
            model = create_model(
                "gan",
                data_shape=(2,),
                critic=lambda: torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Linear(2, 1)),
            )
        ring = mixture("ring8")
        trainer = Trainer(model, Stream(ring.sample, batch_size=8, seed=0), steps=3, seed=0)
        for _ in range(3):
            torch.rand(disturb)  # another use of the global generator
            terms = trainer.step()
        return terms["critic/loss"]

    assert torch.equal(run(1), run(5))


def test_cosine_ends_at_zero():
    assert SCHEDULES["cosine"](0.0) == 1 and SCHEDULES["cosine"](1.0) == pytest.approx(0)
    assert SCHEDULES["cosine"](1 / 3) == pytest.approx(0.75)
    model = Line(schedule="cosine")
    trainer = Trainer(model, Ones(), steps=2, seed=0)
    trainer.step()
    trainer.step()  # half the run is over: the rate is .05
    assert model.weights["model"].item() == pytest.approx(0.6 - 0.04)


@pytest.mark.parametrize(("field", "value"), [("name", "adan"), ("schedule", "cosin")])
def test_unknown_optimizer_or_schedule(field, value):
    options = {"name": "adam", "learning_rate": 0.1, field: value}
    with pytest.raises(InputError, match=f"unknown name '{value}'; did you mean"):
        make_optimizer(OptimizerSpec(**options), [torch.nn.Parameter(torch.zeros(1))])


def new_trainer(loss, critic_steps, steps=6):
    ring = mixture("ring8")
    with global_seed(1):
        model = create_model(
            "gan", data_shape=(2,), width=8, depth=1, loss=loss, critic_steps=critic_steps
        )
    stream = Stream(ring.sample, batch_size=8, seed=2, scale=ring.scale)
    return Trainer(model, stream, steps=steps, seed=3)


def weights(trainer):
    return torch.cat([value.flatten() for value in trainer.model.state_dict().values()])


@pytest.mark.parametrize(
    ("loss", "critic_steps"),
    [("non_saturating", 1), ("wasserstein_gp", 3), ("relativistic+r1+r2", 1)],
)
def test_resume_at_every_step_ends_on_the_same_bits(loss, critic_steps):
    whole = new_trainer(loss, critic_steps)
    states = [copy.deepcopy(whole.state_dict())]
    for _ in range(6):
        whole.step()
        states.append(copy.deepcopy(whole.state_dict()))
    for step, state in enumerate(states[:-1]):
        resumed = new_trainer(loss, critic_steps)
        resumed.load_state_dict(state)
        assert resumed.step_index == step
        for _ in range(6 - step):
            resumed.step()
        assert torch.equal(weights(resumed), weights(whole))


def test_global_seed_leaves_the_global_generator_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    with global_seed(5):
        first = torch.rand(2)
    assert torch.equal(torch.rand(3), expected)
    with global_seed(5):
        assert torch.equal(torch.rand(2), first)


def test_every_objective_starts_from_the_same_weights_and_data():
    starts = [new_trainer(loss, 1) for loss in ("non_saturating", "least_squares")]
    assert torch.equal(weights(starts[0]), weights(starts[1]))
    assert torch.equal(starts[0].peek().x, starts[1].peek().x)


def test_divergence_names_phase_term_and_step():
    model = Line()
    trainer = Trainer(model, Ones(), steps=3, seed=0)
    trainer.step()
    with torch.no_grad():
        model.weights["model"].fill_(float("nan"))
    with pytest.raises(Diverged, match="model loss is not finite at step 1: loss = nan"):
        trainer.step()


def test_losses_may_use_only_the_seed_they_get():
    seeds = []
    trainer = Trainer(Line(("a", "b")), Ones(), steps=3, seed=0)
    for _ in range(3):
        seeds += [value.item() for key, value in trainer.step().items() if key.endswith("seed")]
    assert len(set(seeds)) == 6
    again = Trainer(Line(("a", "b")), Ones(), steps=3, seed=0)
    repeated = itertools.chain.from_iterable(again.step().items() for _ in range(3))
    assert seeds == [value.item() for key, value in repeated if key.endswith("seed")]


def test_losses_see_how_much_of_the_run_is_over():
    class Watching(Line):
        def loss(self, batch, phase):
            return super().loss(batch, phase) | {"done": torch.tensor(batch.done)}

    trainer = Trainer(Watching(("a", "b")), Ones(), steps=4, seed=0)
    seen = [trainer.step() for _ in range(4)]
    assert [terms["b/done"].item() for terms in seen] == [0, 0.25, 0.5, 0.75]
