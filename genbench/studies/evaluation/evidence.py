"""What judges ask of two sets of samples; each thing is made when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from genbench.data.samples import Samples
from genbench.errors import InputError
from genbench.metrics.checks import drop_non_finite, non_finite_rows
from genbench.metrics.extractors import Extractor
from genbench.metrics.mode_law import Modes
from genbench.report.stages import Stages
from genbench.studies.evaluation.cache import Cache
from genbench.studies.evaluation.extraction import Extraction, Images, content_digest, extract


@dataclass(frozen=True)
class Setting:
    """What both sets share.

    inception: whether torch-fidelity's key names apply. probabilities: whether a judge wants the
    classifier's output.
    """

    extractor: Extractor | None
    inception: bool
    cache: Cache
    stages: Stages
    device: str
    batch_size: int
    probabilities: bool
    drop_non_finite: bool


@dataclass
class Side:
    """One of the two sets; `role` is "real" or "fake"."""

    role: str
    samples: Samples
    setting: Setting
    dropped: int = 0  # rows with NaN or infinity that were left out
    passing_keys: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.samples)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the set's contents."""
        return content_digest(self.samples)

    @cached_property
    def features(self) -> Tensor:
        """(n, d) floating, finite, on the evaluation's device."""
        if self.samples.kind == "images":
            return self._finite(torch.from_numpy(self._extraction.features))
        return self._finite(torch.from_numpy(self.samples.read(0, len(self))))

    @cached_property
    def probabilities(self) -> Tensor:
        """(n, classes) floating: the classifier's, or the array of that name beside features."""
        given = self.samples.extra("probabilities")
        return self._finite(
            torch.from_numpy(self._extraction.probabilities if given is None else given)
        )

    @cached_property
    def images(self) -> Tensor:
        """(n, C, H, W) uint8."""
        return torch.from_numpy(self.samples.read(0, len(self)))

    def about(self) -> dict[str, Any]:
        """What the row says of this set."""
        return {
            "path": str(self.samples.path),
            "kind": self.samples.kind,
            "count": len(self),
            "shape": list(self.samples.shape),
            "sha256": self.digest,
            "conventions": self.samples.conventions,
            "dropped": self.dropped,
        }

    @cached_property
    def _extraction(self) -> Extraction:
        setting, passing = self.setting, self.role == "fake"
        assert setting.extractor is not None  # images never come without one
        images = Images(
            self.samples,
            setting.extractor,
            batch_size=setting.batch_size,
            device=setting.device,
            probabilities=passing and setting.probabilities,
        )
        stage = f"{self.role}: images through {setting.extractor.name}"
        extraction, keys = extract(
            images,
            setting.cache,
            passing=passing,
            progress=lambda done, of: setting.stages.advance(stage, done, of),
        )
        self.passing_keys += keys if passing else []
        return extraction

    def _finite(self, values: Tensor) -> Tensor:
        bad = non_finite_rows(values)
        if len(bad) == 0:
            return values.to(self.setting.device)
        found = f"NaN or infinity in {len(bad)} of {len(values)} rows, first in row {int(bad[0])}"
        if not self.setting.drop_non_finite:
            raise InputError(
                f"{self.role}: '{self.samples.path}' must be finite, got {found} "
                "(--drop-non-finite leaves such rows out)"
            )
        self.setting.stages.note(f"{self.role}: left out {found}")
        self.dropped = max(self.dropped, len(bad))
        return drop_non_finite(values)[0].to(self.setting.device)


@dataclass(frozen=True)
class Evidence:
    """Both sets, and the user's choices. level: of intervals, None without."""

    real: Side
    fake: Side
    k: int | None = None
    level: float | None = None
    modes: Modes | None = None

    @property
    def features(self) -> dict[str, Any]:
        """real (N, d) and fake (M, d), for the functions of genbench.metrics."""
        return {"real": self.real.features, "fake": self.fake.features}

    @property
    def inception(self) -> bool:
        """Whether torch-fidelity's key names apply."""
        return self.real.setting.inception

    def told(self, stage: str) -> Callable[[int, int], None]:
        """Progress of one stage, as the metrics report it."""
        return lambda done, of: self.real.setting.stages.advance(stage, done, of)

    def measured(
        self, metric: Callable[..., Any], estimate: Callable[..., Any], **given: Any
    ) -> Any:
        """metric(**given), or estimate(**given, level=...) where intervals are asked for."""
        return metric(**given) if self.level is None else estimate(**given, level=self.level)
