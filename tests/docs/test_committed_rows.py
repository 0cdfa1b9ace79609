"""What README and docs say in figures is what the committed rows hold."""

import json
import re
from pathlib import Path

from benchmarks.compare import read_rows
from benchmarks.report import replaced, short_table
from genbench.report.groups import group_rows
from genbench.report.tables import text_report
from genbench.studies.cells import is_row

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_table_is_that_of_the_rows():
    lines = (ROOT / "docs" / "results" / "mode-collapse-quick.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == 24 and all(map(is_row, rows))
    report = text_report(group_rows(rows)).rstrip()
    assert report in (ROOT / "docs" / "studies.md").read_text()
    assert report.split("\n\n")[0] in README


def test_kernel_times_are_those_of_the_rows():
    rows = read_rows(ROOT / "benchmarks" / "results" / "cpu.json")
    assert replaced(README, short_table(rows)) == README
    assert README.count("**") >= 2 * 3  # a fused figure for each size


def test_the_operations_example_of_the_readme_runs():
    (code,) = (c for c in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "ops" in c)
    names = {}
    exec(code, names)
    assert names["kl"].shape == (64,) and names["critic"].weight.grad is not None
