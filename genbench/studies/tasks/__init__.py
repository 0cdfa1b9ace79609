"""Tasks: the data a model has to imitate and the scores its samples get."""

from genbench.studies.tasks.arrays import ArrayTask
from genbench.studies.tasks.base import SCORES, Scores, Task
from genbench.studies.tasks.make import make_tasks
from genbench.studies.tasks.mixtures import MixtureTask
from genbench.studies.tasks.stacked import StackedTask
from genbench.studies.tasks.store import load_task, save_task

__all__ = [
    "SCORES",
    "ArrayTask",
    "MixtureTask",
    "Scores",
    "StackedTask",
    "Task",
    "load_task",
    "make_tasks",
    "save_task",
]
