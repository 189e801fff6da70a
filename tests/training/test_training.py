import json

import pytest
import torch

from goalkit import Dataset, GoalModel, Splits, Trainer
from goalkit.errors import DatasetError, TrainingError
from goalkit.evaluation import TaskScore, evaluate, ngram_baseline
from goalkit.evaluation.scores import score_labels


def test_learns_goals_it_has_not_seen(run, splits):
    untrained_share = 1 / 5
    scores = {score.task: score for score in evaluate(run.model, splits.test)}
    assert scores["category"].accuracy > untrained_share + 0.3
    assert scores["completion"].accuracy > 1 / 3 + 0.2


def test_chooses_the_best_epoch_and_stops_without_progress(untrained, splits):
    made = Trainer(epochs=9, learning_rate=1e-9, patience=2, precision="float32").fit(untrained, splits, progress=False)
    best = max(made.epochs, key=lambda epoch: epoch.score)
    assert made.best_epoch == best.number
    assert len(made.epochs) == made.best_epoch + 2 < 9


def test_few_rows_are_passed_more_often_unless_epochs_are_given(untrained, splits):
    assert [Trainer().epochs_of(steps) for steps in (1, 31, 32, 100, 125, 1000)] == [16, 16, 16, 5, 4, 4]
    few = Splits(splits.train.take(range(64)), splits.validation.take(range(32)), splits.test)
    made = [Trainer(epochs=epochs, patience=99, calibrate=False).fit(untrained, few, progress=False) for epochs in (None, 2)]
    assert [len(each.epochs) for each in made] == [16, 2]


def test_weights_are_those_of_the_best_epoch(untrained, splits, monkeypatch):
    """Let the second of three epochs be the best, whatever it really was."""
    marks, seen = iter((0.5, 0.9, 0.1)), []

    def judge(engine, rows):
        seen.append(engine.model.digest())
        return (TaskScore("category", 0.0, next(marks), 5, 5),), 1.0

    monkeypatch.setattr("goalkit.training.engine.Engine.validate", judge)
    few = Splits(splits.validation, splits.validation, splits.test)
    made = Trainer(epochs=3, learning_rate=1e-3, calibrate=False).fit(untrained, few, progress=False)
    assert made.best_epoch == 2
    assert made.model.digest() == seen[1] != seen[2]


def test_same_seed_same_bytes_and_the_given_model_is_untouched(untrained, splits):
    before = untrained.digest()
    trainer = Trainer(epochs=1, learning_rate=1e-3)
    first, second = (trainer.fit(untrained, splits, progress=False).model.digest() for _ in range(2))
    assert first == second
    assert first != before == untrained.digest()


def test_run_is_saved_with_all_that_made_it(run, tmp_path):
    folder = run.save(tmp_path / "model")
    record = json.loads((folder / "training.json").read_bytes())
    assert record["trainer"]["learning_rate"] == 3e-3
    assert len(record["epochs"]) == len(run.epochs)
    assert record["data_sha256"] == run.data_digest
    assert GoalModel.load(folder).digest() == run.model.digest()


def test_macro_f1_weighs_labels_alike(splits):
    import numpy as np

    task = splits.train.tasks[0]
    truth = np.array([0, 0, 0, 1])
    given = score_labels(task, truth, np.array([0, 0, 0, 0]))
    assert given.accuracy == 0.75
    assert given.macro_f1 == pytest.approx((2 * 3 / 7 + 0) / 2)
    assert (given.averaged_labels, given.labels) == (2, 5)


def test_baseline_scores_every_task(splits):
    assert all(score.accuracy > 0.7 for score in ngram_baseline(splits))


def test_rows_for_other_tasks_or_without_a_label_are_refused(untrained, splits):
    other = Dataset.from_columns(["甲", "乙", "丙"] * 9, {"kind": ["a", "b", "a"] * 9})
    with pytest.raises(DatasetError, match="the rows have labels for kind, not for category, difficulty, completion: "):
        Trainer().fit(untrained, Splits(other, other, other))
    partial = splits.train.take([row for row, label in enumerate(splits.train.labels["category"]) if label != "理财"])
    with pytest.raises(TrainingError, match="no training row has the category 理财"):
        Trainer().fit(untrained, Splits(partial, splits.validation, splits.test))


def test_a_loss_that_is_no_number_stops_training(untrained, splits):
    with torch.no_grad():
        untrained.heads["category"].bias[0] = float("nan")
    with pytest.raises(TrainingError, match="the loss is nan at step 0: lower learning_rate"):
        Trainer(epochs=1).fit(untrained, splits, progress=False)


def test_unknown_characters_are_warned_about(splits, caplog):
    model = GoalModel.from_backbone(
        "tiny-bert",
        tasks=splits.train.tasks,
        vocabulary_from=["跑步"],
        encoder={"num_hidden_layers": 1, "hidden_size": 32, "num_attention_heads": 2},
    )
    small = Splits(splits.validation, splits.validation, splits.test)
    Trainer(epochs=1).fit(model, small, progress=False)
    assert "of the pieces in the training texts are unknown" in caplog.text
