"""What tests of studies share."""

import pytest
from one_process import Here

from genbench.studies import driver


@pytest.fixture
def here(monkeypatch):
    """Cells run in this process."""
    monkeypatch.setattr(driver, "_Pool", Here)
