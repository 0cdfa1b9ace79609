"""The example of docs/your-own-problem.md runs as it stands."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_example_runs(tmp_path):
    text = (ROOT / "docs" / "your-own-problem.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert code.count("steps=300") == 1
    code = code.replace("steps=300", "steps=5")  # each cell scores 5 times instead of 20
    (tmp_path / "mine.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "mine.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert "hinge_with_r1" in done.stdout and "arc, protocol quick, 5 steps" in done.stdout
    names = {path.name for path in (tmp_path / "runs" / "mine").iterdir()}
    assert {"rows.jsonl", "report.html", "samples-star-quick-5.png"} <= names
