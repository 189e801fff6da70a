import csv
import json
import shutil
import subprocess
import sys
from importlib import metadata

import numpy as np
import pytest
from click.testing import CliRunner

from goalkit import Bundle, Dataset, GoalModel
from goalkit.cli import _COMMANDS, goalkit
from goalkit.cli.reports import show_evaluation, show_scores
from goalkit.errors import GoalkitError, StorageError
from goalkit.evaluation import EvaluationReport, TaskScore
from goalkit.evaluation.report import task_report
from goalkit.tasks import Task


def call(*arguments, **options):
    return CliRunner().invoke(goalkit, list(map(str, arguments)), **options)


def test_help_lists_every_command_and_each_has_examples():
    listing = call("--help")
    assert listing.exit_code == 0
    for name in _COMMANDS:
        assert name in listing.output
        page = call(name, "--help").output
        assert name in {"backbones", "doctor"} or "Examples:" in page


def test_errors_are_one_line_and_exit_with_1(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "goalkit", "predict", "跑步", "--bundle", str(tmp_path / "none")], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("goalkit: there is no bundle at")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_wrong_usage_exits_with_2():
    assert call("predict").exit_code == 2
    assert call("fly").exit_code == 2
    assert call("predict", "").exit_code == 2
    for arguments in (
        ["export", "m", "--recipe", "zip"],
        ["train", "--epochs", 0],
        ["train", "--seed", -1],
    ):
        assert call(*arguments).exit_code == 2, arguments


def test_brackets_in_a_goal_are_shown_as_they_are(exported):
    page = call("predict", "--bundle", exported.path, "[工作] 写报告[/x]")
    assert page.exit_code == 0, page.output
    assert "[工作] 写报告[/x]" in page.output


