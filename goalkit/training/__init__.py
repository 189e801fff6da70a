"""Training: fit a GoalModel to labelled goals."""

from goalkit.extras import extra

with extra("train"):
    from goalkit.training.distillation import SameEmbeddings, SoftLabels, SumOfObjectives
    from goalkit.training.distiller import Distiller
    from goalkit.training.few_labels import FewLabelsRun, FewLabelsTrainer
    from goalkit.training.objective import CrossEntropy, Objective
    from goalkit.training.run import Epoch, TrainingRun
    from goalkit.training.search import Search, SearchResult
    from goalkit.training.settings import TrainingSettings
    from goalkit.training.standardization import standardize_embeddings
    from goalkit.training.teachers import cached_embeddings
    from goalkit.training.trainer import Trainer

__all__ = [
    "CrossEntropy",
    "Distiller",
    "Epoch",
    "FewLabelsRun",
    "FewLabelsTrainer",
    "Objective",
    "SameEmbeddings",
    "Search",
    "SearchResult",
    "SoftLabels",
    "SumOfObjectives",
    "Trainer",
    "TrainingRun",
    "TrainingSettings",
    "cached_embeddings",
    "standardize_embeddings",
]
