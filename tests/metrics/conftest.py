"""What tests of metrics share."""

import pytest

from genbench.metrics.reductions import single_threaded


@pytest.fixture(scope="module")
def one_thread():
    """For small matrices: threads would only wait for each other."""
    with single_threaded():
        yield
