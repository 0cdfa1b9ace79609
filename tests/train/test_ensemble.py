"""Stacked lanes against trainers that run alone, in float64."""

import copy
from typing import Any

import pytest
import torch

from genbench import create_model
from genbench.data import SeededStream, Stream, mixture
from genbench.data.seeded import DigitSource, MixtureSource, RowSource
from genbench.data.stacked import StackedDigits
from genbench.errors import InputError
from genbench.train import ensemble as ensembles
from genbench.train.ensemble import Ensemble, run_together
from genbench.train.graphs import Untraceable, compiler_found
from genbench.train.loop import Diverged, Trainer, global_seed

STEPS = 7


def normalised():
    layers = torch.nn.Linear(2, 6), torch.nn.BatchNorm1d(6), torch.nn.ReLU(), torch.nn.Linear(6, 2)
    return torch.nn.Sequential(*layers)


def new_trainer(
    seed, *, source: Any = None, device: str = "cpu", steps: int = STEPS, **config: Any
):
    ring = mixture("ring8")
    with global_seed(seed):
        model: Any = create_model("gan", **{"data_shape": (2,), "width": 6, "depth": 2, **config})
    model.to(dtype=torch.float64, device=device)
    about: dict[str, Any] = {"dtype": torch.float64, "device": device, "scale": ring.scale}
    stream = SeededStream(source or MixtureSource(ring), batch_size=8, seed=seed + 1, **about)
    return Trainer(model, stream, steps=steps, seed=seed + 2)


def numbers(trainer):
    tensors = [
        *trainer.model.state_dict().values(),
        *(
            held
            for optimizer in trainer.optimizers.values()
            for memory in optimizer.state.values()
            for held in memory.values()
        ),
    ]
    return torch.cat([tensor.detach().double().flatten().cpu() for tensor in tensors])


CASES = {
    "plain": {},
    "critic steps, penalty": {"loss": "wasserstein_gp+critic2"},
    "clipping": {"loss": "wasserstein"},
    "spectral norm": {"loss": "hinge+spectral_norm"},
    "batch norm": {"generator": normalised},
    "unrolled": {"loss": "non_saturating+unrolled2"},
    "draws": {"loss": "non_saturating+instance_noise+noisy_labels+dropout"},
}


# the others take as long again
BRIEF = ("plain", "spectral norm", "draws")
MARKED = [
    pytest.param(config, marks=[] if name in BRIEF else pytest.mark.slow, id=name)
    for name, config in CASES.items()
]


@pytest.mark.parametrize("config", MARKED)
def test_a_lane_is_a_trainer_that_runs_alone(config, monkeypatch):
    monkeypatch.setattr(ensembles, "CHUNK", 3)
    alone = [new_trainer(seed, **config) for seed in (0, 10)]
    stacked = [new_trainer(seed, **config) for seed in (0, 10)]
    lanes = Ensemble(stacked)
    for part in (2, STEPS - 2):
        lanes.run(part)
        assert lanes.settle() == [None, None]
        for trainer, other in zip(alone, stacked, strict=True):
            for _ in range(part):
                trainer.step()
            assert other.step_index == trainer.step_index
            # float64 sums in another order, enlarged by Adam's root; noise rounded in float64
            torch.testing.assert_close(numbers(other), numbers(trainer), rtol=1e-9, atol=1e-12)


def own_rows(seed):
    """A seed's training set."""
    rng = torch.Generator().manual_seed(seed)
    return RowSource(torch.rand(40, 2, generator=rng, dtype=torch.float64), shared=False)


def test_a_lane_does_not_depend_on_how_many_are_real_and_has_its_own_data():
    def last(*places):
        trainers = [new_trainer(place, source=own_rows(place)) for place in places]
        lanes = Ensemble(trainers, lanes=4, places=places)
        lanes.run(STEPS)
        lanes.settle()
        return numbers(trainers[-1])

    alone, among = last(3), last(1, 0, 3)
    assert torch.equal(alone, among)
    trainer = new_trainer(3, source=own_rows(3))
    for _ in range(STEPS):
        trainer.step()
    torch.testing.assert_close(among, numbers(trainer), rtol=1e-9, atol=1e-12)


def packed_digits(seed):
    """Images whose packs are no view of a stack of batches."""
    images = torch.arange(40 * 64, dtype=torch.uint8).view(40, 8, 8)
    networks = {"generator": "dcgan_generator", "critic": "dcgan_critic", "data_shape": (3, 8, 8)}
    source = DigitSource(StackedDigits(images, torch.arange(40) % 10))
    return new_trainer(seed, source=source, loss="hinge+packing2", **networks)


def test_lanes_of_packed_images_are_trainers_that_run_alone():
    alone, stacked = ([packed_digits(seed) for seed in (0, 10)] for _ in range(2))
    lanes = Ensemble(stacked, lanes=3)
    lanes.run(2)
    assert lanes.settle() == [None, None]
    for trainer, other in zip(alone, stacked, strict=True):
        for _ in range(2):
            trainer.step()
        # float64 sums in another order, enlarged by batch norm and Adam's root
        torch.testing.assert_close(numbers(other), numbers(trainer), rtol=1e-7, atol=1e-9)


