import json
import os
import signal
import subprocess
import sys

import attrs
import pytest
import torch

from goalkit import GoalModel, Splits, Trainer
from goalkit.errors import StorageError, TrainingError
from goalkit.training.engine import Engine

TRAINER = Trainer(epochs=3, learning_rate=1e-3, batch_size=32)


@pytest.fixture
def few(splits):
    return Splits(splits.validation, splits.validation, splits.test)


def stop_after(monkeypatch, steps, stop):
    """Let the step with this number fail as `stop` does."""
    step = Engine.step

    def counted(self, batches, number, rate):
        if number == steps:
            stop()
        return step(self, batches, number, rate)

    monkeypatch.setattr(Engine, "step", counted)


def log_of(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def interrupt():
    raise KeyboardInterrupt


@pytest.mark.parametrize("steps", [3, 8, 15])
def test_an_interrupted_training_goes_on_to_the_same_weights(untrained, few, tmp_path, monkeypatch, caplog, steps):
    whole = TRAINER.fit(untrained, few, folder=tmp_path / "whole", progress=False)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        stop_after(patched, steps, interrupt)
        TRAINER.fit(untrained, few, folder=tmp_path / "cut", checkpoint_steps=2, progress=False)
    assert f"the last good checkpoint is {tmp_path / 'cut' / 'checkpoint'}" in caplog.text
    resumed = TRAINER.fit(untrained, few, folder=tmp_path / "cut", resume=True, progress=False)
    assert resumed.model.digest() == whole.model.digest()
    assert resumed.losses == whole.losses
    assert [epoch.score for epoch in resumed.epochs] == [epoch.score for epoch in whole.epochs]
    whole_log, cut_log = (
        [(entry["event"], entry["step"], entry.get("loss")) for entry in log_of(tmp_path / name)] for name in ("whole", "cut")
    )
    assert [entry for entry in cut_log if entry[0] != "resumed"] == whole_log


SCRIPT = """
import json, os, signal, sys
from goalkit import Dataset, GoalModel, Splits, Trainer
from goalkit.training.engine import Engine
from goalkit.training.processes import Processes

def train(folder):
    goals = Dataset.goals().take(range(0, 11_400, 114))
    sizes = {"hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 1}
    model = GoalModel.from_backbone("tiny-bert", tasks=goals.tasks, encoder=sizes)
    trainer = Trainer(epochs=2, batch_size=7, learning_rate=1e-3, dropout=%s, precision="float32")
    splits = Splits(goals, goals, goals)
    return trainer.fit(model, splits, folder=folder, resume=True, checkpoint_steps=3, progress=False)

if __name__ == "__main__":
    step = Engine.step
    def counted(self, batches, number, rate):
        if number == int(sys.argv[2]):
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
        return step(self, batches, number, rate)
    Engine.step = counted
    run = train(sys.argv[1])
    if Processes.current().first:
        print(json.dumps([run.model.digest(), run.losses, [epoch.score for epoch in run.epochs]]))
"""


def in_here(dropout, folder):
    names = {"__name__": "script"}
    exec(SCRIPT % dropout, names)
    run = names["train"](folder)
    return [run.model.digest(), list(run.losses), [epoch.score for epoch in run.epochs]]


def elsewhere(dropout, folder, *, stop_at=-1, launcher=()):
    script = folder.with_suffix(".py")
    script.write_text(SCRIPT % dropout)
    command = [sys.executable, *launcher, str(script), str(folder), str(stop_at)]
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "OMP_NUM_THREADS": str(torch.get_num_threads())}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_a_killed_process_is_gone_on_with(tmp_path):
    killed = elsewhere(0.1, tmp_path / "killed", stop_at=20)
    assert killed.returncode == (signal.SIGTERM if os.name == "nt" else -signal.SIGKILL), killed.stderr
    assert in_here(0.1, tmp_path / "killed") == in_here(0.1, tmp_path / "whole")
    assert "resumed" in [entry["event"] for entry in log_of(tmp_path / "killed")]


def test_two_processes_train_as_one(tmp_path):
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    done = elsewhere(0, tmp_path / "two", launcher=launcher)
    assert done.returncode == 0, done.stderr
    _, losses, scores = json.loads(done.stdout.strip().splitlines()[-1])
    _, wanted_losses, wanted_scores = in_here(0, tmp_path / "one")
    assert losses == pytest.approx(wanted_losses, rel=1e-5)
    assert scores == pytest.approx(wanted_scores, abs=1e-6)
    assert [log_of(tmp_path / name)[0]["processes"] for name in ("one", "two")] == [1, 2]