def test_an_output_that_cannot_be_is_reported_before_training(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    page = call("train", "--output", tmp_path)
    assert isinstance(page.exception, StorageError)
    assert "contains something other than a model" in str(page.exception)
    assert "training" not in page.output
    assert (tmp_path / "notes.txt").exists()


def test_predict_shows_labels_and_a_hint(exported):
    page = call("predict", "--bundle", exported.path, "今晚跑五公里")
    assert page.exit_code == 0, page.output
    assert "今晚跑五公里" in page.output
    assert "简单" in page.output


def test_predict_reads_standard_input_and_writes_json(exported):
    page = call("predict", "--bundle", exported.path, "--json", "-", input="今晚跑五公里\n\n背单词\n")
    rows = [json.loads(line) for line in page.output.splitlines()]
    assert [row["text"] for row in rows] == ["今晚跑五公里", "背单词"]
    assert set(rows[0]) == {"text", "labels", "probabilities", "hint"}


def test_train_export_verify(tmp_path, splits):
    data = tmp_path / "goals.csv"
    rows = splits.validation
    lines = [
        "goal,kind",
        *(f'"{text}",{label}' for text, label in zip(rows.texts, rows.labels["completion"], strict=True) if '"' not in text),
    ]
    data.write_text("\n".join([*lines, "没有标签的一行"]), encoding="gb18030")
    source = ["--data", data, "--text", "goal", "--label", "kind", "--rejects", tmp_path / "bad.jsonl"]
    page = call("train", *source, "--epochs", 3, "--output", tmp_path / "model")
    assert page.exit_code == 0, page.output
    assert "没有标签的一行" in (tmp_path / "bad.jsonl").read_text(encoding="utf-8")
    page = call("export", tmp_path / "model", "--output", tmp_path / "bundle", "--sequence-length", 32)
    assert page.exit_code == 0, page.output
    assert "head kind: largest error" in page.output
    assert "made up of the vocabulary: name yours with --golden" in page.output  # goals have no task of that name
    (tmp_path / "titles.txt").write_text("\n".join(["", *rows.texts[:40]]), encoding="utf-8")
    options = ["--output", tmp_path / "bundle", "--sequence-length", 32, "--golden", tmp_path / "titles.txt"]
    page = call("export", tmp_path / "model", *options)
    assert page.exit_code == 0, page.output
    manifest = json.loads((tmp_path / "bundle" / "manifest.json").read_bytes())
    assert manifest["origin"]["golden"] == "40 given texts"
    assert f"identity {manifest['identity']}" in page.output
    (tmp_path / "titles.txt").write_bytes(b"\xff")
    page = call("export", tmp_path / "model", *options)
    assert "give a UTF-8 file with a text per line" in str(page.exception)
    page = call("verify", tmp_path / "bundle", *source, "--reference", tmp_path / "model")
    assert page.exit_code == 0, page.output
    assert "against its outputs in golden.json" in " ".join(page.output.split())


def test_export_takes_a_recipe_from_a_file(run, tmp_path):
    run.model.save(tmp_path / "model")
    arguments = ("export", tmp_path / "model", "--output", tmp_path / "bundle", "--sequence-length", 32, "--recipe")
    (tmp_path / "recipe.json").write_text('{"techniques": [{"name": "palettisation", "bits": 8}]}')
    page = call(*arguments, tmp_path / "recipe.json")
    assert page.exit_code == 0, page.output
    assert set(Bundle.open(tmp_path / "bundle").manifest.origin.compression) == {"8-bit palette"}
    (tmp_path / "recipe.json").write_text('{"techniques": [{"name": "palettisation", "bit": 8}]}')
    page = call(*arguments, tmp_path / "recipe.json")
    assert "unknown key bit in Palettisation; valid keys are group_size" in str(page.exception)


def test_train_resumes_evaluates_and_searches(tmp_path, splits):
    goals = splits.validation.take(range(120))
    source = tmp_path / "goals.csv"
    with source.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows([("text", "category"), *zip(goals.texts, goals.labels["category"], strict=True)])
    (tmp_path / "trainer.json").write_text('{"epochs": 1, "schedule": "cosine", "learning_rate": 0.001}')
    arguments = ("--data", source, "--label", "category", "--settings", tmp_path / "trainer.json")
    trained = call("train", *arguments, "--dropout", 0, "--output", tmp_path / "model")
    assert trained.exit_code == 0, trained.output
    record = json.loads((tmp_path / "model" / "training.json").read_bytes())["trainer"]
    assert (record["epochs"], record["schedule"], record["dropout"]) == (1, "cosine", 0)
    assert (tmp_path / "model-run" / "log.jsonl").exists()
    resumed = call("train", *arguments, "--dropout", 0, "--output", tmp_path / "model", "--resume")
    assert resumed.exit_code == 0, resumed.output
    evaluated = call("evaluate", tmp_path / "model", "--data", source, "--output", tmp_path / "report.json")
    assert evaluated.exit_code == 0, evaluated.output
    assert "95 % interval" in evaluated.output
    assert json.loads((tmp_path / "report.json").read_bytes())["tasks"][0]["task"] == "category"
    study, found = tmp_path / "study.journal", tmp_path / "found.json"
    searched = call("search", *arguments, "--trials", 1, "--study", study, "--output", found)
    assert searched.exit_code == 0, searched.output
    assert json.loads(found.read_bytes())["schedule"] == "cosine"


def test_settings_that_are_unknown_are_reported_with_the_valid_ones(tmp_path):
    (tmp_path / "trainer.json").write_text('{"epoch": 1}')
    page = call("train", "--settings", tmp_path / "trainer.json", "--output", tmp_path / "model")
    assert "unknown key epoch in Trainer; valid keys are epochs, learning_rate" in str(page.exception)


def test_verify_of_a_task_that_the_bundle_does_not_have(exported):
    page = call("verify", exported.path, "--label", "mood")
    assert page.exit_code == 2
    assert "has no task mood; its tasks are category, difficulty, completion" in " ".join(page.output.replace("│", " ").split())


def test_evaluate_and_verify_take_the_tasks_that_a_file_has(run, exported, splits, tmp_path):
    model, whole, some, other = tmp_path / "model", tmp_path / "whole.csv", tmp_path / "some.jsonl", tmp_path / "other.csv"
    run.save(model)
    rows = splits.test.take([row for row, label in enumerate(splits.test.labels["category"]) if label != "健康"])
    write_csv(whole, {"text": rows.texts, **rows.labels})
    lines = [
        json.dumps({"text": text, "category": category, "mood": "好"}, ensure_ascii=False)
        for text, category in zip(rows.texts, rows.labels["category"], strict=True)
    ]
    some.write_text("\n".join(lines), encoding="utf-8")
    right = sum(
        prediction.labels["category"] == label
        for prediction, label in zip(run.model.predict(rows.texts), rows.labels["category"], strict=True)
    ) / len(rows)
    for source, arguments in ((some, []), (whole, ["--label", "category"])):
        page = call("evaluate", model, "--data", source, "--all", "--output", tmp_path / "report.json", *arguments)
        assert page.exit_code == 0, page.output
        assert "scored: category; not scored: difficulty, completion" in page.output
        (task,) = json.loads((tmp_path / "report.json").read_bytes())["tasks"]
        assert task["accuracy"]["value"] == pytest.approx(right)
    page = call("verify", exported.path, "--data", some)
    assert page.exit_code == 0, page.output
    assert "scored: category; not scored: difficulty, completion" in page.output
    message = " ".join(page.output.split())
    assert "without labels for difficulty, completion the split differs from the one in training" in message
    write_csv(other, {"text": ["跑步", "游泳"], "mood": ["好", "坏"]})
    for arguments in (["evaluate", model, "--all"], ["verify", exported.path]):
        page = call(*arguments, "--data", other)
        assert "has no column category, difficulty, completion; its columns are text, mood: " in str(page.exception)


def test_evaluate_of_one_task_takes_the_test_part_that_training_left(run, splits, tmp_path):
    """The split takes all tasks of the model, whichever are scored."""
    model, source = tmp_path / "model", tmp_path / "goals.csv"
    run.save(model)
    rows = splits.train.extend(splits.validation)
    write_csv(source, {"text": rows.texts, **rows.labels})
    reports = []
    for arguments in ([], ["--label", "completion"]):
        page = call("evaluate", model, "--data", source, "--output", tmp_path / "report.json", *arguments)
        assert page.exit_code == 0, page.output
        assert "split otherwise" not in page.output
        reports.append(json.loads((tmp_path / "report.json").read_bytes())["tasks"][-1])
    assert reports[0] == reports[1]


def test_a_label_of_a_file_that_the_model_does_not_know_is_reported_with_its_line(run, tmp_path):
    run.save(tmp_path / "model")
    write_csv(tmp_path / "goals.csv", {"text": ["跑步", "去海边"], "category": ["健康", "旅行"]})
    page = call("evaluate", tmp_path / "model", "--data", tmp_path / "goals.csv", "--all")
    assert "goals.csv has 1 bad row: line 3: the category is '旅行', not one of 健康, 学习, 工作, 生活, 理财" in str(
        page.exception
    )


def test_labels_that_a_macro_f1_leaves_out_are_reported(capsys):
    show_scores("one text", (TaskScore("completion", 1.0, 1.0, 1, 3), TaskScore("category", 0.5, 0.4, 5, 5)))
    assert "100.0% over 1 of 3 labels" in capsys.readouterr().out
    task = Task("kind", ("甲", "乙", "丙"))
    made = task_report(task, ["一", "二"], np.array([0, 0]), np.eye(3, dtype=np.float32)[[0, 1]], mistakes=0, seed=0)
    show_evaluation(EvaluationReport(2, (made,), 1.0, 1, 1))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["macro-F1", "over", "2", "of", "3", "labels", "33.3%"] in [line[:7] for line in lines]
    assert ["乙", "0", "0", "0", "0.0%", "–", "0.0%"] in lines, "it is predicted, and does not occur"
    assert ["丙", "0", "0", "0", "–", "–", "–"] in lines


def write_csv(path, columns):
    with path.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows([tuple(columns), *zip(*columns.values(), strict=False)])


def test_setting_bad_rows_aside_asks_for_the_file(tmp_path):
    page = call("train", "--rejects", tmp_path / "bad.jsonl", "--output", tmp_path / "model")
    assert page.exit_code == 2
    assert "the shipped goals have no bad rows" in " ".join(page.output.replace("│", " ").split())


def test_train_on_few_labels(tmp_path, splits):
    goals = splits.validation.take(range(60))
    source = tmp_path / "goals.csv"
    with source.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows([("text", "category"), *zip(goals.texts, goals.labels["category"], strict=True)])
    arguments = ("--data", source, "--label", "category", "--few-labels", "frozen", "--output", tmp_path / "model")
    refused = call("train", *arguments, "--epochs", 3, "--resume")
    assert refused.exit_code == 2
    assert "leave out --epochs, --resume" in refused.output
    trained = call("train", *arguments)
    assert trained.exit_code == 0, trained.output
    record = json.loads((tmp_path / "model" / "training.json").read_bytes())
    assert record["trainer"]["tuning"] == "frozen"
    assert GoalModel.load(tmp_path / "model").predict(["跑步"])[0].labels["category"] in goals.labels["category"]


def test_verify_exits_with_3_when_a_gate_fails(exported, tmp_path, untrained):
    """A reference that predicts otherwise: fidelity must fail."""
    untrained.save(tmp_path / "other")
    page = call("verify", exported.path, "--reference", tmp_path / "other")
    assert page.exit_code == 3
    assert "FAILED fidelity of" in page.output


def test_verify_of_an_altered_bundle_is_an_error(exported, tmp_path):
    copy = shutil.copytree(exported.path, tmp_path / "copy")
    (copy / "vocab.txt").write_text("[PAD]\n")
    page = call("verify", copy)
    assert isinstance(page.exception, GoalkitError)
    assert "vocab.txt is not the file that was exported" in str(page.exception)


def test_backbones_lists_names_packages_and_broken_plugins(tmp_path, monkeypatch):
    metadata = tmp_path / "faulty-1.0.dist-info"
    metadata.mkdir()
    (metadata / "entry_points.txt").write_text("[goalkit.backbones]\nfaulty = faulty:Own\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    page = call("backbones", env={"COLUMNS": "200"})
    assert page.exit_code == 0
    assert "tiny-bert" in page.output
    assert "broken: backbone 'faulty': package faulty fails to import" in " ".join(page.output.split())


def test_doctor_is_content_here_and_names_what_is_missing(monkeypatch):
    page = call("doctor")
    assert page.exit_code == 0, page.output
    assert "all that bundles need is there" in page.output
    version = metadata.version

    def without_coremltools(package):
        if package == "coremltools":
            raise metadata.PackageNotFoundError(package)
        return version(package)

    monkeypatch.setattr(metadata, "version", without_coremltools)
    page = call("doctor")
    assert page.exit_code == 1
    assert "missing: coremltools>=9.0\n" in page.output


def test_demo_makes_everything(tmp_path, monkeypatch):
    goals = Dataset.goals()
    monkeypatch.setattr(Dataset, "goals", lambda: goals.take(range(0, len(goals), 16)))  # for time
    page = call("demo", "--output", tmp_path / "build", "--epochs", 1)
    assert page.exit_code == 0, page.output
    assert "Next steps:" in page.output
    results = json.loads((tmp_path / "build" / "demo.json").read_bytes())
    assert set(results["accuracy"]) == {"category", "difficulty", "completion"}
    assert results["package_bytes"] < 0.4 * results["model_bytes"]
    assert call("predict", "--bundle", tmp_path / "build" / "GoalAnalyzer", "今晚跑五公里").exit_code == 0
