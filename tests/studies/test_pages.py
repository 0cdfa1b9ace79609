"""A study's folder becomes pictures, page and table, whatever of it is still there."""

import io
import json
import re
import warnings

import numpy as np
import pytest
from PIL import Image

from genbench.studies.cells import is_row
from genbench.studies.pages import rewrite_report, write_report


def row(loss, seed, **changes):
    scores = {"modes": 8, "modes_held": 7, "high_quality": 0.9, "kl": 0.1, "kl_off_mode": 0.2}
    same = {"data": "ring8", "protocol": "quick", "steps": 40, "loss": loss, "seed": seed}
    found = {
        **same, "model": "gan", "status": "ok", "reason": None, **scores,
        **{f"best_{name}": value for name, value in scores.items()},
        "mode_count": 8, "floor": scores, "curve": [{"step": s, **scores} for s in (20, 40)],
        "key": f"{loss}-{seed}", "seconds": 1.0, "device": "cpu", "threads": 1,
        "specification": {**same, "data_digest": "d" * 64, "identity": {}, "samples": 100},
        "versions": {}, "conventions": {},
    }  # fmt: skip
    return {**found, **changes}


def save(path, x):
    content = io.BytesIO()
    np.save(content, x)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.getvalue())


@pytest.fixture
def study(tmp_path):
    """One loss, two seeds, frames at two steps, on the plane."""
    rows = [row("hinge", seed) for seed in (0, 1)]
    assert all(map(is_row, rows))
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    angles = np.arange(8) * np.pi / 4
    means = np.stack([np.cos(angles), np.sin(angles)], 1)
    (tmp_path / "data").mkdir()
    np.savez(tmp_path / "data" / f"{'d' * 16}.npz", means=means, sigma=np.array(0.05))
    for one in rows:
        cell = tmp_path / "cells" / one["key"]
        for step in (20, 40):
            save(cell / "frames" / f"{step:08d}.npy", means.astype(np.float32))
        save(cell / "samples.npy", means.astype(np.float32))
    return tmp_path


def cells_shown(folder):
    text = (folder / "report.html").read_text(encoding="utf-8")
    (data,) = re.findall(r'id="data">(.*?)</script>', text, re.S)
    shown = json.loads(data)["groups"][0]["gallery"]
    return [] if shown is None else shown["cells"]


def test_page_and_pictures(study):
    table, bad = rewrite_report(study)
    assert bad == 0 and "hinge" in table
    pictures = {"heatmap.png", "samples-ring8-quick-40.png", "curves-ring8-quick-40.png"}
    assert {path.name for path in study.glob("*.png")} == pictures
    for name in pictures:
        image = Image.open(study / name).convert("RGB")
        assert min(image.size) > 150 and len(image.getcolors(1 << 24) or []) > 20
    assert [cell["steps"] for cell in cells_shown(study)] == [[20, 40]] * 2


def test_frames_that_are_gone_leave_the_last_samples(study):
    for path in study.glob("cells/*/frames/*"):
        path.unlink()
    rewrite_report(study)
    assert [cell["steps"] for cell in cells_shown(study)] == [[40]] * 2


@pytest.mark.parametrize("gone", ["cells", "data"])
def test_rows_alone_make_a_page(study, gone):
    (study / gone).rename(study.parent / f"{study.name}-{gone}")
    assert "hinge" in rewrite_report(study)[0]
    assert "samples of these runs are gone" in (study / "report.html").read_text()
    assert not (study / "samples-ring8-quick-40.png").exists()


def test_a_damaged_frame_is_left_out_with_a_warning(study):
    (study / "cells" / "hinge-0" / "frames" / "00000020.npy").write_bytes(b"\x93NUMPY cut")
    with pytest.warns(UserWarning, match="cannot read .*00000020.npy"):
        rewrite_report(study)
    assert [cell["steps"] for cell in cells_shown(study)] == [[40], [20, 40]]


@pytest.mark.parametrize(
    "content", [np.array(["text"] * 3), np.zeros(3), np.zeros((0, 2)), np.zeros((3, 2), np.int64)]
)
def test_files_that_are_no_samples_are_not_drawn(study, content):
    for path in study.glob("cells/*/**/*.npy"):
        save(path, content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rewrite_report(study)
    assert cells_shown(study) == []


def test_a_row_chooses_no_file(study):
    save(study.parent / "secret" / "samples.npy", np.ones((9, 2), np.float32))
    rows = [row("hinge", 0, key="../../secret"), row("hinge", 1, key="")]
    write_report(study, rows)
    assert cells_shown(study) == []


def test_images_are_drawn_side_by_side(study):
    rng = np.random.default_rng(0)
    for path in study.glob("cells/*/**/*.npy"):
        save(path, rng.uniform(size=(6, 3, 8, 8)).astype(np.float32))
    rewrite_report(study)
    assert cells_shown(study)[0]["frames"][0].startswith("iVBOR")  # a PNG in base64
    assert (study / "samples-ring8-quick-40.png").exists()
