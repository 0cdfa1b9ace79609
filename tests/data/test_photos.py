"""Photographs: which, where crops come from, and that the held-out one is never seen."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_images

from genbench.data import open_dataset
from genbench.data.photos import Crops, photographs, photos
from genbench.errors import InputError


def test_the_two_photographs_are_whole():
    found = photographs()
    for part, picture in zip(("train", "test"), load_sample_images().images, strict=True):
        assert found[part].shape == (3, 427, 640)
        np.testing.assert_array_equal(found[part].permute(1, 2, 0).numpy(), picture)


def test_tiles_cover_each_photograph_from_its_corner():
    found, data = photographs(), photos(size=64)
    assert data.data_shape == (3, 64, 64) and data.train.levels == 256
    for part, split in (("train", data.train), ("test", data.test)):
        assert len(split) == 6 * 10
        assert torch.equal(split.x[13], found[part][:, 64:128, 192:256])


def test_crops_are_parts_of_the_training_photograph():
    # every pixel says where it lies
    places = torch.stack(
        [torch.arange(20)[:, None].expand(20, 30), torch.arange(30).expand(20, 30)]
    )
    crops = Crops(places.to(torch.uint8), 8).draw(4000, torch.tensor([5])).x.long()
    top, left = crops[:, 0, 0, 0], crops[:, 1, 0, 0]
    steps = torch.arange(8)
    assert torch.equal(crops[:, 0], (top[:, None] + steps)[:, :, None].expand(-1, 8, 8))
    assert torch.equal(crops[:, 1], (left[:, None] + steps)[:, None, :].expand(-1, 8, 8))
    # 13 x 23 places; 4000 draws leave one out with probability 299 exp(-13.4)
    assert len((top * 23 + left).unique()) == 13 * 23


def test_batches_are_crops_without_end_and_resume():
    data = open_dataset("photos", size=16)
    batches = data.batches(batch_size=5, seed=2)
    first, state, second = next(batches).x, batches.state_dict(), next(batches).x
    assert first.shape == (5, 3, 16, 16) and not torch.equal(first, second)
    assert isinstance(data.fresh, Crops)
    assert torch.equal(data.fresh.picture, photographs()["train"])
    levels = (first + 1) * 127.5
    assert (levels - levels.round()).abs().max() < 1e-4  # float32 of 255
    again = data.batches(batch_size=5, seed=2)
    again.load_state_dict(state)
    assert torch.equal(next(again).x, second)


def test_the_largest_crop_is_the_photographs_height():
    data = photos(size=427)
    assert len(data.train) == len(data.test) == 1
    assert next(data.batches(batch_size=2, seed=0)).x.shape == (2, 3, 427, 427)


@pytest.mark.parametrize("size", [7, 428, 0, -1, 2.0, True])
def test_other_sizes_are_refused(size):
    with pytest.raises(InputError, match="size: must be 8 to 427 pixels for photos, got"):
        photos(size=size)
