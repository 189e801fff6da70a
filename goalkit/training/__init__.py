"""Training: fitting a GoalModel to labelled goals."""

from goalkit.training.few_labels import FewLabelsRun, FewLabelsTrainer
from goalkit.training.run import Epoch, TrainingRun
from goalkit.training.search import Search, SearchResult
from goalkit.training.standardization import standardize_embeddings
from goalkit.training.trainer import Trainer

__all__ = [
    "Epoch",
    "FewLabelsRun",
    "FewLabelsTrainer",
    "Search",
    "SearchResult",
    "Trainer",
    "TrainingRun",
    "standardize_embeddings",
]
