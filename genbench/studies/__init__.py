"""Studies: what a user asks. Each makes cells, runs them, and hands their rows to the report."""

from genbench.studies.evaluation.run import evaluate
from genbench.studies.mode_collapse import StudyResult, mode_collapse

__all__ = ["StudyResult", "evaluate", "mode_collapse"]
