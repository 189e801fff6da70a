"""The baseline that a small model has to beat."""

from __future__ import annotations

from goalkit.datasets import Splits
from goalkit.evaluation.scores import TaskScore, score_labels
from goalkit.extras import extra


def ngram_baseline(splits: Splits) -> tuple[TaskScore, ...]:
    """Scores on `splits.test` of TF-IDF over 1- to 3-grams of characters with a linear SVM, fitted on `splits.train`.

    It has no Core ML form that runs from plain text, but it is what a few lines of scikit-learn give.
    """
    with extra("train"):
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.svm import LinearSVC

    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True)
    train, test = vectorizer.fit_transform(splits.train.texts), vectorizer.transform(splits.test.texts)
    scores = []
    for task in splits.train.tasks:
        classifier = LinearSVC(random_state=0).fit(train, splits.train.label_ids(task))
        scores.append(score_labels(task, splits.test.label_ids(task), classifier.predict(test)))
    return tuple(scores)
