"""Labels are names: whatever labels rows have, and in whatever order, they meet the outputs of a model by name."""

import attrs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

from goalkit import GOAL_TASKS, Dataset, GoalModel, Splits, Task, Trainer, UpdatableHeadBuilder
from goalkit.datasets import quality_report
from goalkit.errors import ConfigurationError, DatasetError, TrainingError
from goalkit.evaluation import calibrate, evaluate, evaluation_report, ngram_baseline
from goalkit.evaluation.report import task_report
from goalkit.export import CorrectionGate, NeighboursHeadBuilder, Replay, rehearse_update
from goalkit.training import FewLabelsTrainer

TASKS = {task.name: task for task in GOAL_TASKS}
TRAINER = Trainer(epochs=2, learning_rate=3e-3, batch_size=32, precision="float32")


def gathered(rows, names=None):
    """The same rows as a reader of a file sees them: each task has the labels that occur."""
    return Dataset.from_columns(rows.texts, {name: rows.labels[name] for name in names or rows.labels})


def without(rows, name, label):
    return rows.take(np.flatnonzero(np.array(rows.labels[name]) != label))


def turned(rows):
    """The same rows with the tasks, and the labels of each, in reverse order."""
    return rows.with_tasks([Task(task.name, task.labels[::-1]) for task in rows.tasks[::-1]])


def by_name(model, rows, name):
    """Right and predicted labels."""
    return rows.labels[name], [prediction.labels[name] for prediction in model.predict(rows.texts)]


@pytest.mark.parametrize(("name", "label"), [(task.name, label) for task in GOAL_TASKS for label in task.labels])
def test_rows_without_a_label_are_scored_against_the_models_task(run, splits, name, label):
    rows = gathered(without(splits.test, name, label))
    assert label not in rows.tasks[[task.name for task in rows.tasks].index(name)].labels
    for score in evaluate(run.model, rows):
        assert score.accuracy == accuracy_score(*by_name(run.model, rows, score.task))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_scores_are_those_of_scikit_learn_on_names(run, splits, data):
    names = data.draw(st.lists(st.sampled_from(list(TASKS)), min_size=1, unique=True), "tasks")
    texts = splits.test.texts[: data.draw(st.integers(2, 25), "rows")]
    columns, tasks = {}, []
    for name in names:
        labels = data.draw(st.lists(st.sampled_from(TASKS[name].labels), min_size=2, unique=True), f"labels of {name}")
        columns[name] = [*labels, *data.draw(st.lists(st.sampled_from(labels), min_size=len(texts), max_size=len(texts)))]
        columns[name] = columns[name][: len(texts)]
        tasks += [Task(name, labels)] if data.draw(st.booleans(), f"{name} in full") or len(set(columns[name])) < 2 else []
    rows = Dataset.from_columns(texts, columns, tasks=tasks)
    report = evaluation_report(run.model, rows)
    assert [each.task for each in report.tasks] == [name for name in TASKS if name in names]
    for score, reported in zip(evaluate(run.model, rows), report.tasks, strict=True):
        truth, predicted = by_name(run.model, rows, score.task)
        assert score.accuracy == reported.accuracy.value == pytest.approx(accuracy_score(truth, predicted))
        macro = f1_score(truth, predicted, average="macro")
        assert score.macro_f1 == pytest.approx(macro)
        assert reported.macro_f1.value == pytest.approx(macro)
        assert score.averaged_labels == reported.averaged_labels == len({*truth, *predicted})
        assert score.labels == len(TASKS[score.task].labels)
        found = precision_recall_fscore_support(
            truth, predicted, labels=TASKS[score.task].labels, average=None, zero_division=np.nan
        )
        for place, each in enumerate(reported.labels):
            assert each.rows == found[3][place]
            for value, expected in zip((each.precision, each.recall, each.f1), found, strict=False):
                assert value == pytest.approx(expected[place]) if value is not None else np.isnan(expected[place])


