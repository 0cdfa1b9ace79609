"""What the comparisons with NumPy's users share."""

import functools

import torch
from torch import Tensor

from benchmarks.metrics.comparison import Function, Scores


def on_torchs_threads(function: Function) -> Function:
    """NumPy's BLAS has threads of its own: as many as torch's, while this runs."""
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    @functools.wraps(function)
    def run(real: Tensor, fake: Tensor) -> Scores:
        with threadpool_limits(torch.get_num_threads(), user_api="blas"):
            return function(real, fake)

    return run
