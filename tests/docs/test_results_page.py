"""docs/results.md holds the tables of the committed rows, which are those of its commands."""

from genbench.cli import parser
from genbench.commands.common import settings
from genbench.losses import create_loss
from genbench.report.groups import group_rows
from genbench.studies.cells import is_row
from genbench.studies.protocols import PROTOCOLS
from tools import results


def test_the_page_is_that_of_the_rows():
    text = results.PAGE.read_text()
    assert results.page(text) == text
    for name in results.TABLES:
        assert f"\n<!-- {name}: begin -->\n```\ngenbench study" in text


def wanted(name):
    """(data, loss, seed, steps, batch, backend, critic) of every cell of a table's commands."""
    cells = set()
    for arguments in results.TABLES[name]:
        options = parser().parse_args(f"{results.STUDY} {arguments}".split()[1:])
        protocol = PROTOCOLS[options.protocol]
        constants = {"critic": "mlp", **protocol.model, **settings(options.set or [])}
        common = options.steps or protocol.steps, options.batch or protocol.batch_size
        common = *common, options.backend or "fused"
        cells |= {
            (data, loss, seed, *common, constants["critic"])
            for data in options.data or protocol.data
            for loss in options.losses
            for seed in range(options.seeds)
        }
    return cells


def test_the_rows_are_those_of_the_commands():
    for name in results.TABLES:
        rows = results.rows_of(name)
        assert all(map(is_row, rows)) and len({row["key"] for row in rows}) == len(rows)
        found = {
            (*(row[k] for k in ("data", "loss", "seed", "steps")), *told, critic)
            for row in rows
            for spec in [row["specification"]]
            for told in [(spec["batch_size"], spec["backend"])]
            for critic in [spec["config"].get("critic", "mlp")]
        }
        assert found == wanted(name)
        for loss in {row["loss"] for row in rows}:
            create_loss(loss)


def test_the_default_table_meets_its_bar():
    """On the grid one objective holds every mode in each seed, the plain one fewer than half."""
    (grid,) = [g for g in group_rows(results.rows_of("quick")) if g.rows[0]["data"] == "grid25"]
    assert max(grid.whole(loss) for loss in grid.losses) == 6
    held = grid.interval("non_saturating", "modes_held").mean
    assert held is not None and held < 12.5


def test_packing_helps_on_pacgans_ring_as_published():
    """More modes and a lower divergence than the plain GAN, three seeds of 40,000 steps."""
    (ring,) = group_rows(results.rows_of("pacgan-ring"))
    plain, packed = results.PAIR.split()
    assert len(ring.rows) == 6 and {row["steps"] for row in ring.rows} == {40_000}
    pair, keys = (plain, packed), ("modes", "kl")
    means = {key: [ring.interval(x, key).mean or 0.0 for x in pair] for key in keys}
    assert means["modes"][0] < means["modes"][1] and means["kl"][0] > means["kl"][1]
    table = results.against_published(ring)
    assert (
        f"| PacGAN2, PacGAN | modes | 7.9 | 8.0 ± 0.0 | {means['modes'][1] - 7.9:+.1f} |" in table
    )
    assert f"| GAN, PacGAN | KL | 0.450 (0.090) | {means['kl'][0]:.3f}" in table


def test_packing_helps_on_stacked_digits_in_every_seed():
    (digits,) = group_rows(results.rows_of("stacked-digits"))
    plain, packed = ([row["modes"] for row in digits.of(loss)] for loss in results.PAIR.split())
    assert len(plain) == 3 and all(b > a for a, b in zip(plain, packed, strict=True))
    text = results.PAGE.read_text().split("## Stacked digits")[1]
    for ours, theirs in ((sum(plain) / 3, 78.5), (sum(packed) / 3, 484.5)):
        assert f"| {theirs} | {ours:.1f} | {ours - theirs:+.1f} |" in text


def test_other_protocols_and_other_data_have_nothing_published_to_stand_beside():
    assert not any(map(results.against_published, group_rows(results.rows_of("quick"))))


def test_a_study_is_run_kept_and_told(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("PYTHONPATH", str(results.ROOT))
    monkeypatch.setattr(results, "ROOT", tmp_path)
    monkeypatch.setattr(results, "PAGE", tmp_path / "docs" / "results.md")
    tiny = "--data ring8 --losses hinge --seeds 1 --batch 6 --steps"
    monkeypatch.setattr(results, "TABLES", {"tiny": [f"{tiny} 2", f"{tiny} 3"]})
    results.PAGE.parent.mkdir()
    results.PAGE.write_text("a\n<!-- tiny: begin -->\nstale\n<!-- tiny: end -->\nz\n")
    assert results.main(["tiny"]) == 0
    text = results.PAGE.read_text()
    assert (
        text.startswith("a\n") and text.endswith("<!-- tiny: end -->\nz\n") and "stale" not in text
    )
    assert "2 [rows](results/tiny.jsonl)" in text and "ring8, protocol quick, 3 steps" in text
    assert [row["steps"] for row in results.rows_of("tiny")] == [2, 3]
    assert results.main(["huge"]) == 2 and "there are tiny" in capfd.readouterr().err


def test_a_study_that_fails_keeps_the_rows_as_they_are(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(results.ROOT))
    monkeypatch.setattr(results, "ROOT", tmp_path)
    monkeypatch.setattr(results, "TABLES", {"tiny": ["--data ring7"]})
    assert results.main(["tiny"]) == 2 and not results.kept("tiny").exists()
