"""One HTML page of a study that carries its pictures inside and asks the network for nothing."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from importlib import resources

from genbench.report.tables import Group, table_cells, verdict


def render_page(
    groups: Sequence[Group], pictures: Mapping[str, bytes], *, notes: Sequence[str]
) -> str:
    """HTML with a section for each group; pictures: PNG files by name, "samples-SLUG.png" first."""
    from jinja2 import Environment

    template = (resources.files("genbench.report") / "page.html.j2").read_text()
    sections = []
    for group in groups:
        titles, lines = table_cells(group)
        images = {
            name: base64.b64encode(content).decode()
            for name in (f"samples-{group.slug}.png", f"curves-{group.slug}.png")
            if (content := pictures.get(name)) is not None
        }
        first = group.rows[0]
        sections.append(
            {
                "title": group.title,
                "verdict": verdict(group),
                "titles": titles,
                "lines": lines,
                "images": images,
                "conventions": first.get("conventions") or {},
                "configuration": first.get("specification") or {},
                "versions": first.get("versions") or {},
                "diverged": [row for row in group.rows if row["status"] != "ok"],
            }
        )
    return Environment(autoescape=True).from_string(template).render(sections=sections, notes=notes)
