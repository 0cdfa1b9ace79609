"""Tables and pictures hold what the rows hold."""

import json

import pytest

from benchmarks.compare import BadInput, read_rows
from benchmarks.report import main, page, replaced, short_table

MEDIANS = {
    "eager": 300.0,
    "compiled": 1200.0,
    "reference": 2000.0,
    "diffusers": 900.0,
    "fused": 60.0,
}
MACHINE = {
    "device": "cpu",
    "processor": "Some CPU",
    "threads": 1,
    "torch": "2.13",
    "genbench": "x",
    "instruction_set": "avx2",
    "compiler": None,
}


def row(op, direction, size, variant, median, **more):
    moved = 12 * 2**size
    return {
        "group": f"{op} {direction}, 2^{size} elements",
        "extra_info": MACHINE
        | {"op": op, "direction": direction, "elements": 2**size, "dtype": "float32"}
        | {"variant": variant, "load": 0.25, "bytes": moved, "copy_bandwidth": 10.0}
        | {"p10_us": 0.9 * median, "median_us": median, "p90_us": 1.1 * median}
        | {"ns_per_element": 1e3 * median / 2**size, "share_of_copy": moved / 1e4 / median}
        | {"gigabytes_per_second": moved / median / 1e3}
        | more,
    }


@pytest.fixture
def source(tmp_path):
    rows = [
        row("ddpm_step", direction, size, variant, median * 2 ** (size - 16), **fresh)
        for direction in ("forward", "forward + backward")
        for size in (16, 20)
        for variant, median in MEDIANS.items()
        for fresh in ({"fresh_median_us": 7.0 * median} if size == 20 else {},)
        if not (direction != "forward" and variant == "fused")
    ]
    path = tmp_path / "results" / "some.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"benchmarks": rows}))
    return path


def test_the_tables_hold_the_medians_and_what_fused_is_worth(source):
    text = page(read_rows(source), "some.json", "some.png")
    share = 100 * 12 * 2**16 / 1e4 / 60
    assert (
        "| 2^16 | 300 | 1200 | 2000 | 900 | 60.0 | 5.0 | 20.0 "
        f"| 0.92 | {12 * 2**16 / 60e3:.1f} | {share:.0f} % |  |  |" in text
    )
    assert "| 4800 | 19200 | 32000 | 14400 | 960 | 5.0 | 20.0 |" in text
    assert "| 2100 | 420 |" in text  # with fresh memory
    assert "| 2^16 | 300 | 1200 | 2000 | 900 |\n" in text  # the table without a fused row
    assert "device cpu, processor Some CPU, threads 1" in text
    assert "Load average 0.2 to 0.2.\n" in text


def test_a_busy_machine_is_named(source):
    rows = read_rows(source)
    next(iter(rows.values()))["load"] = 3.0
    assert "Load average 0.2 to 3.0; other work was running." in page(rows, "a.json", "a.png")


def test_the_command_writes_page_picture_and_short_table(source, tmp_path, capsys):
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- benchmarks: begin -->\nold\n<!-- benchmarks: end -->\nafter\n")
    out = tmp_path / "docs" / "benchmarks"
    assert main([str(source), "--out", str(out), "--readme", str(readme)]) == 0
    assert capsys.readouterr().out.split() == list(
        map(str, (out / "some.md", out / "some.png", readme))
    )
    assert "[some.json](../../results/some.json)" in (out / "some.md").read_text()
    assert (out / "some.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    short = readme.read_text()
    assert short.startswith("before\n<!--") and short.endswith("-->\nafter\n")
    assert "old" not in short
    assert (
        "| ddpm_step, forward | - / - / - | 300 / 1200 / **60** | 4800 / 19200 / **960** |" in short
    )
    assert "forward + backward" not in short  # nothing fused there


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["gone.json", "--out", "x"], "No such file"),
        (["{source}", "--out", "{source}"], "File exists"),
        (
            ["{source}", "--out", "x", "--readme", "{source}"],
            "must hold <!-- benchmarks: begin -->",
        ),
    ],
)
def test_faults_are_one_line_and_write_nothing(
    source, tmp_path, monkeypatch, capsys, arguments, why
):
    monkeypatch.chdir(tmp_path)
    assert main([text.replace("{source}", str(source)) for text in arguments]) == 2
    err = capsys.readouterr().err
    assert err.startswith("benchmarks.report: ") and err.count("\n") == 1 and why in err
    assert not (tmp_path / "x").exists()


def test_rows_of_an_older_format_are_refused(source):
    rows = read_rows(source)
    del next(iter(rows.values()))["share_of_copy"]
    with pytest.raises(BadInput, match="eager lacks share_of_copy; record it again"):
        page(rows, "a.json", "a.png")
    assert short_table(rows)  # that needs the medians alone


def test_the_short_table_leaves_the_noise_out():
    rows = {(f"{op} forward, 2^16 elements", "fused"): {"median_us": 1.0} for op in ("normal", "x")}
    assert short_table(rows)[2:] == ["| x, forward | - / - / - | - / - / **1** | - / - / - |"]


def test_marks_must_be_there_once():
    with pytest.raises(BadInput, match="once each"):
        replaced("no marks", [])
