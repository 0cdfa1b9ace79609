"""What every test shares: hypothesis profiles, and no CUDA test without a device."""

import os

import pytest
from hypothesis import settings

# A process that a test starts is no worker of pytest-xdist: there pytest-benchmark times nothing.
for name in [name for name in os.environ if name.startswith("PYTEST_XDIST_")]:
    del os.environ[name]

# The same cases on every run: a failure that comes and goes is nobody's. `make test-slow` takes ten
# times as many.
settings.register_profile("fixed", max_examples=500, derandomize=True, deadline=None, database=None)
settings.register_profile("slow", settings.get_profile("fixed"), max_examples=5000)
settings.register_profile("asan", settings.get_profile("fixed"), max_examples=30)
settings.load_profile("fixed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is marked cuda where torch finds no device."""
    marked = [item for item in items if item.get_closest_marker("cuda")]
    if not marked:
        return
    import torch  # not at the top: a run of other tests need not load it

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))