def test_intervals_average_over_the_labels_of_each_draw(monkeypatch):
    """A rare label is missing from many draws, and does not count as wrong in them."""
    monkeypatch.setattr("goalkit.evaluation.report.DRAWS", 60)
    task = Task("kind", ("a", "b", "c", "d"))
    truth, predicted = np.array([0] * 8 + [1] * 6 + [2]), np.array([0] * 7 + [1] * 6 + [0, 2])
    confusion = np.zeros((4, 4), int)
    np.add.at(confusion, (truth, predicted), 1)
    drawn = np.random.default_rng(3).multinomial(15, confusion.ravel() / 15, 60)
    cells = [np.repeat(np.arange(16), counts) for counts in drawn]
    assert 0 < sum(2 not in cell // 4 for cell in cells) < 60
    expected = [f1_score(cell // 4, cell % 4, average="macro") for cell in cells]
    made = task_report(task, ["…"] * 15, truth, np.eye(4, dtype=np.float32)[predicted], mistakes=0, seed=3)
    assert made.macro_f1.value == pytest.approx(f1_score(truth, predicted, average="macro"))
    assert (made.macro_f1.low, made.macro_f1.high) == pytest.approx(tuple(np.quantile(expected, [0.025, 0.975])))
    assert made.averaged_labels == 3
    assert attrs.astuple(made.labels[3]) == ("d", None, None, None, 0)


def test_calibration_does_not_depend_on_the_labels_of_the_rows(run, splits):
    rows = without(splits.validation, "category", "健康")
    expected = calibrate(run.model, rows).temperatures
    for other in (gathered(rows), turned(rows), turned(gathered(rows))):
        assert calibrate(run.model, other).temperatures == expected
    with pytest.raises(DatasetError, match="the rows have labels for category, not for difficulty, completion: "):
        calibrate(run.model, gathered(rows, ["category"]))


def test_training_does_not_depend_on_the_labels_of_the_parts(untrained, splits):
    few = splits.train.take(range(200))
    validation = without(splits.validation, "category", "健康")
    expected = TRAINER.fit(untrained, Splits(few, validation, validation), progress=False)
    made = TRAINER.fit(untrained, Splits(turned(few), gathered(validation), validation), progress=False)
    assert made.model.digest() == expected.model.digest()
    assert made.data_digest == expected.data_digest
    best = {score.task: score for score in made.epochs[made.best_epoch - 1].validation}
    assert best["category"].averaged_labels <= 5
    for name, score in best.items():
        assert score.macro_f1 == pytest.approx(f1_score(*by_name(made.model, validation, name), average="macro"))


def test_a_model_learns_some_of_the_tasks_with_labels_in_its_own_order(splits):
    tasks = [Task(name, TASKS[name].labels[::-1]) for name in ("completion", "category")]
    model = GoalModel.from_backbone(
        "tiny-bert", tasks=tasks, encoder={"num_hidden_layers": 1, "hidden_size": 32, "num_attention_heads": 2}
    )
    few = splits.train.take(range(120))
    given = Dataset.from_columns(few.texts, {task.name: few.labels[task.name] for task in tasks}, tasks=tasks)
    for fit in (
        lambda rows: Trainer(epochs=1).fit(model, Splits(rows, rows, rows), progress=False),
        lambda rows: FewLabelsTrainer(tuning="contrastive", steps=2, precision="float32").fit(model, rows, progress=False),
        lambda rows: FewLabelsTrainer(tuning="frozen").fit(model, rows, progress=False),
    ):
        assert fit(few).model.digest() == fit(given).model.digest()


def test_what_cannot_be_matched_by_name_is_refused(run, untrained, splits):
    rows = splits.test.take(range(20))
    unknown = [*rows.labels["category"][:-1], "旅行"]
    strange = Dataset.from_columns(rows.texts, {**rows.labels, "category": unknown})
    message = r"row 20 \(.*\) has the category '旅行', which is not one of 健康, 学习, 工作, 生活, 理财: "
    for refuse in (
        lambda: evaluate(run.model, strange),
        lambda: evaluation_report(run.model, strange),
        lambda: calibrate(run.model, strange),
        lambda: FewLabelsTrainer(tuning="frozen").fit(untrained, strange),
        lambda: Trainer().fit(untrained, Splits(strange, rows, rows)),
        lambda: splits.train.extend(strange),
    ):
        with pytest.raises(DatasetError, match=message):
            refuse()
    moods = Dataset.from_columns(rows.texts, {"mood": ["好", "坏"] * 10, "weather": ["雨", "晴"] * 10})
    for refuse in (evaluate, evaluation_report):
        with pytest.raises(
            DatasetError, match="the model predicts category, difficulty, completion, the rows are labelled for mood, weather: "
        ):
            refuse(run.model, moods)


def test_a_label_of_validation_that_only_the_dataset_knows_is_refused_before_training(splits):
    """The training part allows a sixth category, which none of its rows has."""
    tasks = [Task("category", (*TASKS["category"].labels, "旅行")), *GOAL_TASKS[1:]]
    train = splits.train.with_tasks(tasks)
    rows = splits.validation
    validation = Dataset.from_columns(rows.texts, {**rows.labels, "category": ["旅行", *rows.labels["category"][1:]]})
    model = GoalModel.from_backbone("tiny-bert", tasks=GOAL_TASKS, encoder={"num_hidden_layers": 1})
    epochs = []
    with pytest.raises(DatasetError, match="has the category '旅行'"):
        Trainer(epochs=1).fit(model, Splits(train, validation, rows), on_epoch=epochs.append, progress=False)
    assert not epochs


def test_columns_that_the_model_does_not_know_are_left_alone(run, splits):
    rows = splits.test.take(range(20))
    more = Dataset.from_columns(rows.texts, {"mood": ["好", "坏"] * 10, **rows.labels})
    assert evaluate(run.model, more) == evaluate(run.model, rows)


def test_parts_of_splits_are_labelled_for_the_tasks_of_the_training_part(splits):
    train = splits.train
    made = Splits(train, turned(gathered(without(splits.validation, "category", "健康"))), gathered(splits.test))
    assert made.validation.tasks == made.test.tasks == train.tasks
    assert made.test.labels == splits.test.labels
    fewer, validation = (without(part, "category", "理财") for part in (train, splits.validation))
    with pytest.raises(
        DatasetError, match=r"the test part does not fit the training part: row \d+ \(.*'理财', which is not one of"
    ):
        Splits(gathered(fewer), validation, splits.test)
    with pytest.raises(DatasetError, match="the validation part does not fit .* have labels for category, not for difficulty"):
        Splits(train, gathered(splits.validation, ["category"]), splits.test)


def test_parts_with_other_labels_are_compared_by_name(splits):
    test = gathered(turned(without(splits.test, "category", "健康")))
    checks = {
        each.name: each for each in quality_report(splits.train, splits=Splits(splits.train, splits.validation, test)).checks
    }
    shares = [
        np.array([rows.labels["category"].count(label) for label in TASKS["category"].labels]) / len(rows)
        for rows in (splits.train, test)
    ]
    assert checks["label drift"].value == pytest.approx(np.abs(shares[0] - shares[1]).sum() / 2)


def test_the_baseline_scores_by_name(splits):
    test = without(splits.test, "category", "健康")
    expected = ngram_baseline(Splits(splits.train, splits.validation, test))
    assert ngram_baseline(Splits(splits.train, splits.validation, turned(gathered(test)))) == expected


def test_added_rows_are_matched_by_name(splits):
    rows = without(splits.validation, "category", "健康")
    grown = splits.train.extend(turned(gathered(rows)))
    assert grown.tasks == splits.train.tasks
    assert {name: column[len(splits.train) :] for name, column in grown.labels.items()} == rows.labels


def test_rows_in_other_tasks_are_the_same_rows(splits):
    rows = splits.test
    again = turned(rows).with_tasks(rows.tasks)
    assert (again.labels, again.texts, again.digest()) == (rows.labels, rows.texts, rows.digest())
    task = Task("category", TASKS["category"].labels[::-1])
    assert rows.label_ids(task).tolist() == (4 - rows.label_ids(TASKS["category"])).tolist()
    with pytest.raises(DatasetError, match="labels for category, difficulty, completion, not for mood: "):
        rows.label_ids(Task("mood", ("好", "坏")))


def test_a_bundle_is_verified_by_name(exported, splits):
    rows = without(splits.test, "category", "健康")
    for names in (["category"], ["completion", "category"]):
        report = exported.verify(rows.texts, {name: rows.labels[name] for name in names})
        assert set(report.accuracy) == set(names)
        for name in names:
            assert report.accuracy[name]["bundle"] == accuracy_score(*by_name(exported, rows, name))
    with pytest.raises(ConfigurationError, match="'category' has no label '旅行'; its labels are 健康, .*: correct row 2, "):
        exported.verify(["跑步", "去海边"], {"category": ["健康", "旅行"]})
    with pytest.raises(ConfigurationError, match="there is no task 'mood'; the tasks are category, "):
        exported.verify(["跑步"], {"mood": ["好"]})


def test_examples_of_heads_have_labels_that_the_model_knows(run, splits):
    spec = UpdatableHeadBuilder(task="category").build(run.model).spec
    points, labels = run.model.embed(splits.test.texts[:8]), splits.test.labels["category"][:8]
    rehearsal = rehearse_update(spec, points, labels, seeds=1)
    strange = [*labels[:-1], "宠物"]
    for refuse in (
        lambda: rehearse_update(spec, points, strange),
        lambda: rehearsal.accuracies(points, strange),
        lambda: CorrectionGate.around(spec, points, strange),
    ):
        with pytest.raises(TrainingError, match="the head has no label '宠物'; its labels are 健康, 学习, 工作, 生活, 理财: "):
            refuse()
    texts = splits.test.texts[:8]
    for refuse in (
        lambda: NeighboursHeadBuilder(task="category").build(run.model, texts, strange),
        lambda: Replay.choose(texts, {"category": strange}, per_label=9).check(run.model.tasks, ["category"]),
    ):
        with pytest.raises(ConfigurationError, match=r"'category' has no label '宠物'; its labels are .*: correct row \d, "):
            refuse()
