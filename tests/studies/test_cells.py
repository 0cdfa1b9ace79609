"""Cells: keys, rows, locks and folders."""

import json
import multiprocessing
import subprocess
import sys

import pytest

import genbench
from genbench.errors import InputError
from genbench.files import claim
from genbench.ops.backend import build_info, load_error
from genbench.studies.cells import (
    Cell,
    check_study,
    code_version,
    derived_seed,
    open_study,
    read_row,
    write_row,
)
from genbench.studies.rows import read_rows, write_rows

ROW = {
    "data": "ring8", "loss": "least_squares", "model": "gan", "protocol": "quick", "status": "ok",
    "seed": 0, "steps": 10, "modes": 8, "modes_held": 7, "high_quality": 0.5, "kl": 0.1,
    "kl_off_mode": None, "key": "a",
}  # fmt: skip


def test_key_is_that_of_the_specification_alone():
    a = Cell({"seed": 0, "data": "ring8"}, {"task": "here"})
    assert a.key == Cell({"data": "ring8", "seed": 0}, {"task": "elsewhere"}).key
    assert a.key != Cell({"seed": 1, "data": "ring8"}, {}).key
    assert len(a.key) == 16


def test_code_version_names_the_release():
    version = code_version("reference")
    assert version.startswith(f"{genbench.__version__}+") and "." not in version.split("+")[1]


@pytest.mark.skipif(load_error() is not None, reason="no extension")
def test_code_version_names_the_kernels_where_they_run():
    plain, fused = code_version("reference"), code_version("fused")
    built = build_info()
    assert built is not None and fused == f"{plain}.{built['sources'][:8]}"


def test_derived_seeds_differ_by_purpose_and_fit_int64():
    seeds = {derived_seed(s, p) for s in range(50) for p in ("weights", "data", "noise")}
    assert len(seeds) == 150 and all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        '{"data": "ring8"}',
        json.dumps({**ROW, "seed": "0"}),
        json.dumps({**ROW, "kl": "x"}),
        json.dumps({**ROW, "curve": 3}),
        json.dumps({**ROW, "curve": [{"step": "one"}]}),
        json.dumps({**ROW, "floor": {"modes": "many"}}),
        json.dumps({**ROW, "specification": []}),
        json.dumps({**ROW, "best_modes": "all"}),
        json.dumps({**ROW, "key": None}),
        json.dumps({**ROW, "kl": float("nan")}),
        json.dumps({**ROW, "specification": {"identity": "x"}}),
        "[" * 100_000,
        "\x00\xff",
    ],
)
def test_a_damaged_row_is_no_row(tmp_path, content):
    (tmp_path / "row.json").write_text(content)
    assert read_row(tmp_path) is None


def test_a_row_of_another_cell_is_no_row(tmp_path):
    write_row(tmp_path / "a", ROW)
    write_row(tmp_path / "b", ROW)
    assert read_row(tmp_path / "a") == ROW and read_row(tmp_path / "b") is None


def test_what_a_kill_left_while_the_folder_was_made_is_no_obstacle(tmp_path):
    (tmp_path / ".study.json.123.tmp").write_text("{")
    open_study(tmp_path)
    check_study(tmp_path)


def test_rows_are_collected_sorted_and_without_the_damaged(tmp_path):
    for name, change in {"c": {"seed": 2}, "a": {"seed": 1}, "b": {"data": "grid25"}}.items():
        write_row(tmp_path / "cells" / name, {**ROW, **change, "key": name})
    (tmp_path / "cells" / "d").mkdir()
    (tmp_path / "cells" / "d" / "row.json").write_text("{")
    assert [row["key"] for row in write_rows(tmp_path)] == ["b", "a", "c"]
    rows, bad = read_rows(tmp_path)
    assert [row["key"] for row in rows] == ["b", "a", "c"] and bad == 0


def test_bad_lines_are_counted(tmp_path):
    lines = [json.dumps(ROW), "{", "", "[1]", json.dumps({**ROW, "seed": 1})]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    rows, bad = read_rows(tmp_path)
    assert len(rows) == 2 and bad == 2


def test_no_valid_row_is_an_error(tmp_path):
    with pytest.raises(InputError, match="cannot read"):
        read_rows(tmp_path)
    (tmp_path / "rows.jsonl").write_text("{\n[]\n")
    with pytest.raises(InputError, match=r"no valid row \(2 damaged lines\)"):
        read_rows(tmp_path)


def take(path, got, everybody_answered):
    with claim(path) as held:
        got.put(held)
        if held:
            everybody_answered.wait(20)


def test_one_of_many_claims_wins(tmp_path):
    context = multiprocessing.get_context("fork")
    got = context.Queue()
    answered = context.Event()
    arguments = (tmp_path / "lock", got, answered)
    takers = [context.Process(target=take, args=arguments) for _ in range(12)]
    for taker in takers:
        taker.start()
    answers = [got.get(timeout=20) for _ in takers]
    answered.set()
    for taker in takers:
        taker.join()
    assert sum(answers) == 1


def test_a_claim_ends_with_its_process(tmp_path):
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom genbench.files import claim\n"
        "with claim(Path(sys.argv[1])) as held:\n    print(held, flush=True)\n    time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None and holder.stdout.readline() == "True\n"
    with claim(tmp_path / "lock") as held:
        assert not held
    holder.kill()
    holder.wait()
    with claim(tmp_path / "lock", wait=5) as held:
        assert held


def test_only_a_study_or_an_empty_folder_is_taken(tmp_path):
    open_study(tmp_path / "new" / "deep")
    open_study(tmp_path / "new" / "deep")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="is not empty and not a study's folder"):
        open_study(tmp_path / "mine")
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.txt"]
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="out: cannot write"):
        open_study(tmp_path / "file")


@pytest.mark.parametrize("marker", ["", "{", "[]", '{"study": "other"}'])
def test_a_damaged_marker_is_refused(tmp_path, marker):
    (tmp_path / "study.json").write_text(marker)
    with pytest.raises(InputError, match="is not a study's folder"):
        check_study(tmp_path)
    with pytest.raises(InputError, match="is not a study's folder"):
        open_study(tmp_path)
