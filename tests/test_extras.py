"""What each install can do, in an environment of links to just the packages that it brings; read from goalkit's metadata."""

import ast
import configparser
import os
import pickle
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import goalkit
from goalkit.errors import MissingPackageError
from goalkit.extras import extra

PACKAGE = Path(goalkit.__file__).parent
GUARDED = {"datasets": "data", "training": "train"}
"""Packages that import all their modules under an extra."""


@cache
def brought(*extras):
    """The distributions that `pip install goalkit[extras]` brings, by canonical name."""
    found, ahead = set(), [("goalkit", each) for each in ("", *extras)]
    while ahead:
        name, asked = pair = ahead.pop()
        if pair in found:
            continue
        found.add(pair)
        try:
            lines = distribution(name).requires or ()
        except PackageNotFoundError:
            continue
        for requirement in map(Requirement, lines):
            if requirement.marker is None or requirement.marker.evaluate({"extra": asked}):
                ahead += [(canonicalize_name(requirement.name), each) for each in ("", *requirement.extras)]
    return {name for name, _ in found}


@pytest.fixture(scope="session")
def install(tmp_path_factory):
    """Make an environment, and return a function that runs Python in it."""

    def make(*extras, without=()):
        site = tmp_path_factory.mktemp("site")
        (site / "goalkit").symlink_to(PACKAGE)
        for name in sorted(brought(*extras) - set(without)):
            try:
                found = distribution(name)
            except PackageNotFoundError:  # of another system, or left out of the environment of the tests
                continue
            for part in {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
                if not (site / part).exists() and (origin := Path(str(found.locate_file(part)))).exists():
                    (site / part).symlink_to(origin.absolute())

        def run(*arguments):
            return subprocess.run(
                [sys.executable, "-S", *map(str, arguments)],
                env={**os.environ, "PYTHONPATH": str(site), "COLUMNS": "200"},
                cwd=site.parent,
                capture_output=True,
                text=True,
            )

        return run

    return make


@pytest.fixture(scope="session")
def core(install):
    return install()


@pytest.fixture(scope="session")
def windows(install):
    """All that trains, on a system that coremltools has no build for."""
    return install("train", without=["coremltools"])


def message_of(page):
    """What a command said on standard error, which is one line."""
    assert page.returncode == 1, page.stderr
    (line,) = page.stderr.splitlines()
    return line


def test_the_metadata_is_of_this_setup_cfg():
    parser = configparser.ConfigParser()
    parser.read(PACKAGE.parent / "setup.cfg", encoding="utf-8")
    asked = {str(Requirement(line)) for line in parser["options"]["install_requires"].split("\n") if line}
    found = {str(each) for each in map(Requirement, requires("goalkit")) if "extra" not in str(each.marker or "")}
    assert found == asked, "install goalkit again: its metadata is older than setup.cfg"
    assert brought() < brought("data") < brought("train")


def test_the_core_opens_runs_and_verifies_bundles(core, exported):
    code = f"""
from goalkit import Bundle
bundle = Bundle.open({str(exported.path)!r})
print(*bundle.predict(["今晚跑五公里"])[0].labels.values())
report = bundle.verify(["今晚跑五公里", "背五十个单词"])
assert report.parity_source == "golden.json"
report.raise_if_failed()
"""
    page = core("-c", code)
    assert page.returncode == 0, page.stderr
    assert page.stdout.split() == list(exported.predict(["今晚跑五公里"])[0].labels.values())


@pytest.mark.slow
def test_the_command_line_of_the_core(core, exported):
    page = core("-m", "goalkit", "predict", "--bundle", exported.path, "今晚跑五公里")
    assert page.returncode == 0, page.stderr
    assert exported.predict(["今晚跑五公里"])[0].labels["category"] in page.stdout
    page = core("-m", "goalkit", "--help")
    assert page.returncode == 0, page.stderr
    assert "predict" in page.stdout
    page = core("-m", "goalkit", "doctor")
    assert page.returncode == 0, page.stderr
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in page.stdout.splitlines() if line.strip()}
    assert lines["[data]"].startswith('missing pip install "goalkit[data]" adds charset-normalizer, ')
    assert lines["[train]"].startswith('missing pip install "goalkit[train]" adds [data], accelerate, ')
    assert "pyarrow" not in lines


