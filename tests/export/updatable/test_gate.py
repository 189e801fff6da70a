import numpy as np
import pytest

from goalkit import UpdatableHeadBuilder
from goalkit.errors import ConfigurationError, TrainingError
from goalkit.export import CorrectionGate, rehearse_update
from goalkit.export.updatable.rehearsal import predicted_labels


@pytest.fixture(scope="module")
def head(run):
    return UpdatableHeadBuilder(task="category").build(run.model).spec


def test_it_opens_near_corrections_and_nowhere_else():
    gate = CorrectionGate(np.array([[1, 0, 0], [1, 0.1, 0], [0, 0, 1]], np.float32), threshold=0.6, nearest=2)
    asked = np.array([[5, 0, 0], [0, 1, 0], [-1, 0, 0], [0, 0, 1]], np.float32)
    assert gate.opens(asked).tolist() == [True, False, False, False]
    one = CorrectionGate(gate.corrections, threshold=0.6, nearest=1)
    assert one.opens(asked).tolist() == [True, False, False, True]


def test_fewer_corrections_than_neighbours():
    gate = CorrectionGate(np.array([[1, 0]], np.float32), threshold=0.5, nearest=3)
    assert gate.opens([[1, 0], [0, 1], [0, 0]]).tolist() == [True, False, False]


def test_it_is_made_of_what_the_shipped_head_has_wrong(run, splits, head):
    embeddings = run.model.embed(splits.test.texts[:60])
    answers = predicted_labels(head, embeddings)
    labels = list(answers)
    labels[:2] = ["生活" if answer != "生活" else "健康" for answer in answers[:2]]
    gate = CorrectionGate.around(head, embeddings, labels, threshold=0.9999, nearest=1)
    assert np.array_equal(gate.corrections, embeddings[:2])
    assert gate.opens(embeddings)[:2].all()
    assert not gate.opens(embeddings).all()


def test_without_corrections_it_stays_shut(run, splits, head):
    embeddings = run.model.embed(splits.test.texts[:10])
    gate = CorrectionGate.around(head, embeddings, list(predicted_labels(head, embeddings)))
    assert not gate.opens(embeddings).any()


def test_a_gated_update_keeps_what_others_had(run, splits, head):
    """Ten goals of one kind taught otherwise: most of the rest keeps its label, which the updated head alone would not."""
    embeddings = run.model.embed(splits.test.texts)
    taught = np.flatnonzero(predicted_labels(head, embeddings) == "健康")[:10]
    labels = ["理财"] * len(taught)
    (update,) = rehearse_update(head, embeddings[taught], labels, parameters={"epochs": 50}, seeds=1).updates
    shipped, updated = predicted_labels(head, embeddings), predicted_labels(update.spec, embeddings)
    gate = CorrectionGate.around(head, embeddings[taught], labels, threshold=0.7, nearest=1)
    gated = np.where(gate.opens(embeddings), updated, shipped)
    assert (gated[taught] == "理财").all()
    assert (updated != shipped).mean() > (gated != shipped).mean()


def test_bad_examples_and_settings_are_refused(run, splits, head):
    embeddings = run.model.embed(splits.test.texts[:2])
    with pytest.raises(TrainingError, match="1 labels"):
        CorrectionGate.around(head, embeddings, ["健康"])
    with pytest.raises(TrainingError, match="the head takes"):
        CorrectionGate.around(head, embeddings[:, :5], ["健康"] * 2)
    with pytest.raises(ConfigurationError, match="threshold is 2"):
        CorrectionGate(embeddings, threshold=2)
