"""The growth script: exponents of known powers, one small run, one-line errors."""

import json

import pytest

from benchmarks import growth


def rows_of(power, base=3.0):
    """A made-up metric: seconds = base N^power d, memory flat."""
    lines = []
    for axis, n, d in growth.sizes(20_000):
        seconds = base * n**power * d
        lines.append(
            {"axis": axis, "metric": "made", "rows": n, "width": d}
            | {"cpu_seconds": seconds, "extra_mib": 7.0}
        )
    return lines


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_exponents_of_known_powers(power):
    found = {(s["axis"], s["figure"]): s["exponent"] for s in growth.exponents(rows_of(power))}
    assert found == {
        ("rows", "cpu_seconds"): power,
        ("width", "cpu_seconds"): 1.0,
        ("rows", "extra_mib"): 0.0,
        ("width", "extra_mib"): 0.0,
    }


def test_figures_that_are_not_known_have_no_exponent(tmp_path):
    lines = [row | {"extra_mib": None} for row in rows_of(2.0)]
    assert {s["figure"] for s in growth.exponents(lines)} == {"cpu_seconds"}
    growth.draw(lines, tmp_path / "growth.png")
    assert (tmp_path / "growth.png").stat().st_size > 10_000


def test_a_small_run_writes_rows_and_a_picture(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(growth, "ROWS", (400,))
    monkeypatch.setattr(growth, "WIDTHS", ())
    assert growth.main(["--out", str(tmp_path), "--metrics", "precision_recall"]) == 0
    found = json.loads((tmp_path / "growth.json").read_text())
    assert [row["rows"] for row in found["rows"]] == [400]
    for row in found["rows"]:
        assert (
            row["seconds"] > 0
            and row["cpu_seconds"] > 0
            and row["threads"] >= 1
            and row["width"] == growth.WIDTH
        )
    assert (tmp_path / "growth.png").is_file()
    assert "precision_recall 400 x 256:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--out", "x", "--metrics", "fid"], "--metrics must be of precision_recall"),
        ([], "--out must name a folder"),
        (["--largest", "many"], "invalid int value"),
    ],
)
def test_bad_arguments_are_one_line(arguments, words, capsys):
    try:
        code = growth.main(arguments)
    except SystemExit as error:
        code = error.code
    said = capsys.readouterr().err
    assert code == 2 and words in said and said.count("\n") == 1
