"""Training: fitting a GoalModel to labelled goals, and scoring it."""

from goalkit.training.baseline import ngram_baseline
from goalkit.training.calibration import Calibration, calibrate, calibration_error
from goalkit.training.evaluation import TaskScore, evaluate, score
from goalkit.training.few_labels import FewLabelsRun, FewLabelsTrainer
from goalkit.training.profiling import Profile, profile
from goalkit.training.report import EvaluationReport, TaskReport, evaluation_report
from goalkit.training.run import Epoch, TrainingRun
from goalkit.training.search import Search, SearchResult
from goalkit.training.standardization import standardize_embeddings
from goalkit.training.trainer import Trainer

__all__ = [
    "Calibration",
    "Epoch",
    "EvaluationReport",
    "FewLabelsRun",
    "FewLabelsTrainer",
    "Profile",
    "Search",
    "SearchResult",
    "TaskReport",
    "TaskScore",
    "Trainer",
    "TrainingRun",
    "calibrate",
    "calibration_error",
    "evaluate",
    "evaluation_report",
    "ngram_baseline",
    "profile",
    "score",
    "standardize_embeddings",
]