def test_a_finished_training_is_not_done_again(untrained, few, tmp_path, monkeypatch):
    made = TRAINER.fit(untrained, few, folder=tmp_path / "run", progress=False)
    stop_after(monkeypatch, 0, interrupt)
    assert (
        TRAINER.fit(untrained, few, folder=tmp_path / "run", resume=True, progress=False).model.digest() == made.model.digest()
    )


def test_a_checkpoint_of_another_training_is_refused(run, untrained, few, tmp_path):
    TRAINER.fit(untrained, few, folder=tmp_path / "run", progress=False)
    settings = {"folder": tmp_path / "run", "resume": True}
    with pytest.raises(TrainingError, match=r"\(different trainer\): resume with the same trainer, or remove .*checkpoint"):
        attrs.evolve(TRAINER, learning_rate=2e-3).fit(untrained, few, **settings)
    with pytest.raises(TrainingError, match=r"does not match this training run \(different model\)"):
        TRAINER.fit(run.model, few, **settings)
    with pytest.raises(TrainingError, match=r"does not match this training run \(different data\)"):
        TRAINER.fit(untrained, Splits(few.test, few.validation, few.test), **settings)


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("tensors.safetensors", lambda data: data[:-9], "tensors.safetensors is damaged, its SHA-256 is not the recorded one"),
        ("state.json", lambda data: data[:40], "state.json is not valid JSON"),
        ("state.json", lambda data: b"{}", "state.json is not a checkpoint of schema 2"),
        ("state.json", lambda data: data.replace(b'"step"', b'"stop"'), "unknown key stop in .*valid keys are epoch, step"),
    ],
)
def test_a_damaged_checkpoint_is_refused(untrained, few, tmp_path, name, damage, message):
    TRAINER.fit(untrained, few, folder=tmp_path / "run", progress=False)
    path = tmp_path / "run" / "checkpoint" / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(TrainingError, match=message):
        TRAINER.fit(untrained, few, folder=tmp_path / "run", resume=True)


def test_a_full_disk_names_the_last_good_checkpoint(untrained, few, tmp_path, monkeypatch):
    """Let the disk be full at the second checkpoint."""
    from goalkit.training import checkpoints

    save, calls = checkpoints.save_file, []

    def full(tensors, path):
        calls.append(path)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        save(tensors, path)

    monkeypatch.setattr(checkpoints, "save_file", full)
    with pytest.raises(StorageError, match=r"No space left on device.*last good checkpoint is .* \(epoch 2, after 0 of"):
        TRAINER.fit(untrained, few, folder=tmp_path / "run", progress=False)
    monkeypatch.undo()
    whole = TRAINER.fit(untrained, few, progress=False)
    assert (
        TRAINER.fit(untrained, few, folder=tmp_path / "run", resume=True, progress=False).model.digest() == whole.model.digest()
    )


def test_without_a_folder_there_is_nothing_to_resume(untrained, few):
    with pytest.raises(TrainingError, match="resume=True needs a folder to resume from: pass folder to fit"):
        TRAINER.fit(untrained, few, resume=True)
    with pytest.raises(TrainingError, match="checkpoint_steps and tensorboard need a folder to write to: pass folder to fit"):
        TRAINER.fit(untrained, few, tensorboard=True)


def test_the_log_says_what_happened(untrained, few, tmp_path):
    made = TRAINER.fit(untrained, few, folder=tmp_path / "run", tensorboard=True, progress=False)
    entries = log_of(tmp_path / "run")
    start, steps = entries[0], [entry for entry in entries if entry["event"] == "step"]
    assert start["event"] == "started"
    assert start["trainer"]["learning_rate"] == 1e-3
    assert start["data_sha256"] == made.data_digest
    assert start["versions"]["torch"] == torch.__version__
    assert steps[0]["loss"] == pytest.approx(sum(made.losses[:10]) / 10, abs=1e-5)
    assert min(min(entry[key] for entry in steps) for key in ("samples_per_second", "tokens_per_second", "memory_bytes")) > 0
    scores = [entry["score"] for entry in entries if entry["event"] == "epoch"]
    assert scores == [epoch.score for epoch in made.epochs]
    assert list((tmp_path / "run" / "tensorboard").iterdir())


def test_out_of_memory_says_what_to_lower(untrained, few, monkeypatch):
    def refuse(self, *arguments):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried to ...")

    monkeypatch.setattr(GoalModel, "forward", refuse)
    even = Splits(few.train.take(range(len(few.train) // 32 * 32)), few.validation, few.test)
    with pytest.raises(TrainingError, match="out of memory at step 0, with batches of up to 32 rows: lower batch_size"):
        TRAINER.fit(untrained, even, progress=False)


def test_a_run_can_be_drawn(run, tmp_path):
    run.plot().savefig(tmp_path / "run.png")
    assert (tmp_path / "run.png").stat().st_size > 10_000