def test_a_command_that_needs_an_extra_says_which_in_one_line(core, run, tmp_path):
    run.save(tmp_path / "model")
    (tmp_path / "in.csv").write_text("text,category\n跑步,健康\n读书,学习\n", encoding="utf-8")
    needs = {"clean in.csv --output out.csv": "data", "train": "train", "evaluate model": "train", "search": "train"}
    needs |= {"demo": "train", "export model": "export"}
    code = f"""
import contextlib, os, sys
from goalkit.cli import main
os.chdir({str(tmp_path)!r})
for command in {list(needs)!r}:
    sys.argv = ["goalkit", *command.split()]
    with contextlib.suppress(SystemExit):
        main()
"""
    lines = core("-c", code).stderr.splitlines()
    assert len(lines) == len(needs)
    for line, missing in zip(lines, needs.values(), strict=True):
        assert line.startswith("goalkit: this needs ")
        assert line.endswith(f', which is not installed: pip install "goalkit[{missing}]"')


def test_public_names_that_need_an_extra_say_which(core):
    code = """
import goalkit
for name in ("Dataset", "Splits", "Trainer"):
    try:
        getattr(goalkit, name)
    except goalkit.GoalkitError as error:
        assert isinstance(error, ImportError)
        print(error)
try:
    goalkit.GoalModel.from_backbone("tiny-bert", tasks=goalkit.GOAL_TASKS)
except goalkit.GoalkitError as error:
    print(error)
"""
    page = core("-c", code)
    assert page.returncode == 0, page.stderr
    assert page.stdout.splitlines() == [
        'this needs pyarrow, which is not installed: pip install "goalkit[data]"',
        'this needs pyarrow, which is not installed: pip install "goalkit[data]"',
        'this needs pyarrow, which is not installed: pip install "goalkit[train]"',
        'this needs transformers, which is not installed: pip install "goalkit[export]"',
    ]


@pytest.mark.slow
def test_data_reads_cleans_inspects_splits_and_augments(install, tmp_path):
    code = """
from goalkit import Dataset, GoalkitError
from goalkit.datasets import Cleaner, quality_report
from goalkit.datasets.augmentation import Synonyms, Typos, augment
goals = Dataset.goals()
goals = Cleaner(traditional="simplify").clean(goals.take(range(0, len(goals), 20))).dataset
splits = goals.split(seed=0)
quality_report(goals, splits=splits).save("quality.html")
assert len(augment(splits.train, [Synonyms(), Typos()], seed=0)) > len(splits.train)
try:
    Dataset.read("goals.xlsx")
except GoalkitError as error:
    print(error)
"""
    page = install("data")("-c", code)
    assert page.returncode == 0, page.stderr
    assert page.stdout == 'this needs openpyxl, which is not installed: pip install "goalkit[xlsx]"\n'


@pytest.mark.slow
def test_export_compresses_and_exports_a_saved_model(install, run, tmp_path):
    run.save(tmp_path / "model")
    arguments = ("--output", tmp_path / "bundle", "--head", "category", "--sequence-length", 32)
    page = install("export")("-m", "goalkit", "export", tmp_path / "model", *arguments)
    assert page.returncode == 0, page.stderr
    assert (tmp_path / "bundle" / "manifest.json").exists()


def test_a_model_is_trimmed_with_the_extra_for_export_alone(install, run, tmp_path):
    run.model.save(tmp_path / "model")
    code = f"""
from goalkit import Compressor, GoalModel
model = GoalModel.load({str(tmp_path / "model")!r})
small = Compressor.from_recipe("vocabulary-trimming").compress(model).model
print(small.tokenizer.size < model.tokenizer.size)
"""
    page = install("export")("-c", code)
    assert page.stdout == "True\n", page.stderr


