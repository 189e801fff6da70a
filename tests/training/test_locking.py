"""One training at a time writes to a folder."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from goalkit import Splits, Trainer
from goalkit.cli import goalkit
from goalkit.errors import StorageError, TrainingError
from goalkit.training.engine import Engine
from goalkit.training.locking import only_training

TRAINER = Trainer(epochs=1, batch_size=32, precision="float32")

HOLDER = """
import sys
from pathlib import Path
from goalkit.training.locking import only_training
from goalkit.training.processes import Processes
with only_training(Path(sys.argv[1]), Processes.current()):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def few(splits):
    some = splits.validation.take(range(96))
    return Splits(some, some, splits.test)


def during_a_step(monkeypatch, action):
    """Do something in the middle of the next training."""
    step = Engine.step

    def interrupted(self, batches, number, rate):
        monkeypatch.setattr(Engine, "step", step)
        action()
        return step(self, batches, number, rate)

    monkeypatch.setattr(Engine, "step", interrupted)


def test_a_folder_that_another_process_trains_in_is_refused_until_that_dies(untrained, few, tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "run")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(
            TrainingError, match=f"another training run, process {holder.pid} on .*, is writing to .*run: wait for it to finish"
        ):
            TRAINER.fit(untrained, few, folder=tmp_path / "run", progress=False)
        assert not (tmp_path / "run" / "log.jsonl").exists()
        holder.kill()
    TRAINER.fit(untrained, few, folder=tmp_path / "run", progress=False)
    assert (tmp_path / "run" / "log.jsonl").exists()


@pytest.mark.parametrize("resume", [False, True])
def test_a_second_training_of_the_same_process_is_refused_and_the_first_goes_on(untrained, few, tmp_path, monkeypatch, resume):
    (tmp_path / "link").symlink_to(tmp_path / "run", target_is_directory=True)

    def second():
        for spelling in (tmp_path / "run", tmp_path / "link", tmp_path / "run" / ".." / "run"):
            with pytest.raises(TrainingError, match=f"another training run, process {os.getpid()} on"):
                TRAINER.fit(untrained, few, folder=spelling, resume=resume, progress=False)

    during_a_step(monkeypatch, second)
    made = TRAINER.fit(untrained, few, folder=tmp_path / "run", progress=False)
    assert made.model.digest() == TRAINER.fit(untrained, few, progress=False).model.digest()


def test_trainings_in_two_folders_and_in_none_do_not_meet(untrained, few, tmp_path, monkeypatch):
    during_a_step(monkeypatch, lambda: TRAINER.fit(untrained, few, folder=tmp_path / "other", progress=False))
    TRAINER.fit(untrained, few, folder=tmp_path / "one", progress=False)
    during_a_step(monkeypatch, lambda: TRAINER.fit(untrained, few, progress=False))
    TRAINER.fit(untrained, few, progress=False)


def test_a_training_that_failed_gives_the_folder_back(untrained, few, tmp_path, monkeypatch):
    def fail():
        raise RuntimeError("boom")

    during_a_step(monkeypatch, fail)
    with pytest.raises(RuntimeError, match="boom"):
        TRAINER.fit(untrained, few, folder=tmp_path / "run", progress=False)
    TRAINER.fit(untrained, few, folder=tmp_path / "run", progress=False)


def test_a_folder_that_cannot_be_locked_is_reported(untrained, few, tmp_path):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(StorageError, match="cannot lock .*run/.training.lock .*: choose a folder you may write to"):
        TRAINER.fit(untrained, few, folder=tmp_path / "run", progress=False)


@pytest.mark.parametrize("second", [(), ("--few-labels", "frozen"), ("--run", "elsewhere"), ("--resume",)], ids=" ".join)
def test_the_command_refuses_a_second_training_before_it_reads_anything(second, splits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = splits.validation
    lines = ["text,category", *(f'"{text}",{label}' for text, label in zip(rows.texts, rows.labels["category"], strict=True))]
    (tmp_path / "goals.csv").write_text("\n".join(lines), encoding="utf-8")
    command = ("train", "--label", "category", "--output", "model", "--data")
    seen = []
    during_a_step(monkeypatch, lambda: seen.append(CliRunner().invoke(goalkit, [*command, "missing.csv", *second])))
    first = CliRunner().invoke(goalkit, [*command, "goals.csv", "--epochs", "1", "--rejects", "bad.jsonl"])
    assert first.exit_code == 0, first.output
    assert isinstance(seen[0].exception, TrainingError)
    assert f"is writing to {tmp_path / 'model'}: wait for it to finish, or choose another folder" in str(seen[0].exception)
    assert (tmp_path / "model-run" / "log.jsonl").read_text(encoding="utf-8").count('"started"') == 1


def test_what_the_first_process_is_refused_the_others_are_refused_too(tmp_path):
    refusal = TrainingError("another training run is writing to run")
    second = SimpleNamespace(first=False, gather=lambda mine: [refusal, mine])
    with pytest.raises(TrainingError) as caught, only_training(tmp_path / "run", second):
        pass
    assert caught.value is refusal
    assert not (tmp_path / "run").exists()


def test_resuming_without_a_checkpoint_warns_that_training_starts_from_the_beginning(untrained, few, tmp_path, caplog):
    fresh = TRAINER.fit(untrained, few, folder=tmp_path / "run", resume=True, progress=False)
    assert f"there is no checkpoint in {tmp_path / 'run'} to resume from: training starts from the beginning" in caplog.text
    assert fresh.model.digest() == TRAINER.fit(untrained, few, progress=False).model.digest()
    caplog.clear()
    TRAINER.fit(untrained, few, folder=tmp_path / "run", resume=True, progress=False)
    assert "from the beginning" not in caplog.text
