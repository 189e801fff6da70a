import numpy as np
import pytest
from click.testing import CliRunner

from goalkit import GoalModel
from goalkit.cli import goalkit
from goalkit.errors import DatasetError, ModelError, TrainingError


def call(*arguments):
    return CliRunner().invoke(goalkit, ["distil", *map(str, arguments)])


@pytest.fixture
def folder(run, splits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run.model.save("teacher")
    (tmp_path / "texts.txt").write_text("\n".join(["", *splits.train.texts[:70]]), encoding="utf-8")
    return tmp_path


def test_a_student_of_the_teachers_layers_is_distilled_and_trained_for_other_labels(folder, run, splits):
    page = call("teacher", "--texts", "texts.txt", "--layers", "0", "--epochs", 3, "--output", "student")
    assert page.exit_code == 0, page.output
    assert "goalkit train --backbone tiny-bert --checkpoint student" in page.output
    student = GoalModel.load("student")
    assert student.configuration.encoder["num_hidden_layers"] == 1
    assert student.tokenizer == run.model.tokenizer
    assert list((folder / "student-run" / "teacher").glob("*.npy"))
    rows = [f"{text},{label}" for text, label in zip(splits.test.texts, splits.test.labels["category"], strict=True)]
    (folder / "topics.csv").write_text(
        "\n".join(["text,topic", *(row for row in rows if row.count(",") == 1)]), encoding="utf-8"
    )
    options = ["--data", "topics.csv", "--label", "topic", "--checkpoint", "student", "--epochs", "1", "--output", "topics"]
    page = CliRunner().invoke(goalkit, ["train", *options])
    assert page.exit_code == 0, page.output
    assert GoalModel.load("topics").configuration.encoder["num_hidden_layers"] == 1
    again = call("teacher", "--texts", "texts.txt", "--layers", "0", "--epochs", 3, "--output", "student", "--resume")
    assert again.exit_code == 0, again.output
    np.testing.assert_array_equal(GoalModel.load("student").embed(["跑步"]), student.embed(["跑步"]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--layers", "0,x"), "'0,x': give numbers from 0, separated by commas, such as 0,3,7,11"),
        (("--layers", "0", "--own-vocabulary"), "leave the options for these out"),
        (("--layers", "0", "--backbone", "mobilebert"), "leave the options for these out"),
    ],
)
def test_wrong_usage_is_reported_before_anything_is_read(tmp_path, options, message):
    page = call("absent", "--texts", "absent.txt", *options)
    assert page.exit_code == 2
    assert message in page.output


def test_errors_say_what_to_do(folder):
    (folder / "empty.txt").write_text("\n", encoding="utf-8")
    (folder / "latin.txt").write_bytes(b"\xff\xfe\xff")
    for texts, error, message in (
        ("absent.txt", DatasetError, "absent.txt cannot be read"),
        ("latin.txt", DatasetError, "give a UTF-8 file with a text per line"),
        ("empty.txt", TrainingError, "there are no texts to distil on"),
    ):
        page = call("teacher", "--texts", texts)
        assert isinstance(page.exception, error)
        assert message in str(page.exception)
    page = call("teacher", "--texts", "texts.txt", "--layers", "0,9")
    assert isinstance(page.exception, ModelError)
    assert "from 0 to 1" in str(page.exception)