def test_without_coremltools_all_but_bundles_works(windows, exported):
    code = f"""
from goalkit import Bundle, Compressor, CoreMLExporter, Dataset, GoalkitError, GoalModel, Trainer, UpdatableHeadBuilder
from goalkit.evaluation import evaluate, evaluation_report

goals = Dataset.goals()
goals = goals.take(range(0, len(goals), 40))
splits = Dataset.from_columns(goals.texts, {{"category": goals.labels["category"]}}).clean().split(seed=0)
size = {{"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}}
model = GoalModel.from_backbone("tiny-bert", tasks=splits.train.tasks, encoder=size)
run = Trainer(epochs=1).fit(model, splits, folder="run", tensorboard=True, progress=False)
evaluate(run.model, splits.test)
evaluation_report(run.model, splits.test)
small = Compressor.from_recipe("int8").compress(run.model, splits)
small.save("small")
model = GoalModel.load("small")
model.predict(["跑步"])
for attempt in (
    lambda: CoreMLExporter().export(model, "bundle"),
    lambda: UpdatableHeadBuilder(task="category").build(model),
    lambda: Bundle.open({str(exported.path)!r}).predict(["跑步"]),
):
    try:
        attempt()
    except GoalkitError as error:
        print(error)
"""
    page = windows("-c", code)
    assert page.returncode == 0, page.stderr
    remedy = "pip install goalkit on Linux or macOS; coremltools has no build for Windows, but runs in WSL"
    assert page.stdout.splitlines() == [f"this needs coremltools, which is not installed: {remedy}"] * 3


@pytest.mark.slow
def test_doctor_without_coremltools(windows):
    page = windows("-m", "goalkit", "doctor")
    assert page.returncode == 1, page.stderr
    assert "no bundle can be exported or executed without coremltools" in page.stdout
    assert "missing: coremltools>=9.0\n" in page.stdout


def test_of_nested_extras_the_outermost_is_named():
    with (
        pytest.raises(MissingPackageError, match=r'^this needs nothing_there, .*: pip install "goalkit\[train\]"$') as caught,
        extra("train"),
        extra("data"),
    ):
        import nothing_there.at_all  # noqa: F401
    assert caught.value.name == "nothing_there"
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value), "it comes from worker processes, too"
    with pytest.raises(ModuleNotFoundError, match="No module named 'goalkit.nothing'"), extra("data"):
        import goalkit.nothing  # noqa: F401


def _imports(tree, asked=None, inside=False):
    """All imports but those for type checking: module, line, the extra it is imported under, and whether in a function."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno, asked, inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module, node.lineno, asked, inside
        else:
            under = asked
            for item in getattr(node, "items", ()):
                call = item.context_expr
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "extra":
                    under = call.args[0].value
            yield from _imports(node, under, inside or isinstance(node, ast.FunctionDef))


def test_every_import_of_an_optional_package_is_under_an_extra_that_brings_it():
    of_module = packages_distributions()
    wrong = []
    for file in PACKAGE.rglob("*.py"):
        place = file.relative_to(PACKAGE)
        for module, line, asked, inside in _imports(ast.parse(file.read_text(encoding="utf-8"))):
            if not inside and asked is None:
                asked = GUARDED.get(place.parts[0])
            if module == "torch.utils.tensorboard":
                module = "tensorboard"
            names = {canonicalize_name(each) for each in of_module.get(module.partition(".")[0], ())}
            if names and not names & brought(*([asked] if asked else [])):
                wrong.append(f"{place}:{line} imports {module} under {asked}")
    assert wrong == []


@pytest.mark.parametrize("name", GUARDED)
def test_guarded_packages_import_everything_under_their_extra(name):
    imports = list(_imports(ast.parse((PACKAGE / name / "__init__.py").read_text(encoding="utf-8"))))
    assert {asked for module, _, asked, _ in imports if module != "goalkit.extras"} == {GUARDED[name]}
