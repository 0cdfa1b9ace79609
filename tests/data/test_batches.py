"""Endless batches: every row once an epoch, resumed anywhere, the same wherever the rows lie."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genbench.data import Dataset, Draws, Epochs, Split, mixture
from genbench.data.datasets import hold_out
from genbench.errors import InputError
from genbench.ops import normal


def counted(n: int) -> Split:
    """Rows that are their own numbers, with labels and conditions that follow from them."""
    x = torch.arange(n, dtype=torch.float64)[:, None]
    return Split(x, labels=torch.arange(n) % 3, condition=x * 10)


class Noise:
    """Fresh rows (n, 2), normal."""

    def draw(self, n, seed):
        return Split(normal((n, 2), seed=seed))

    def to(self, device):
        return self


def numbers(batches, count):
    """x of so many batches, one behind the other."""
    return torch.cat([next(batches).x for _ in range(count)]).squeeze(1).long()


@settings(max_examples=30)
@given(st.integers(1, 23), st.integers(1, 50), st.integers(-(2**63), 2**63))
def test_every_row_comes_once_an_epoch(n, batch_size, seed):
    batches = Epochs(counted(n), batch_size=batch_size, seed=seed)
    epochs = 3
    found = numbers(batches, -(-epochs * n // batch_size))[: epochs * n].view(epochs, n)
    assert torch.equal(found.sort(dim=1).values, torch.arange(n).expand(epochs, n))


@settings(max_examples=30)
@given(st.integers(1, 9), st.integers(1, 20), st.integers(0, 8))
def test_epochs_go_on_from_any_position(n, batch_size, position):
    whole = Epochs(counted(n), batch_size=batch_size, seed=7)
    for _ in range(position):
        next(whole)
    resumed = Epochs(counted(n), batch_size=batch_size, seed=7)
    resumed.load_state_dict(whole.state_dict())
    for _ in range(3):
        a, b = next(whole), next(resumed)
        assert len(a.tensors()) == 3
        assert all(torch.equal(one, two) for one, two in zip(a.tensors(), b.tensors(), strict=True))


def test_draws_go_on_from_any_position_and_never_repeat():
    whole = Draws(Noise(), batch_size=4, seed=3)
    seen = []
    for _ in range(6):
        resumed = Draws(Noise(), batch_size=4, seed=3)
        resumed.load_state_dict(whole.state_dict())
        seen.append(next(whole).x)
        assert torch.equal(next(resumed).x, seen[-1])
    assert whole.state_dict() == {"position": 6}
    assert len(torch.cat(seen).unique(dim=0)) == 24
    assert not torch.equal(next(Draws(Noise(), batch_size=4, seed=4)).x, seen[0])


def test_orders_differ_by_epoch_and_by_seed():
    a, b = (numbers(Epochs(counted(50), batch_size=50, seed=s), 2).view(2, 50) for s in (0, 1))
    assert len(torch.cat([a, b]).unique(dim=0)) == 4


def test_rows_keep_their_labels_and_conditions():
    found = next(Epochs(counted(10), batch_size=30, seed=0))
    rows = found.x.squeeze(1)
    assert found.labels is not None and found.condition is not None
    assert torch.equal(found.labels, rows.long() % 3)
    assert torch.equal(found.condition.squeeze(1), rows * 10)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_levels_are_scaled_in_the_wider_type(dtype):
    levels = torch.arange(256, dtype=torch.uint8).view(-1, 1, 1, 1)
    found = Split(levels, levels=256).all(dtype).x.flatten()
    exact = torch.arange(256, dtype=torch.float64) / 127.5 - 1
    assert found.dtype == dtype and found[0] == -1 and found[-1] == 1
    # rounded once, beside float32's own rounding of a product and a difference
    slack = torch.finfo(dtype).eps / 4 + (2.0**-23 if dtype != torch.float64 else 2.0**-52)
    assert (found.double() - exact).abs().max() <= slack


def test_a_data_set_says_what_it_trains_on():
    rows = hold_out("rows", counted(20))
    assert isinstance(rows.batches(batch_size=4, seed=0), Epochs)
    fresh = Dataset("noise", rows.train, rows.test, fresh=Noise())
    batches = fresh.batches(batch_size=5, seed=0, dtype=torch.float64)
    assert isinstance(batches, Draws)
    assert next(batches).x.shape == (5, 2) and next(batches).x.dtype == torch.float64


@pytest.mark.parametrize("n", [2, 3, 5, 11, 1797])
def test_a_fifth_is_held_out(n):
    found = hold_out("rows", Split(counted(n).x, captions=tuple(map(str, range(n)))))
    parts = [part.x.squeeze(1).long() for part in (found.train, found.test)]
    assert len(parts[1]) == -(-n // 5)
    assert torch.equal(torch.cat(parts).sort().values, torch.arange(n))
    assert found.test.captions == tuple(str(row) for row in parts[1].tolist())
    again = hold_out("rows", counted(n))
    assert torch.equal(again.test.x, found.test.x)


@pytest.mark.parametrize("n", [0, 1])
def test_one_row_cannot_be_divided(n):
    with pytest.raises(InputError, match=f"data: few must hold at least 2 rows, .* got {n}"):
        hold_out("few", counted(n))


@pytest.mark.parametrize("batch_size", [0, -3, 2.5, True, "8"])
def test_a_batch_of_none_is_refused(batch_size):
    for make in (
        lambda: Epochs(counted(3), batch_size=batch_size, seed=0),
        lambda: Draws(Noise(), batch_size=batch_size, seed=0),
    ):
        with pytest.raises(InputError, match="batch: must be a whole number of at least 1, got"):
            make()


def test_no_rows_are_refused():
    with pytest.raises(InputError, match="must hold at least one row to train on"):
        Epochs(counted(0), batch_size=1, seed=0)


@pytest.mark.cuda
def test_the_same_order_on_a_gpu():
    x = mixture("ring8").sample(30, torch.Generator().manual_seed(0))
    here = Epochs(Split(x), batch_size=7, seed=1)
    there = Epochs(Split(x).to("cuda"), batch_size=7, seed=1)
    copied = Epochs(Split(x), batch_size=7, seed=1, device="cuda")
    for _ in range(12):
        a, b, c = next(here).x, next(there).x, next(copied).x
        assert b.is_cuda and c.is_cuda
        assert torch.equal(a, b.cpu()) and torch.equal(a, c.cpu())
