"""Damaged files, folders and disks of a study: made again, or one clear line, and exit 2."""

import errno
import json
import os
import shutil
import stat

import pytest
from one_process import Here

from genbench import files
from genbench.cli import main
from genbench.studies import driver

STUDY = ["study", "mode-collapse", "--data", "ring8", "--seeds", "1", "--steps", "4"]
STUDY += ["--losses", "non_saturating", "least_squares"]


@pytest.fixture(autouse=True, scope="module")
def one_process():
    """Workers are slow to start, and no part of what is tested here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(driver, "_Pool", Here)
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("finished") / "out"
    assert main([*STUDY, "--out", str(out)]) == 0
    return out


@pytest.fixture
def study(finished, tmp_path):
    """A copy of the finished study's folder."""
    return shutil.copytree(finished, tmp_path / "out")


def rows(out):
    found = [json.loads(line) for line in (out / "rows.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k != "seconds"} for row in found]


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def one_line(capsys, *arguments):
    """Standard error of a command that ends with 2, apart from a note of how its cells run."""
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    (line,) = (line for line in lines if not line.startswith("functions defined in __main__"))
    return line


def test_cut_files_are_made_again_and_whole_cells_are_left_alone(finished, study):
    first, second = sorted((study / "cells").iterdir())
    cut(first / "row.json")
    for path in first.glob("checkpoints/*/state.safetensors"):
        cut(path)
    for path in (study / "rows.jsonl", *(study / "data").iterdir()):
        cut(path)
    whole = (second / "row.json").stat().st_mtime_ns
    assert main([*STUDY, "--out", str(study)]) == 0
    assert rows(study) == rows(finished)
    assert (second / "row.json").stat().st_mtime_ns == whole


def test_a_cut_marker_is_one_line(study, capsys):
    cut(study / "study.json")
    line = one_line(capsys, *STUDY, "--out", study)
    assert "no readable study.json in it); choose another --out" in line


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="POSIX permissions")
def test_a_folder_that_may_not_be_written_is_one_line(study, capsys):
    closed = [place for place in study.parents if not place.stat().st_mode & 0o001]  # pytest's own
    modes = {place: stat.S_IMODE(place.stat().st_mode) for place in (study, *closed)}
    for place in modes:
        place.chmod(0o555 if place == study else 0o755)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # root may write everywhere
    try:
        old = one_line(capsys, *STUDY, "--out", study)
        new = one_line(capsys, *STUDY, "--out", study / "new")
        page = one_line(capsys, "report", study)
    finally:
        os.seteuid(user)
        for place, mode in modes.items():
            place.chmod(mode)
    assert f"out: cannot write '{study}' (Permission denied); choose another --out" in old
    assert f"out: cannot write '{study / 'new'}' (Permission denied)" in new
    assert "Permission denied" in page and str(study) in page


def full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


FULL = "(No space left on device); mend that, then the same command goes on, or choose another"


def test_no_space_for_the_table_of_rows(tmp_path, capsys, monkeypatch):
    write = files.write_text
    monkeypatch.setattr(
        files,
        "write_text",
        lambda path, text: full() if path.name == "rows.jsonl" and text else write(path, text),
    )
    line = one_line(capsys, *STUDY, "--out", tmp_path)
    assert f"out: cannot write '{tmp_path}' {FULL} --out" in line
    assert len(list(tmp_path.glob("cells/*/row.json"))) == 1  # what was finished stays


def test_no_space_for_a_traceback(tmp_path, capsys, monkeypatch):
    write = files.write_text
    monkeypatch.setattr("genbench.studies.execute.write_row", lambda *_: 1 / 0)
    monkeypatch.setattr(
        files,
        "write_text",
        lambda path, text: full() if path.name == "error.txt" else write(path, text),
    )
    assert FULL in one_line(capsys, *STUDY, "--out", tmp_path)
