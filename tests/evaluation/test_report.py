import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goalkit.evaluation import evaluate, evaluation_report
from goalkit.evaluation.report import task_report
from goalkit.tasks import Task

TASK = Task("kind", ("a", "b", "c"))


def report_of(truth, predicted, confidence=0.8):
    probabilities = np.full((len(truth), 3), (1 - confidence) / 2, np.float32)
    probabilities[np.arange(len(truth)), predicted] = confidence
    texts = [f"text {number}" for number in range(len(truth))]
    return task_report(TASK, texts, np.array(truth), probabilities, mistakes=2, seed=0)


def test_scores_of_a_known_case():
    made = report_of([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 1, 0])
    assert made.confusion == ((2, 1, 0), (0, 2, 0), (1, 0, 0))
    assert made.accuracy.value == pytest.approx(4 / 6)
    assert [(score.label, score.rows) for score in made.labels] == [("a", 3), ("b", 2), ("c", 1)]
    assert [score.precision for score in made.labels[:2]] == pytest.approx([2 / 3, 2 / 3])
    assert made.labels[2].precision is None, "it is never predicted"
    assert [score.recall for score in made.labels] == pytest.approx([2 / 3, 1, 0])
    assert made.macro_f1.value == pytest.approx((2 / 3 + 4 / 5 + 0) / 3)
    assert made.calibration_error == pytest.approx(0.8 - 4 / 6, abs=1e-6)
    assert [(mistake.text, mistake.label, mistake.predicted) for mistake in made.mistakes] == [
        ("text 2", "a", "b"),
        ("text 5", "c", "a"),
    ]


def test_intervals_are_those_of_the_binomial_law():
    truth = [0] * 400
    made = report_of(truth, [0] * 320 + [1] * 80)
    half = 1.96 * np.sqrt(0.8 * 0.2 / 400)
    assert made.accuracy.low == pytest.approx(0.8 - half, abs=0.006)
    assert made.accuracy.high == pytest.approx(0.8 + half, abs=0.006)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60))
def test_figures_agree_with_each_other(pairs):
    truth, predicted = map(list, zip(*pairs, strict=True))
    made = report_of(truth, predicted)
    confusion = np.array(made.confusion)
    assert confusion.sum() == len(pairs)
    assert made.accuracy.value == pytest.approx(np.trace(confusion) / len(pairs))
    for measure in (made.accuracy, made.macro_f1):
        assert 0 <= measure.low <= measure.high <= 1
    assert made.accuracy.low - 1e-9 <= made.accuracy.value <= made.accuracy.high + 1e-9
    assert all(mistake.label != mistake.predicted for mistake in made.mistakes)


def test_the_report_agrees_with_evaluate_and_is_saved(run, splits, tmp_path):
    made = evaluation_report(run.model, splits.test)
    for task, score in zip(made.tasks, evaluate(run.model, splits.test), strict=True):
        assert (task.accuracy.value, task.macro_f1.value) == pytest.approx((score.accuracy, score.macro_f1))
    assert made.tokens_per_second > 0
    assert made.model_bytes > 4 * made.parameters
    saved = json.loads(made.save(tmp_path / "report.json").read_bytes())
    assert saved["tasks"][0]["confusion"] == [list(row) for row in made.tasks[0].confusion]
