"""One model, one data set, one folder: what `genbench train` does."""

from genbench.studies.training.start import Trained, train

__all__ = ["Trained", "train"]
