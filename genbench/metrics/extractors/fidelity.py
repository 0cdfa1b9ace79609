"""The digits features inside torch-fidelity: `feature_extractor="genbench-digits"`."""

from __future__ import annotations

import importlib
from typing import Any

from torch import Tensor

from genbench.errors import InputError
from genbench.metrics.extractors.digits import open_digits
from genbench.metrics.extractors.vision import import_fidelity

NAME = "genbench-digits"


def register() -> str:
    """Make torch-fidelity know the digits extractor; returns its name there.

    Layers: "features" (B, 64) for its Frechet and kernel distance, precision and recall; "logits"
    (B, 10) for its Inception score. `feature_extractor_weights_path` names a folder that
    tools/train_digits.py wrote. Raises InputError where torch-fidelity is not installed.
    """
    fidelity = import_fidelity()
    registry = importlib.import_module("torch_fidelity.registry")
    if NAME not in registry.FEATURE_EXTRACTORS_REGISTRY:
        fidelity.register_feature_extractor(NAME, _adapter(fidelity.FeatureExtractorBase))
    return NAME


def _adapter(base: Any) -> type:
    """The class that torch-fidelity asks for; `base` is its own, known once it is imported."""

    class DigitsForFidelity(base):
        def __init__(
            self,
            name: str,
            features_list: list[str],
            feature_extractor_weights_path: str | None = None,
            feature_extractor_internal_dtype: str | None = None,
            **_: Any,
        ) -> None:
            super().__init__(name, features_list)
            if feature_extractor_internal_dtype not in (None, "float64"):
                raise InputError(
                    "feature_extractor_internal_dtype: genbench-digits computes in float64, got "
                    f"{feature_extractor_internal_dtype!r}"
                )
            self.extract = open_digits(weights=feature_extractor_weights_path)
            self.net = self.extract.net  # a submodule: moves with .cuda()

        def forward(self, images: Tensor) -> tuple[Tensor, ...]:
            """(B, 3, H, W) uint8 -> the layers asked for, float32."""
            features, logits = self.extract.layers(images)
            layers = {"features": features, "logits": logits}
            return tuple(layers[name].float() for name in self.features_list)

        @staticmethod
        def get_provided_features_list() -> tuple[str, ...]:
            return "features", "logits"

        @staticmethod
        def get_default_feature_layer_for_metric(metric: str) -> str:
            return "logits" if metric == "isc" else "features"

        @staticmethod
        def can_be_compiled() -> bool:
            return False

        @staticmethod
        def get_dummy_input_for_compile() -> None:
            return None

    return DigitsForFidelity
