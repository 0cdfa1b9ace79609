"""One HTML page of a study that carries all it shows and asks the network for nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from genbench.report.charts import charts, whisker
from genbench.report.columns import used_columns
from genbench.report.compare import DECIDING, leaders, matrix, p_text, rivals
from genbench.report.groups import Group, overall
from genbench.report.portraits import Portrait, draw
from genbench.report.published import SCORES, published
from genbench.report.remarks import diverged_text, quality_is_suspicious, remarks, spread_is_off
from genbench.report.statistics import format_interval

_SCRIPTS = ("sort.js", "runs.js", "pick.js", "gallery.js")
_COLORS = 8  # style.css has as many; a loss beyond them gets another dash
_RUN_KEYS = (
    *("loss", "seed", "status", "modes_held", "best_modes_held", "high_quality"),
    *("spread", "kl", "seconds"),
)


def render_page(
    groups: Sequence[Group],
    *,
    notes: Sequence[str] = (),
    galleries: Mapping[str, dict[str, Any]] | None = None,
    portraits: Sequence[Portrait] = (),
    commands: Mapping[str, str] | None = None,
) -> str:
    """The page as text, with a section for each group.

    galleries: samples by a group's slug, as `gallery` makes them. commands: by a row's key, what
    repeats it.
    """
    from jinja2 import Environment, PackageLoader

    losses = overall(groups)
    colors = {loss: number for number, loss in enumerate(losses)}
    script = "\n".join(_web(name) for name in _SCRIPTS)
    data = {
        "groups": [
            {
                "runs": [_run(row, commands or {}) for row in group.rows],
                "gallery": (galleries or {}).get(group.slug),
                "losses": [{"name": loss, "color": colors[loss]} for loss in group.losses],
                "count": group.mode_count,
            }
            for group in groups
        ]
    }
    environment = Environment(
        loader=PackageLoader("genbench.report", "web"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"interval": _interval, "p": p_text, "breakable": _breakable}
    return environment.get_template("page.html.j2").render(
        sections=[_section(group, galleries or {}) for group in groups],
        losses=losses,
        color=lambda loss: _color_class(colors.get(loss)),
        groups=groups,
        portraits=[draw(portrait) for portrait in portraits],
        notes=notes,
        style=_web("style.css"),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        data=embedded(data),
    )


def _color_class(number: int | None) -> str:
    return "" if number is None else f"c{number % _COLORS} d{number // _COLORS % 4}"


def embedded(value: Any) -> str:
    """JSON for a script element: nothing in it ends the element, and no number is NaN."""
    text = json.dumps(finite(value), allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def finite(value: Any) -> Any:
    """`value` with null in place of every number that JSON does not have."""
    if isinstance(value, Mapping):
        return {str(key): finite(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _web(name: str) -> str:
    return (resources.files("genbench.report") / "web" / name).read_text(encoding="utf-8")


def _section(group: Group, galleries: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """What the template needs of one group."""
    first = group.rows[0]
    return {
        "group": group,
        "data": first["data"],
        "settings": group.title.removeprefix(f"{first['data']}, "),
        "seeds": len({row["seed"] for row in group.rows}),
        "samples": group.specified("samples"),
        "holders": [x for x in group.losses if group.whole(x) == len(group.of(x))],
        "duel": leaders(group),
        "rivals": rivals(group),
        "columns": used_columns(group),
        "quality": _quality(group),
        "whiskers": {loss: whisker(group, loss) for loss in group.losses},
        "remarks": {loss: found for loss in group.losses if (found := remarks(group, loss))},
        "charts": charts(group),
        "gallery": galleries.get(group.slug),
        "matrices": [(key, m) for key in DECIDING if _told_apart(m := matrix(group, key))],
        "published": (lines := published(group)),
        "sources": sorted({(line.title, line.arxiv) for line in lines}),
        "published_scores": SCORES,
        "runs": _runs(group),
        "run_columns": [c for c in used_columns(group) if c.key in _RUN_KEYS],
        "diverged": [(row, diverged_text(row)) for row in group.rows if row["status"] != "ok"],
    }


def _breakable(name: str) -> Any:
    """HTML of a name that may break behind its signs rather than anywhere."""
    from markupsafe import Markup

    return Markup("<wbr>").join(re.split(r"(?<=[+_])", name))


def _runs(group: Group) -> list[tuple[int, dict[str, Any], dict[str, str]]]:
    """Place among the group's rows, row and warnings, by ranking and seed."""
    numbered = [(place, row, _marks(row)) for place, row in enumerate(group.rows)]
    return sorted(numbered, key=lambda run: (group.losses.index(run[1]["loss"]), run[1]["seed"]))


def _told_apart(duels: Sequence[Sequence[Any]]) -> bool:
    """Whether a score has a value for some pair."""
    return any(duel and duel.result.difference is not None for line in duels for duel in line)


def _marks(row: dict[str, Any]) -> dict[str, str]:
    """Warnings by row key."""
    found = {}
    if spread_is_off(row):
        found["spread"] = "outside 15 % of a perfect sampler's"
    if quality_is_suspicious(row):
        found["high_quality"] = "above a perfect sampler's: under-dispersed"
    return found


def _run(row: dict[str, Any], commands: Mapping[str, str]) -> dict[str, Any]:
    """A row for its provenance: everything but its curve, which the charts show."""
    shown = {key: value for key, value in row.items() if key != "curve"}
    command = commands.get(row.get("key", ""))
    return {"command": command, **shown} if command else shown


def _quality(group: Group) -> str | None:
    """The best loss's high-quality share in percent; None where the data has no such score."""
    share = group.interval(group.losses[0], "high_quality")
    return None if share.mean is None else format_interval(share, digits=1, factor=100.0)


def _interval(group: Group, loss: str, column: Any) -> str:
    return format_interval(
        group.interval(loss, column.key), digits=column.digits, factor=column.factor
    )
