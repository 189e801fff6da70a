"""The baseline that a small model has to beat, and may learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from goalkit.datasets import Dataset, Splits
from goalkit.evaluation.calibration import fit_temperature
from goalkit.evaluation.scores import TaskScore, score_labels
from goalkit.extras import extra
from goalkit.tasks import Task

FOLDS = 5


@attrs.frozen(eq=False, slots=False)
class NgramBaseline:
    """TF-IDF over 1- to 3-grams of characters, with a linear SVM per task.

    It has no Core ML form that runs from plain text, but it is what a few lines of scikit-learn give. As a teacher it knows
    other things than an encoder does.

    Args:
        rows: the labelled rows that it was fitted on.
        vectorizer: computes the features of texts.
        classifiers: a classifier per task.
    """

    rows: Dataset
    vectorizer: Any
    classifiers: Mapping[str, Any]

    @classmethod
    def fit(cls, rows: Dataset) -> NgramBaseline:
        """Fit it to labelled rows, each task of which has two labels at least."""
        with extra("train"):
            from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True)
        features = vectorizer.fit_transform(rows.texts)
        return cls(rows, vectorizer, {task.name: _svm().fit(features, rows.label_ids(task)) for task in rows.tasks})

    def predict(self, texts: Sequence[str]) -> dict[str, npt.NDArray[np.int64]]:
        """Predict the label ids of N texts, int64 [N] per task."""
        features = self.vectorizer.transform(texts)
        return {name: classifier.predict(features) for name, classifier in self.classifiers.items()}

    def predict_probabilities(self, texts: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
        """Compute probabilities of N texts, float32 [N, labels] per task.

        A text that it was fitted on is predicted by an SVM that was fitted without it, as for a teacher on training rows.
        """
        places = {text: row for row, text in enumerate(self.rows.texts)}
        known = np.array([places.get(text, -1) for text in texts])
        features = self.vectorizer.transform(texts)
        found = {}
        for task in self.rows.tasks:
            held_out, temperature = self._held_out[task.name]
            margins = _margins(self.classifiers[task.name], features, task)
            margins[known >= 0] = held_out[known[known >= 0]]
            scaled = np.exp((margins - margins.max(1, keepdims=True)) / temperature)
            found[task.name] = (scaled / scaled.sum(1, keepdims=True)).astype(np.float32)
        return found

    @cached_property
    def _held_out(self) -> dict[str, tuple[npt.NDArray[np.float64], float]]:
        """Per task the margins of the rows, each by an SVM fitted without it, and the temperature that suits them."""
        with extra("train"):
            from sklearn.model_selection import KFold

        features, found = self.vectorizer.transform(self.rows.texts), {}
        for task in self.rows.tasks:
            truth = self.rows.label_ids(task)
            margins = np.empty((len(truth), len(task.labels)))
            for seen, unseen in KFold(FOLDS, shuffle=True, random_state=0).split(truth):
                margins[unseen] = _margins(_svm().fit(features[seen], truth[seen]), features[unseen], task)
            found[task.name] = margins, fit_temperature(margins, truth)
        return found


def ngram_baseline(splits: Splits) -> tuple[TaskScore, ...]:
    """Scores on `splits.test` of an `NgramBaseline` fitted on `splits.train`."""
    found = NgramBaseline.fit(splits.train).predict(splits.test.texts)
    return tuple(score_labels(task, splits.test.label_ids(task), found[task.name]) for task in splits.train.tasks)


def _svm() -> Any:
    with extra("train"):
        from sklearn.svm import LinearSVC

    return LinearSVC(random_state=0)


def _margins(classifier: Any, features: Any, task: Task) -> npt.NDArray[np.float64]:
    """Compute margins, [N, labels]; scikit-learn has one column for two labels, and none for a label that it has not seen."""
    given = classifier.decision_function(features)
    columns = np.stack([-given, given], axis=1) if given.ndim == 1 else given
    result = np.full((len(columns), len(task.labels)), -np.abs(columns).max())
    result[:, classifier.classes_] = columns
    return result
