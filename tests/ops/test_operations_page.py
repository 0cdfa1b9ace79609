"""docs/operations.md: its blocks run in order, and it leaves no public name out."""

import re
from pathlib import Path

import torch

from genbench import ops

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"


def test_the_blocks_run():
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 6
    namespace, threads = {}, torch.get_num_threads()
    torch.set_num_threads(1)  # tiny networks: threads would only wait for each other
    try:
        for block in blocks:
            exec(compile(block, str(PAGE), "exec"), namespace)
    finally:
        torch.set_num_threads(threads)
    assert namespace["x"].shape == (64, 2) and namespace["stacked"].shape == (8,)


def test_every_operation_is_on_the_page():
    text = PAGE.read_text()
    for name in set(ops.__all__) - {"backend", "modules", "reference", "scheduler"}:
        assert f"{name}(" in text
