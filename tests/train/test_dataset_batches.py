"""Every embedded data set trains alike, and a run goes on from any step to the same weights."""

import copy
from typing import Any

import pytest
import torch

from genbench import create_model
from genbench.data import Dataset, open_dataset
from genbench.train.loop import Trainer, global_seed

SETS = [("digits", 8), ("shapes", 8), ("shapes-disc", 8), ("photos", 8), ("ring8", None)]


def trainer(data: Dataset) -> Trainer:
    with global_seed(1):
        model: Any = create_model("gan", data_shape=data.data_shape, width=8, depth=1)
    # an epoch of digits ends inside the fourth step
    batches = data.batches(batch_size=400, seed=2)
    return Trainer(model, batches, steps=5, seed=3)


@pytest.mark.parametrize(("name", "size"), SETS)
def test_a_run_goes_on_from_every_step(name, size):
    data = open_dataset(name, size=size)
    whole, states = trainer(data), []
    for _ in range(5):
        states.append(copy.deepcopy(whole.state_dict()))
        whole.step()
    expected = whole.model.state_dict()
    for step, state in enumerate(states):
        resumed = trainer(data)
        resumed.load_state_dict(state)
        for _ in range(5 - step):
            resumed.step()
        found = resumed.model.state_dict()
        assert all(torch.equal(found[key], expected[key]) for key in expected)
