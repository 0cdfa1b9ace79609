"""How an evaluation's progress is shown: plain lines at intervals, bars on a terminal."""

import io
import sys

import pytest

from genbench.report import stages
from genbench.report.stages import StageBar, StageLines, Stages, stages_for_terminal


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(stages.time, "monotonic", lambda: now[0])
    return now


def test_lines_come_at_intervals_and_say_what_is_left(clock):
    stream = io.StringIO()
    lines = StageLines(stream)
    for second in range(26):
        clock[0] = float(second)
        lines.advance("real", 256 + 10 * second, 1256)
    assert stream.getvalue().splitlines() == [
        "real: 356 of 1256, about 2 min left",
        "real: 456 of 1256, about 80 s left",
    ]


def test_a_quick_stage_says_nothing(clock):
    stream = io.StringIO()
    lines = StageLines(stream)
    for stage in ("real", "fake"):
        for second in range(9):
            clock[0] += 1.0
            lines.advance(stage, second, 9)
    assert stream.getvalue() == ""
    lines.note("cache: gone")
    assert stream.getvalue() == "cache: gone\n"


def test_a_stage_between_others_keeps_its_time(clock):
    stream = io.StringIO()
    lines = StageLines(stream)
    lines.advance("metrics", 0, 3)
    for second in range(8):
        clock[0] = float(second)
        lines.advance("pairs", second, 8)
    clock[0] = 30.0
    lines.advance("metrics", 2, 3)
    assert stream.getvalue() == "metrics: 2 of 3, about 15 s left\n"


def test_bars_and_notes_on_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    bar = stages_for_terminal()
    assert isinstance(bar, StageBar)
    bar.advance("real: images", 3, 10)
    bar.advance("real: images", 10, 10)
    bar.note("left out [red]2[/red] rows")  # no markup: a path may hold brackets
    bar.close()
    shown = terminal.getvalue()
    assert "real: images" in shown and "left out [red]2[/red] rows" in shown


def test_lines_elsewhere(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert isinstance(stages_for_terminal(), StageLines)


def test_nothing_is_shown_by_default(capsys):
    quiet = Stages()
    quiet.advance("real", 1, 2)
    quiet.note("something")
    quiet.close()
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""
