"""Training: fitting a GoalModel to labelled goals, and scoring it."""

from goalkit.training.baseline import ngram_baseline
from goalkit.training.calibration import Calibration, calibrate, calibration_error
from goalkit.training.evaluation import TaskScore, evaluate, score
from goalkit.training.run import Epoch, TrainingRun
from goalkit.training.search import Search, SearchResult
from goalkit.training.trainer import Trainer

__all__ = [
    "Calibration",
    "Epoch",
    "Search",
    "SearchResult",
    "TaskScore",
    "Trainer",
    "TrainingRun",
    "calibrate",
    "calibration_error",
    "evaluate",
    "ngram_baseline",
    "score",
]
