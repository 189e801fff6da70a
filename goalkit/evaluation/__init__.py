"""Evaluation: how good a model is, how far its probabilities can be trusted, and where its time goes."""

from goalkit.extras import extra

with extra("train"):
    from goalkit.evaluation.baseline import NgramBaseline, ngram_baseline
    from goalkit.evaluation.calibration import Calibration, calibrate, calibration_error
    from goalkit.evaluation.profiling import Profile, profile
    from goalkit.evaluation.report import EvaluationReport, TaskReport, evaluation_report
    from goalkit.evaluation.scores import TaskScore, evaluate, score

__all__ = [
    "Calibration",
    "EvaluationReport",
    "NgramBaseline",
    "Profile",
    "TaskReport",
    "TaskScore",
    "calibrate",
    "calibration_error",
    "evaluate",
    "evaluation_report",
    "ngram_baseline",
    "profile",
    "score",
]
