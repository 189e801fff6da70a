import numpy as np
import pytest

from goalkit import Dataset, Task
from goalkit.evaluation import NgramBaseline, ngram_baseline

SPORT, READ = [f"跑步{n}公里" for n in range(12)], [f"看书{n}页" for n in range(12)]


def rows_of(labels, texts):
    return Dataset.from_columns(texts, {"category": labels}, tasks=[Task("category", ("运动", "学习", "闲"))])


@pytest.fixture(scope="module")
def fitted(splits):
    return NgramBaseline.fit(splits.train)


def test_probabilities_agree_with_the_labels_and_are_calibrated(fitted, splits):
    rows = splits.test
    probabilities, labels = fitted.predict_probabilities(rows.texts), fitted.predict(rows.texts)
    for task, score in zip(rows.tasks, ngram_baseline(splits), strict=True):
        found, truth = probabilities[task.name], rows.label_ids(task)
        np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)
        np.testing.assert_array_equal(found.argmax(1), labels[task.name])
        assert score.accuracy == pytest.approx((found.argmax(1) == truth).mean())
        assert abs(found.max(1).mean() - score.accuracy) < 0.12  # near-duplicates among the rows flatter the temperature


def test_rows_that_it_was_fitted_on_are_predicted_as_if_it_had_not_seen_them(fitted, splits):
    rows = splits.train
    texts, seen = fitted.predict(rows.texts), fitted.predict_probabilities(rows.texts)
    for task in rows.tasks:
        truth = rows.label_ids(task)
        assert (texts[task.name] == truth).mean() > 0.98
        assert (seen[task.name].argmax(1) == truth).mean() < 0.95


def test_two_labels_and_labels_with_hardly_any_row(splits):
    two = NgramBaseline.fit(rows_of(["运动"] * 12 + ["学习"] * 12, SPORT + READ))
    found = two.predict_probabilities(["跑步20公里", "看书20页"])["category"]
    assert found.shape == (2, 3)
    assert found.argmax(1).tolist() == [0, 1]
    rare = NgramBaseline.fit(rows_of(["运动"] * 12 + ["学习"] * 12 + ["闲"], [*SPORT, *READ, "发呆"]))
    found = rare.predict_probabilities([*SPORT, *READ, "发呆", "去发呆"])["category"]
    assert np.isfinite(found).all()
    assert found[:24].argmax(1).tolist() == [0] * 12 + [1] * 12
    assert found[25].argmax() == 2
