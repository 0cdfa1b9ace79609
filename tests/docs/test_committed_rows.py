"""What README and docs say in figures is what the committed rows hold."""

import json
import re
from pathlib import Path

import pytest

from genbench.report.tables import group_rows, text_report
from genbench.studies.cells import is_row

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_table_is_that_of_the_rows():
    lines = (ROOT / "docs" / "results" / "mode-collapse-quick.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == 24 and all(map(is_row, rows))
    assert text_report(group_rows(rows)).rstrip() in README


@pytest.mark.parametrize("kind", ["forward", "forward + backward"])
@pytest.mark.parametrize("size", ["2^10", "2^16", "2^20"])
def test_kernel_times_are_those_of_the_rows(kind, size):
    rows = json.loads((ROOT / "benchmarks" / "results" / "cpu.json").read_text())["benchmarks"]
    median = {
        row["extra_info"]["variant"]: row["extra_info"]["median_us"]
        for row in rows
        if row["group"] == f"reparameterize_kl {kind}, {size} elements"
    }
    cells = " | ".join(f"{median[name]:.0f}" for name in ("eager", "compiled", "fused"))
    assert f"| {kind}, {size} | {cells} |" in README


def test_the_operations_example_of_the_readme_runs():
    (code,) = (c for c in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "ops" in c)
    names = {}
    exec(code, names)
    assert names["kl"].shape == (64,) and names["critic"].weight.grad is not None
