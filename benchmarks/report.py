"""Benchmark rows as Markdown tables and a picture.

    python -m benchmarks.report benchmarks/results/cpu.json --out docs/benchmarks
    python -m benchmarks.report ROWS.json --out DIR --readme README.md

Writes DIR/NAME.md and DIR/NAME.png, NAME being that of the rows; --readme replaces the lines
between the two marks in a document. Exit 2 with one line for bad input.
"""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.compare import BadInput, Parser, Rows, read_rows

BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"
GROUP = re.compile(r"(\w+) (forward|forward \+ backward), 2\^(\d+) elements$")
FIRST = ("eager", "compiled", "compiled_fallback", "reference")  # then others' code, then fused
SHORT_SIZES = (10, 16, 20)  # of the short table
PARTS = ("uniform", "normal")  # which it leaves out: they are inside the other operations
MACHINE = ("device", "processor", "threads", "torch", "genbench", "instruction_set", "compiler")
NEEDED = ("op", "direction", "elements", "dtype", "share_of_copy", "load", *MACHINE)
BUSY = 1.0  # a load average from which other work was running

Table = dict[int, dict[str, dict[str, Any]]]  # size -> variant -> extra_info


def tables(rows: Rows) -> dict[tuple[str, str, str], Table]:
    """(op, direction, dtype) -> its table. Errors: BadInput for rows of an older format."""
    found: dict[tuple[str, str, str], Table] = {}
    for (group, variant), row in rows.items():
        if "metric" in row or "objective" in row:
            continue
        if lacking := [name for name in NEEDED if name not in row]:
            raise BadInput(f"{group}, {variant} lacks {', '.join(lacking)}; record it again")
        size = row["elements"].bit_length() - 1
        key = (row["op"], row["direction"], row["dtype"])
        found.setdefault(key, {}).setdefault(size, {})[variant] = row
    return found


def page(rows: Rows, source: str, picture: str) -> str:
    """The whole document. source, picture: as the document names them."""
    by_table = tables(rows)
    shown = ["", f"![nanoseconds an element of every variant, by size]({picture})"]
    lines = [
        f"# Measured: {Path(source).stem}",
        "",
        f"Written by `python -m benchmarks.report` from [{Path(source).name}]({source}).",
        "Medians in microseconds; [what the rows and columns mean](../benchmarks.md).",
        "",
        *machine_lines(rows),
        *(shown if by_table else []),
    ]
    for (op, direction, dtype), table in by_table.items():
        half = "" if dtype == "float32" else f", {dtype}"
        lines += ["", f"## {op}, {direction}{half}", "", *table_lines(table)]
    return "\n".join([*lines, *metric_lines(rows), *study_lines(rows), *replay_lines(rows)]) + "\n"


def metric_lines(rows: Rows) -> list[str]:
    """A table for the metrics: seconds, peak memory, and what ours is worth."""
    found = {key: row for key, row in rows.items() if "metric" in row}
    if not found:
        return []
    heads = ["", "variant", "seconds", "MiB beside the features", "times genbench's"]
    lines = ["", "## Metrics", "", row_line(heads), row_line(["---", "---", *["---:"] * 3])]
    for (group, variant), row in found.items():
        ours = found.get((group, "genbench"))
        times = f"{row['median_us'] / ours['median_us']:.1f}" if ours else ""
        cells = [f"{row['median_us'] / 1e6:.3g}", number(row["extra_mib"]), times]
        lines.append(row_line([group, variant, *cells]))
    return lines


def study_lines(rows: Rows) -> list[str]:
    """A table for the study: seed-steps a second of the machine, and starts of cells."""
    found = {key: row for key, row in rows.items() if "times_the_best_plain_loop" in row}
    if not found:
        return []
    heads = ["", "variant", "ms a seed-step", "seed-steps a second", "times the best plain loop"]
    heads += ["compiling in s", "reading it in s", "later cells in s"]
    lines = ["", "## The study", "", row_line(heads), row_line(["---", "---", *["---:"] * 6])]
    for (group, variant), row in found.items():
        cells = [f"{row['median_us'] / 1e3:.2f}", f"{row['seed_steps_a_second']:.0f}"]
        cells.append(f"{row['times_the_best_plain_loop']:.2f}")
        starts = ("first_cell_starts_in_s", "other_worker_starts_in_s", "later_cells_start_in_s")
        lines.append(row_line([group, variant, *cells, *(number(row[name]) for name in starts)]))
    return lines


def replay_lines(rows: Rows) -> list[str]:
    """A table for stacked seeds on a GPU: what a replay takes, and what bounds it."""
    found = {key: row for key, row in rows.items() if "replay_ms" in row}
    if not found:
        return []
    names = ("replay_ms", "host_ms", "kernels_ms", "kernels_a_replay", "seed_steps_a_second")
    heads = ["", "variant", *(name.replace("_", " ") for name in names)]
    lines = ["", "## Stacked seeds", "", row_line(heads), row_line(["---"] * 2 + ["---:"] * 5)]
    for (group, variant), row in found.items():
        lines.append(row_line([group, variant, *(f"{row[name]:g}" for name in names)]))
    return lines


