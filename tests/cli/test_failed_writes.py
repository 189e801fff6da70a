"""Whatever a command writes, and at whatever moment the disk refuses, what stood there before still stands."""

import errno
import json
import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from test_paths import commands, everything_in, path_parameters

from goalkit import Dataset, GoalModel, Splits, Trainer
from goalkit.cli import goalkit
from goalkit.errors import GoalkitError

resource = pytest.importorskip("resource", reason="a limit to the size of files stands for a full disk")

FILE, FOLDER, APPENDED = ("write", "flush", "replace"), ("write", "flush", "rename"), ("write", "flush")
"""At what a write can fail: a file is written beside the old one and replaces it, a folder is renamed."""

GOALS, BAD = "--data goals.jsonl --label category", "--data bad.jsonl --label category --rejects old/bad.jsonl"
BUDGET = f"{GOALS} --size-mb 5"
CALLS = {
    "clean --output": (FILE, "clean goals.jsonl --label category --output old/file.csv"),
    "clean --log": (FILE, f"clean goals.jsonl --label category --output {os.devnull} --log old/file.csv"),
    "clean --rejects": (FILE, f"clean bad.jsonl --label category --output {os.devnull} --rejects old/bad.jsonl"),
    "quality --output": (FILE, f"quality {GOALS} --output old/report.json"),
    "quality --rejects": (FILE, f"quality {BAD}"),
    "train --output": (FOLDER, f"train {GOALS} --few-labels frozen --output old/model"),
    "train --run": (FILE, f"train {GOALS} --output new/model --run old/run"),
    "train --rejects": (FILE, f"train {BAD}"),
    "distil --output": (FOLDER, "distil old/model --texts texts.txt --epochs 1 --run new/run --output old/model-int8"),
    "distil --run": (FILE, "distil old/model --texts texts.txt --epochs 1 --output new/model --run old/run"),
    "search --study": (APPENDED, f"search {GOALS} --epochs 1 --trials 2 --study old/study.journal"),
    "search --output": (FILE, f"search {GOALS} --epochs 1 --trials 1 --output old/report.json"),
    "search --rejects": (FILE, f"search {BAD}"),
    "compress --output": (FOLDER, f"compress old/model --recipe int8 {GOALS} --run new/run --output old/model-int8"),
    "compress --run": (APPENDED, f"compress old/model {BUDGET} --trials 2 --output new/model --run old/compression"),
    "compress --rejects": (FILE, f"compress old/model --recipe int8 {BAD} --output new/model"),
    "evaluate --output": (FILE, f"evaluate old/model {GOALS} --output old/report.json"),
    "evaluate --rejects": (FILE, f"evaluate old/model {BAD}"),
    "profile --output": (FILE, "profile old/model --output old/report.json"),
    "profile --trace": (FILE, "profile old/model --trace old/report.json"),
    "export --output": (FOLDER, "export old/model --recipe none --sequence-length 16 --output old/GoalAnalyzer"),
    "verify --rejects": (FILE, f"verify old/GoalAnalyzer {BAD}"),
    "demo --output": (("rename",), "demo --epochs 1 --output old"),
}


def test_every_option_that_names_what_is_written_is_tried():
    assert set(CALLS) == {
        f"{name} {parameter.opts[0]}"
        for name, command in commands().items()
        for parameter in path_parameters(command)
        if parameter.type.writes
    }


@pytest.fixture(scope="module")
def before(exported, tmp_path_factory) -> Path:
    """What stands in the folder `old` before a command is called; beside it the files to read."""
    folder = tmp_path_factory.mktemp("before")
    old = folder / "old"
    goals = Dataset.goals(["category"])
    goals = goals.take(range(0, len(goals), 40))
    small = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    model = GoalModel.from_backbone("tiny-bert", tasks=goals.tasks, encoder=small)
    few = goals.take(range(0, len(goals), 5))
    Trainer(epochs=1).fit(model, Splits(few, few, few), folder=old / "run", progress=False)
    for name in ("model", "model-int8"):
        model.save(old / name)
    shutil.copytree(exported.path, old / "GoalAnalyzer")
    for name in ("file.csv", "report.json", "demo.json"):
        (old / name).write_text("what stood here before", encoding="utf-8")
    (old / "bad.jsonl").write_text('{"line": 2, "reason": "old", "raw": ""}\n', encoding="utf-8")
    rows = zip(goals.texts, goals.labels["category"], strict=True)
    lines = [json.dumps({"text": text, "category": label}, ensure_ascii=False) for text, label in rows]
    (folder / "goals.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (folder / "texts.txt").write_text("\n".join(few.texts), encoding="utf-8")
    (folder / "bad.jsonl").write_text("\n".join([*lines, "not JSON"]), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for first in (
            f"search {GOALS} --epochs 1 --trials 1 --study old/study.journal",
            f"compress old/model {BUDGET} --trials 1 --output new/model --run old/compression",
        ):
            CliRunner().invoke(goalkit, first.split(), catch_exceptions=False)
        shutil.rmtree("new")
    return folder


@contextmanager
def full_disk():
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def failing(moment: str, old: Path):
    """Let the disk refuse every write, or this step of those into `old`."""
    if moment == "write":
        with full_disk():
            yield
        return
    name = {"flush": "fsync"}.get(moment, moment)
    real = getattr(os, name)

    def refuse(source, *target):
        if moment == "flush":
            concerned = any(os.path.samestat(os.fstat(source), file.stat()) for file in old.rglob("*"))
        else:
            concerned = Path(target[0]).resolve().is_relative_to(old) and ".previous" not in f"{source}{target[0]}"
        if concerned:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(source, *target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, name, refuse)
        yield


@pytest.mark.parametrize(
    ("name", "moment"),
    [
        pytest.param(name, moment, marks=[pytest.mark.slow] if number else [])
        for name, (moments, _) in CALLS.items()
        for number, moment in enumerate(moments)
    ],
)
def test_a_write_that_fails_leaves_what_was_there(name, moment, before, tmp_path, monkeypatch):
    shutil.copytree(before, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    goals = Dataset.goals()
    monkeypatch.setattr(Dataset, "goals", lambda *names: goals.take(range(0, len(goals), 16)))  # for time
    stood = {file: data for file, data in everything_in(tmp_path / "old").items() if not file.endswith(".lock")}
    with failing(moment, tmp_path / "old"):
        page = CliRunner().invoke(goalkit, CALLS[name][1].split())
    assert isinstance(page.exception, GoalkitError), (page.output, page.exception)
    assert "\n" not in str(page.exception)
    left = everything_in(tmp_path / "old")
    assert {file: left.get(file) for file in stood} == stood
    assert all(file.endswith(".lock") for file in left.keys() - stood.keys()), "nothing temporary is left"
