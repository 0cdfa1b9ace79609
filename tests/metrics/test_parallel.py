"""Blocks of images on threads of their own."""

import threading

import pytest
import torch

from genbench.metrics.extractors.parallel import each_on_one_thread


@pytest.fixture(params=[1, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_blocks_come_back_in_order_each_from_one_thread(threads):
    seen = set()
    together = threading.Barrier(threads, timeout=60)

    def function(block):
        together.wait()  # passes only where as many blocks run at once
        seen.add(torch.get_num_threads())
        return block * 2

    x = torch.arange(12).reshape(6, 2)
    assert torch.equal(torch.cat(each_on_one_thread(function, x.split(1))), 2 * x)
    assert seen == {1}
    assert torch.get_num_threads() == threads


def test_an_error_comes_through_and_threads_come_back(threads):
    with pytest.raises(ZeroDivisionError):
        each_on_one_thread(lambda block: 1 / 0, torch.zeros(4, 1).split(1))
    assert torch.get_num_threads() == threads