def test_settled_trainers_go_on_and_stack_again():
    whole, part, again = (new_trainer(seed) for seed in (0, 0, 5))
    for trainer, steps in ((whole, STEPS), (part, 3)):
        lanes = Ensemble([trainer])
        lanes.run(steps)
        lanes.settle()
    again.load_state_dict(copy.deepcopy(part.state_dict()))
    pairs = [Ensemble([again]), Ensemble([part])]
    run_together(pairs, STEPS - 3)
    for lanes in pairs:
        lanes.settle()
    assert torch.equal(numbers(again), numbers(whole))
    assert torch.equal(numbers(part), numbers(whole))


def test_a_lane_that_diverges_stops_alone():
    def trainers():
        made = [new_trainer(seed) for seed in (0, 10)]
        with torch.no_grad():
            for parameter in made[1].model.phase_parameters("generator"):
                parameter.fill_(float("inf"))
        return made

    stacked, alone = trainers(), trainers()
    lanes = Ensemble(stacked)
    lanes.run(3)
    well, broken = lanes.settle()
    with pytest.raises(Diverged) as caught:
        alone[1].step()
    assert well is None and broken is not None and str(broken) == str(caught.value)
    assert (broken.phase, broken.term, broken.step) == ("critic", "objective", 0)
    for _ in range(3):
        alone[0].step()
    torch.testing.assert_close(numbers(stacked[0]), numbers(alone[0]), rtol=1e-9, atol=1e-12)
    assert stacked[1].step_index == 0


def counting_loss():
    """Keeps something: a step traced at one moment is not the step of another."""
    calls = []

    def loss(critic, *, real, fake, phase, seed):
        calls.append(phase)
        return critic(fake).mean() * len(calls)

    return loss


def test_what_cannot_be_stacked_is_refused():
    with pytest.raises(InputError, match="lanes must be at least the 2 trainers"):
        Ensemble([new_trainer(0), new_trainer(1)], lanes=1)
    with pytest.raises(InputError, match="places must be a lane below 2 for each"):
        Ensemble([new_trainer(0)], lanes=2, places=[2])
    for other in (new_trainer(1, betas=(0.5, 0.9)), new_trainer(1, width=5)):
        with pytest.raises(InputError, match="differ in seeds alone: their steps"):
            Ensemble([new_trainer(0), new_trainer(2), other])
    with pytest.raises(InputError, match="traced twice it is not the same"):
        Ensemble([new_trainer(0), new_trainer(1, loss="hinge")])
    with pytest.raises(Untraceable, match="traced twice it is not the same"):
        Ensemble([new_trainer(0, loss=counting_loss())])
    trainer = new_trainer(0)
    trainer.batches = Stream(mixture("ring8").sample, batch_size=8, seed=0)
    with pytest.raises(InputError, match="batches: must be a SeededStream to be stacked, got Str"):
        Ensemble([trainer])
    with pytest.raises(InputError, match="same step of runs of the same length"):
        Ensemble([new_trainer(0), new_trainer(1, steps=9)])
    dropout: dict[str, Any] = {
        "critic": lambda: torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Linear(2, 1))
    }
    with pytest.raises(Untraceable, match="torch's own generator"):
        Ensemble([new_trainer(0, **dropout)])
    lanes = Ensemble([new_trainer(0)])
    with pytest.raises(InputError, match="steps must end by 7, got 0 \\+ 8"):
        lanes.run(STEPS + 1)


@pytest.mark.slow  # compiles for a minute
@pytest.mark.skipif(not compiler_found(), reason="no C++ compiler")
def test_a_compiled_stack_is_the_stack(monkeypatch):
    monkeypatch.setattr(ensembles, "CHUNK", 3)
    pairs = [[new_trainer(seed) for seed in (0, 10)] for _ in range(2)]
    with torch.no_grad():
        for trainers in pairs:
            for parameter in trainers[1].model.phase_parameters("generator"):
                parameter.fill_(float("inf"))  # the second lane ends at once
    plain, compiled = (
        Ensemble(trainers, lanes=3, compiled=compiled)
        for trainers, compiled in zip(pairs, (False, True), strict=True)
    )
    for lanes in (plain, compiled):
        lanes.run(STEPS)
    assert list(map(str, plain.settle())) == list(map(str, compiled.settle()))
    for one, other in zip(*pairs, strict=True):
        assert one.step_index == other.step_index
        # float64 sums in another order, enlarged by Adam's root
        torch.testing.assert_close(numbers(one), numbers(other), rtol=1e-9, atol=1e-12)


@pytest.mark.cuda
@pytest.mark.parametrize("config", [{}, {"loss": "wasserstein_gp"}], ids=["plain", "penalty"])
def test_a_replayed_graph_is_a_trainer_on_the_cpu(config, monkeypatch):
    monkeypatch.setattr(ensembles, "CHUNK", 3)
    alone = [new_trainer(seed, **config) for seed in (0, 10)]
    stacked = [new_trainer(seed, device="cuda", **config) for seed in (0, 10)]
    lanes = Ensemble(stacked, lanes=3)
    run_together([lanes], STEPS)
    assert lanes.settle() == [None, None]
    for trainer, other in zip(alone, stacked, strict=True):
        for _ in range(STEPS):
            trainer.step()
        # float64, other libraries
        torch.testing.assert_close(numbers(other), numbers(trainer), rtol=1e-7, atol=1e-9)
