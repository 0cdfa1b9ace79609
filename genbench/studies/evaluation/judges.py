"""The metrics of `genbench evaluate` by name: what each needs, and who judges."""

from __future__ import annotations

from genbench.studies.evaluation import density_judges as densities
from genbench.studies.evaluation import feature_judges as features
from genbench.studies.evaluation import image_judges as images
from genbench.studies.evaluation.verdicts import Judge, Need

JUDGES = {
    "frechet_distance": Judge(Need.MOMENTS, features.frechet_distance),
    "frechet_distance_infinity": Judge(Need.FEATURES, features.frechet_distance_infinity),
    "kernel_distance": Judge(Need.FEATURES, features.kernel_distance),
    "inception_score": Judge(Need.PROBABILITIES, features.inception_score),
    "precision_recall": Judge(Need.FEATURES, features.precision_recall),
    "different_bins": Judge(Need.FEATURES, features.different_bins),
    "knn_divergence": Judge(Need.FEATURES, features.knn_divergence),
    "memorization": Judge(Need.FEATURES, features.memorization),
    "ms_ssim_diversity": Judge(Need.IMAGES, images.ms_ssim_diversity),
    "psnr": Judge(Need.PAIRS, images.psnr),
    "ssim": Judge(Need.PAIRS, images.ssim),
    "ms_ssim": Judge(Need.PAIRS, images.ms_ssim),
    "bits_per_dim": Judge(Need.LOG_PROB, densities.bits_per_dim),
    "nats": Judge(Need.LOG_PROB, densities.nats),
    "mode_coverage": Judge(Need.MODES, densities.mode_coverage),
    "mode_spread": Judge(Need.MODES, densities.mode_spread),
}
