"""Tasks in files: whole again from them, and written anew where they were damaged."""

import numpy as np
import pytest
import torch

from genbench.data import mixture
from genbench.studies.tasks import ArrayTask, MixtureTask, load_task, save_task
from genbench.studies.tasks.stacked import stacked_digits


def own(modes=None):
    return ArrayTask("mine", np.random.default_rng(0).normal(size=(600, 2)), modes)


TASKS = {
    "mixture": lambda: MixtureTask(mixture("ring8")),
    "subspace": lambda: MixtureTask(mixture("veegan1200")),
    "points": own,
    "points with modes": lambda: own(mixture("ring8")),
    "stacked digits": stacked_digits,
}
every = pytest.mark.parametrize(
    "make", [pytest.param(make, id=name) for name, make in TASKS.items()]
)


@every
def test_a_task_comes_back(tmp_path, make):
    task = make()
    again = load_task(save_task(task, tmp_path), task.name)
    assert type(again) is type(task) and again.name == task.name
    assert (again.digest, again.scale, again.data_shape, again.modes(), again.conventions) == (
        task.digest,
        task.scale,
        task.data_shape,
        task.modes(),
        task.conventions,
    )
    a, b = (t.sample(300, torch.Generator().manual_seed(0)) for t in (task, again))
    assert torch.equal(a, b)
    if a.shape[1:] == (2,):  # in 1200 dimensions bins take seconds
        assert task.score(a) == again.score(b)


@every
@pytest.mark.parametrize("kind", ["truncated", "empty", "edited", "no archive", "other"])
def test_a_damaged_file_is_written_again(tmp_path, make, kind):
    task = make()
    path = save_task(task, tmp_path)
    content = path.read_bytes()
    arrays = dict(np.load(path))
    if kind == "edited":
        name = next(name for name in ("means", "x", "labels") if name in arrays)
        arrays[name] = arrays[name] * 2
        np.savez(path, **arrays)
    elif kind == "other":
        np.savez(path, y=np.zeros(3))
    else:
        damaged = {"truncated": content[: len(content) // 2], "empty": b"", "no archive": b"x" * 99}
        path.write_bytes(damaged[kind])
    assert save_task(task, tmp_path) == path and path.read_bytes() == content


def test_a_whole_file_stays(tmp_path):
    path = save_task(own(), tmp_path)
    before = path.stat().st_mtime_ns
    assert save_task(own(), tmp_path).stat().st_mtime_ns == before
