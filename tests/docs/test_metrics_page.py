"""docs/metrics.md: its example runs, and it leaves out no metric, short name or extractor."""

import re
from pathlib import Path

import pytest

from genbench.data import open_samples
from genbench.metrics import ALIASES, CATALOG
from genbench.metrics.extractors import EXTRACTORS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "metrics.md").read_text()


def test_the_example_runs():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, object] = {}
    exec(code, names)
    assert getattr(names["moments"], "count", None) == 2000


@pytest.mark.parametrize("name", [*CATALOG, *ALIASES])
def test_every_metric_has_its_place(name):
    rows = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    assert any(f"`{name}`" in cell for cell in rows)


def test_a_short_name_stands_beside_its_metric():
    for short, name in ALIASES.items():
        (row,) = [line for line in PAGE.splitlines() if re.match(rf"\| [^|]*`{short}`", line)]
        assert f"`{name}`" in row.split("|")[1]


@pytest.mark.parametrize("name", EXTRACTORS)
def test_every_extractor_is_described(name):
    assert re.search(rf"^\| `{name}`", PAGE, re.MULTILINE)


def test_readers_are_those_described():
    opened = open_samples.__doc__ or ""
    for suffix in (".npy", ".npz", ".safetensors"):
        assert suffix in opened and f"`{suffix}`" in PAGE
