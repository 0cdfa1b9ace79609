"""Cells: keys, rows, locks and folders."""

import json
import multiprocessing
import random
import subprocess
import sys

import pytest

import genbench
from genbench.errors import InputError
from genbench.files import claim
from genbench.ops.backend import build_info, load_error
from genbench.studies import rows as studies_rows
from genbench.studies.cells import (
    Cell,
    check_study,
    code_version,
    derived_seed,
    open_study,
    parse_row,
    read_row,
    write_row,
)
from genbench.studies.rows import Rows, read_rows, write_rows

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
        json.dumps({**ROW, "kl": 0.125}).replace("0.125", "1e999"),
        json.dumps({**ROW, "kl": 0.125}).replace("0.125", "-1e999"),
        json.dumps({**ROW, "specification": {"config": {"weight": 0.125}}}).replace(
            "0.125", "1e999"
        ),
        json.dumps({**ROW, "seconds": 10**400}),
        json.dumps({**ROW, "steps": -(10**400)}),
        json.dumps({**ROW, "reason": "\ud800"}),
        json.dumps({**ROW, "specification": {"identity": "x"}}),
        "[" * 100_000,
        "\x00\xff",
    ],
)
def test_a_damaged_row_is_no_row(tmp_path, content):
    (tmp_path / "row.json").write_text(content)
    assert read_row(tmp_path) is None


def test_a_row_cut_anywhere_is_no_row(tmp_path):
    write_row(tmp_path / "a", ROW)
    content = (tmp_path / "a" / "row.json").read_bytes()
    assert parse_row(content[:-1]) == parse_row(content) == ROW  # the last byte ends the line
    assert not any(parse_row(content[:end]) for end in range(len(content) - 1))


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
    rows, bad = read_rows(tmp_path / "rows.jsonl")
    assert [row["key"] for row in rows] == ["b", "a", "c"] and bad == 0


def test_rows_added_one_by_one_are_those_of_all_cells(tmp_path, monkeypatch):
    rng = random.Random(0)
    write_row(tmp_path / "cells" / "early", {**ROW, "key": "early"})
    kept, reads = Rows(tmp_path), []
    monkeypatch.setattr(studies_rows, "read_row", lambda cell: reads.append(cell) or read_row(cell))
    names = [f"{number:02}" for number in rng.sample(range(30), 30)]
    for name in [*names, "early", *names[:5]]:  # some have another row after all
        change = {
            "seed": rng.randrange(3),
            "loss": rng.choice("ab"),
            "kl": rng.random(),
            "key": name,
        }
        write_row(tmp_path / "cells" / name, {**ROW, **change})
        kept.add(name)
        assert name in kept and reads == [tmp_path / "cells" / name]  # no other cell is read again
        added = (tmp_path / "rows.jsonl").read_bytes()
        assert write_rows(tmp_path) == kept.rows()
        assert (tmp_path / "rows.jsonl").read_bytes() == added
        reads.clear()
    assert len(kept.rows()) == 31


def test_a_row_that_is_gone_again_is_not_added(tmp_path):
    kept = Rows(tmp_path)
    kept.add("nothing")
    assert kept.rows() == [] and (tmp_path / "rows.jsonl").read_bytes() == b""


def test_bad_lines_are_counted(tmp_path):
    lines = [json.dumps(ROW), "{", "", "[1]", json.dumps({**ROW, "seed": 1})]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    rows, bad = read_rows(tmp_path / "rows.jsonl")
    assert len(rows) == 2 and bad == 2


def test_no_valid_row_is_an_error(tmp_path):
    with pytest.raises(InputError, match="cannot read"):
        read_rows(tmp_path / "rows.jsonl")
    (tmp_path / "rows.jsonl").write_text("{\n[]\n")
    with pytest.raises(InputError, match=r"no valid row \(2 damaged lines\)"):
        read_rows(tmp_path / "rows.jsonl")


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
