"""Training: fitting a GoalModel to labelled goals, and scoring it."""

from goalkit.training.baseline import ngram_baseline
from goalkit.training.evaluation import TaskScore, evaluate, score
from goalkit.training.trainer import Epoch, Trainer, TrainingRun

__all__ = ["Epoch", "TaskScore", "Trainer", "TrainingRun", "evaluate", "ngram_baseline", "score"]