def machine_lines(rows: Rows) -> list[str]:
    first = next(iter(rows.values()))
    loads = [row["load"] for row in rows.values()]
    about = ", ".join(f"{name} {first[name]}" for name in MACHINE if first[name] is not None)
    busy = "; other work was running" if max(loads) > BUSY + first["threads"] else ""
    return [f"{about}. Load average {min(loads):.1f} to {max(loads):.1f}{busy}.".replace("_", " ")]


def variants_in(table: Table) -> list[str]:
    found = {name for row in table.values() for name in row}
    others = sorted(found - {*FIRST, "fused"})
    return [name for name in (*FIRST, *others, "fused") if name in found]


def table_lines(table: Table) -> list[str]:
    """Medians in us, then what fused is worth where there is a fused row."""
    names = variants_in(table)
    fused = "fused" in names
    heads = ["elements", *names]
    if fused:
        heads += ["eager / fused", "compiled / fused", "ns an element", "GB/s", "of a copy"]
        heads += ["fresh: eager", "fresh: fused"]
    lines = [row_line(heads), row_line(["---", *["---:"] * (len(heads) - 1)])]
    for size, row in sorted(table.items()):
        cells = [f"2^{size}", *(median(row, name) for name in names)]
        lines.append(row_line(cells + (worth(row) if fused else [])))
    forms = sorted(
        {row["eager"]["form"] for row in table.values() if "form" in row.get("eager", {})}
    )
    return lines + (["", f"Fastest eager form: {', '.join(forms)}."] if forms else [])


def worth(row: dict[str, dict[str, Any]]) -> list[str]:
    fused = row.get("fused", {})
    ratios = [ratio(row, "eager"), ratio(row, "compiled")]
    fresh = [number(row.get(name, {}).get("fresh_median_us")) for name in ("eager", "fused")]
    if not fused:
        return [*ratios, "", "", "", *fresh]
    per_element = f"{fused['ns_per_element']:.2f}"
    share = f"{100 * fused['share_of_copy']:.0f} %"
    return [*ratios, per_element, f"{fused['gigabytes_per_second']:.1f}", share, *fresh]


def ratio(row: dict[str, dict[str, Any]], name: str) -> str:
    if name not in row or "fused" not in row:
        return ""
    return f"{row[name]['median_us'] / row['fused']['median_us']:.1f}"


def median(row: dict[str, dict[str, Any]], name: str) -> str:
    return number(row.get(name, {}).get("median_us"))


def number(value: float | None) -> str:
    """Three digits at least, no more than one place behind the point."""
    return "" if value is None else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def row_line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def short_table(rows: Rows) -> list[str]:
    """For a README: us of eager / compiled / fused, a line for each float32 row that is fused."""
    lines = [row_line(["", *(f"2^{size}" for size in SHORT_SIZES)])]
    lines.append(row_line(["---"] * (len(SHORT_SIZES) + 1)))
    found: dict[str, dict[int, dict[str, float]]] = {}
    for (group, variant), row in rows.items():
        if matched := GROUP.match(group):
            op, direction, size = matched.groups()
            if op in PARTS:
                continue
            name = f"{op}, {direction}"
            found.setdefault(name, {}).setdefault(int(size), {})[variant] = row["median_us"]
    for name, sizes in found.items():
        if any("fused" in variants for variants in sizes.values()):
            lines.append(row_line([name, *(triple(sizes.get(size, {})) for size in SHORT_SIZES)]))
    return lines


def triple(medians: dict[str, float]) -> str:
    cells = [f"{medians[name]:.0f}" if name in medians else "-" for name in ("eager", "compiled")]
    return " / ".join([*cells, f"**{medians['fused']:.0f}**" if "fused" in medians else "-"])


def replaced(document: str, lines: list[str]) -> str:
    """The document with these lines between its marks. Errors: BadInput without the marks."""
    if document.count(BEGIN) != 1 or document.count(END) != 1:
        raise BadInput(f"the document must hold {BEGIN} and {END} once each")
    head, rest = document.split(BEGIN)
    return "\n".join([f"{head}{BEGIN}", *lines, f"{END}{rest.split(END)[1]}"])


def main(arguments: list[str] | None = None) -> int:
    parser = Parser(prog="benchmarks.report", description="Rows as Markdown and a picture.")
    parser.add_argument("rows", type=Path, metavar="ROWS")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--readme", type=Path, metavar="FILE", help="document with a short table")
    chosen = parser.parse_args(arguments)
    try:
        for path in write(chosen.rows, chosen.out, chosen.readme):
            print(path)
    except (BadInput, OSError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    return 0


def write(source: Path, out: Path, readme: Path | None) -> Iterator[Path]:
    """Writes the documents; gives the path of each."""
    from benchmarks.picture import draw  # matplotlib: here alone

    rows = read_rows(source)
    text, picture = out / f"{source.stem}.md", out / f"{source.stem}.png"
    content = page(rows, relative(source, out), picture.name)
    short = replaced(readme.read_text(), short_table(rows)) if readme is not None else ""
    out.mkdir(parents=True, exist_ok=True)
    text.write_text(content)
    yield text
    if by_table := tables(rows):
        draw(by_table, picture)
        yield picture
    if readme is not None:
        readme.write_text(short)
        yield readme


def relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()


if __name__ == "__main__":
    sys.exit(main())
