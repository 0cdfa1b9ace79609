"""The grammar of loss names, without torch: objective(+part)*, and which combinations make sense.

A part is a name of PARTS, with a number where it takes one (packing4) and an optional strength
(r1=10).
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from genbench.catalog import look_up, unknown_name
from genbench.errors import InputError
from genbench.losses import CATALOG
from genbench.losses.parts import PARTS

MOST = 1000  # of packed points, critic steps and unrolled steps: each is a loop

# Pairs without sense, whatever the objective.
_CLASHES = (
    ({"gp"}, {"gp_one_sided"}, "they are two forms of one penalty"),
    ({"gp", "dragan"}, {"r1", "r2"}, "the first pulls the critic's slope to 1, the second to 0"),
    ({"label_smoothing"}, {"noisy_labels"}, "both set the real points' target"),
)


@dataclass(frozen=True)
class Recipe:
    """A name taken apart. strengths: by part, None for the whole loss's weight; clip: c or None."""

    objective: str
    strengths: dict[str, float | None]
    clip: float | None

    def of_kind(self, kind: str) -> dict[str, float | None]:
        """The strengths of the parts of one kind, in the order of the name."""
        return {n: s for n, s in self.strengths.items() if PARTS[n].kind == kind}


def parse(name: object) -> Recipe:
    """`name` taken apart; raises InputError, in one line, for one without sense."""
    if not str(name).isprintable():
        raise InputError(f"losses: a name has printable characters only, got {name!r}")
    first, *rest = str(name).split("+")
    if not all([first, *rest]) or _stem(first.partition("=")[0]) in PARTS:
        raise InputError(
            f"losses: '{name}' must be an objective, then parts, joined by '+': "
            f"{', '.join(CATALOG)}; {', '.join(PARTS)}"
        )
    objective, equals, text = first.partition("=")
    preset = look_up(CATALOG, objective, argument="losses").preset
    own = preset.get("part")
    strengths: dict[str, float | None] = {own: None} if own else {}
    clip: float | None = preset.get("clip")
    if equals:
        if own is None and clip is None:
            raise InputError(f"losses: '{objective}' takes no strength, got '{first}'")
        strength = _strength(first, text, (0.0, math.inf))
        strengths, clip = ({own: strength}, None) if own else ({}, strength)
    for text in rest:
        part, strength = _part(text, objective)
        if part in strengths:
            raise InputError(f"losses: '{name}' has '{part}' twice")
        strengths[part] = strength
    for reason in _faults(objective, strengths, clip if equals else None):
        raise InputError(f"losses: '{name}' makes no sense: {reason}")
    bounded = any(PARTS[part].bounds_critic for part in strengths)
    recipe = Recipe(objective, strengths, None if bounded else clip)
    if recipe.clip is not None and "unrolledN" in strengths:
        raise InputError(
            f"losses: '{name}' makes no sense: 'unrolledN' differentiates through the critic's "
            "updates and clipping has no derivative; bound the critic by gp or spectral_norm"
        )
    return recipe


def _part(text: str, objective: str) -> tuple[str, float | None]:
    """The name in PARTS and the strength or number of one part."""
    written, equals, strength = text.partition("=")
    if written in CATALOG:
        kept = f"'{objective}' and '{written}'"
        raise InputError(f"losses: one objective, then parts: two objectives, {kept}")
    name = _stem(written)
    if name not in PARTS:
        raise unknown_name("losses", written, PARTS)
    part = PARTS[name]
    if part.least is not None:
        if equals:
            raise InputError(f"losses: '{name}' takes no strength, got '{text}'")
        return name, _number(name, written, part.least)
    if not equals:
        return name, part.default
    if part.between is None:
        raise InputError(f"losses: '{name}' takes no strength, got '{text}'")
    return name, _strength(text, strength, part.between)


def _stem(written: str) -> str:
    """The key in PARTS that a written part would have: "packing4" is "packingN"."""
    counted = re.sub(r"\d*$", "", written) + "N"
    return counted if written not in PARTS and counted in PARTS else written


def _number(name: str, written: str, least: int) -> int:
    digits = written[len(name) - 1 :] if written != name else ""
    if not (re.fullmatch(r"[1-9]\d{0,3}", digits) and least <= int(digits) <= MOST):
        example = f"{name[:-1]}{max(least, 4)}"
        raise InputError(
            f"losses: '{name}' needs a whole number N from {least} to {MOST}, as in '{example}', "
            f"got '{written}'"
        )
    return int(digits)


def _strength(written: str, text: str, between: tuple[float, float]) -> float:
    low, high = between
    number = float(text) if re.fullmatch(r"(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", text) else math.nan
    if not low < number < high:
        rule = f"above {low:g}" if math.isinf(high) else f"between {low:g} and {high:g}"
        raise InputError(f"losses: '{written}': the strength must be a number {rule}, got '{text}'")
    return number


def _faults(objective: str, parts: Collection[str], clip: float | None) -> Iterator[str]:
    """Why these parts do not go together; `clip` only where the name asks for it."""
    labelled = [name for name, entry in CATALOG.items() if entry.preset.get("labels")]
    for part in parts:
        if PARTS[part].kind == "label" and objective not in labelled:
            yield (
                f"'{part}' changes the critic's targets and '{objective}' has none; "
                f"it goes with {', '.join(labelled)}"
            )
        if PARTS[part].bounds_critic and clip is not None:
            yield f"clipping to {clip:g} and '{part}' both bound the critic: leave one out"
    for one, other, reason in _CLASHES:
        first, second = sorted(one & set(parts)), sorted(other & set(parts))
        if first and second:
            yield f"'{first[0]}' and '{second[0]}': {reason}"
