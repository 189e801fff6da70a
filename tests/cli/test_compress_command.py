import csv
import json

import pytest
from click.testing import CliRunner

from goalkit import Bundle, CoreMLExporter, GoalModel
from goalkit.cli import goalkit
from goalkit.errors import BudgetError, ConfigurationError, MissingColumnError
from goalkit.weights import stored_weights


def call(*arguments):
    return CliRunner().invoke(goalkit, ["compress", *map(str, arguments)])


@pytest.fixture
def folder(run, splits, tmp_path, monkeypatch):
    """A folder with a model and a file of labelled goals, as the working directory."""
    monkeypatch.chdir(tmp_path)
    run.model.save("model")
    rows = splits.validation.take(range(200))
    columns = [rows.texts, *rows.labels.values()]
    with open("goals.csv", "w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows([("text", *rows.labels), *zip(*columns, strict=True)])
    return tmp_path


def forms(path):
    return {str(storage.form) for _, _, storage in stored_weights(GoalModel.load(path))}


def test_a_model_is_compressed_with_a_recipe(folder):
    (folder / "recipe.json").write_text('{"techniques": [{"name": "palettisation", "bits": 3}]}')
    options = ["--recipe", "recipe.json", "--data", "goals.csv", "--target", "iOS18", "--output", "small"]
    page = call("model", *options)
    assert page.exit_code == 0, page.output
    assert forms("small") == {"3-bit palette"}
    size = CoreMLExporter(deployment_target="iOS18").package_bytes(GoalModel.load("small"))
    assert f"palettisation(bits=3): package {size / 1e6:.2f} MB" in page.output
    assert "completion" in page.output
    assert "goalkit export small --recipe none --target iOS18" in page.output
    assert not (folder / "small-run").exists()
    page = call("model", *options[:4], "--output", "other")
    assert isinstance(page.exception, ConfigurationError)
    assert "which iOS16 does not have" in str(page.exception)
    assert not (folder / "other").exists()


def test_a_model_is_compressed_within_a_budget_and_exported(folder):
    page = call("model", "--size-mb", 0.45, "--trials", 3, "--data", "goals.csv", "--output", "small")
    assert page.exit_code == 0, page.output
    assert "Best of 3 recipes (* chosen within size_mb=0.45)" in page.output
    saved = json.loads((folder / "small" / "budget.json").read_bytes())
    assert saved == json.loads((folder / "small-run" / "front.json").read_bytes())
    assert (folder / "small-run" / "front.svg").exists()
    assert saved["best"]["measured"]
    assert saved["tried"] == 3
    page = CliRunner().invoke(goalkit, ["export", "small", "--recipe", "none", "--output", "bundle"])
    assert page.exit_code == 0, page.output
    package = Bundle.open("bundle").path / "GoalAnalyzer.mlpackage"
    size = sum(file.stat().st_size for file in package.rglob("*") if file.is_file())
    assert size == saved["best"]["package_bytes"] <= 450_000
    assert forms("small") <= {"4-bit palette", "6-bit palette"}


def test_a_budget_that_cannot_be_kept_is_one_line(folder):
    page = call("model", "--size-mb", 0.01, "--trials", 1, "--data", "goals.csv", "--output", "small")
    assert isinstance(page.exception, BudgetError)
    assert "none of 1 recipes keeps within size_mb=0.01; the nearest is vocabulary-trimming + quantisation: about 0." in str(
        page.exception
    )
    assert not (folder / "small").exists()
    assert (folder / "small-run" / "study.journal").exists()


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--recipe", "none"),
        ("--trials", "3"),
        ("--recipe", "int8", "--size-mb", "1"),
        ("--recipe", "int8", "--layers", "0"),
    ],
)
def test_a_recipe_or_a_budget_must_be_given(options):
    page = call("absent", *options)
    assert page.exit_code == 2
    assert "give either a recipe or a budget: --recipe, or --size-mb" in " ".join(page.output.replace("│", " ").split())


def test_layers_that_are_no_numbers_are_refused():
    page = call("absent", "--size-mb", 1, "--layers", "0,1", "--layers", "x")
    assert page.exit_code == 2
    assert "'x': give numbers from 0, separated by commas" in page.output


def test_the_columns_are_those_of_the_models_tasks(folder):
    (folder / "half.csv").write_text("text,category\n跑步,健康\n", encoding="utf-8")
    page = call("model", "--recipe", "int8", "--data", "half.csv")
    assert isinstance(page.exception, MissingColumnError)
    page = call("model", "--recipe", "int8", "--data", "half.csv", "--label", "mood")
    assert page.exit_code == 2
    assert "the model has no task mood; its tasks are category, difficulty, completion" in " ".join(page.output.split())
