"""docs/objectives.md names exactly what the catalogs hold, and its examples parse."""

import re
from pathlib import Path

from genbench.losses import CATALOG, create_loss
from genbench.losses.parts import PARTS

PAGE = (Path(__file__).parents[2] / "docs" / "objectives.md").read_text()


def test_the_tables_hold_every_name():
    named = re.findall(r"^\| `(\w+)` \|", PAGE, flags=re.MULTILINE)
    assert sorted(named) == sorted([*CATALOG, *PARTS])


def test_the_examples_are_losses():
    (examples,) = re.findall(r"```\n(.*?)```", PAGE, flags=re.DOTALL)
    for name in examples.split():
        assert create_loss(name).name == name
