"""The README's evaluation prints what the README shows."""

import re
import shlex
from pathlib import Path

from genbench.cli import main

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_the_readme_shows_what_is_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path / "cache"))
    (section,) = re.findall(r"^## Judging samples\n(.*?)^## ", README, re.DOTALL | re.MULTILINE)
    commands, shown = re.findall(r"```\n(.*?)```", section, re.DOTALL)
    make, evaluate = (shlex.split(line) for line in commands.splitlines())
    assert make[:2] == [".venv/bin/python", "-c"] and evaluate[0] == ".venv/bin/genbench"
    exec(make[2], {})
    assert main(evaluate[1:]) == 0
    printed = capsys.readouterr().out
    assert [line.rstrip() for line in printed.splitlines()[: len(shown.splitlines())]] == (
        shown.splitlines()
    )
