import os
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from goalkit import Splits, Trainer
from goalkit.errors import ConfigurationError, DivergedError, StorageError, TrainingError
from goalkit.training import Search
from goalkit.training.engine import Engine

SEARCH = Search.wide(trials=6)
TRAINER = Trainer(epochs=2, precision="float32")


@pytest.fixture
def few(splits):
    some = splits.validation.take(range(96))
    return Splits(some, some, splits.test)


def test_finds_settings_and_says_which_matter(untrained, few, tmp_path):
    found = SEARCH.run(untrained, few, study=tmp_path / "study.journal", trainer=TRAINER, progress=False)
    assert [trial.number for trial in found.trials] == list(range(6))
    complete = {trial.number: trial.score for trial in found.trials if trial.state == "complete"}
    best = max(found.trials, key=lambda trial: complete.get(trial.number, -1))
    assert found.score == best.score
    assert {name: getattr(found.trainer, name) for name in best.settings} == best.settings
    assert found.trainer.epochs == 2
    again = attrs.evolve(found.trainer, calibrate=False).fit(untrained, few, progress=False)
    assert max(epoch.score for epoch in again.epochs) == found.score
    assert sum(found.importances.values()) == pytest.approx(1)
    found.plot().savefig(tmp_path / "search.png")


def test_a_study_is_gone_on_with_and_not_mixed_up(untrained, run, few, tmp_path):
    study = tmp_path / "study.journal"
    first = attrs.evolve(SEARCH, trials=2).run(untrained, few, study=study, trainer=TRAINER, progress=False)
    second = attrs.evolve(SEARCH, trials=3).run(untrained, few, study=study, trainer=TRAINER, progress=False)
    assert second.trials[:2] == first.trials
    assert len(second.trials) == 3
    with pytest.raises(
        TrainingError, match=r"does not match this search \(different model\): use the same model, or name a new study"
    ):
        SEARCH.run(run.model, few, study=study, trainer=TRAINER)
    with pytest.raises(TrainingError, match=r"does not match this search \(different search\)"):
        attrs.evolve(SEARCH, dropout=(0.0, 0.1)).run(untrained, few, study=study, trainer=TRAINER)


def test_a_database_keeps_a_study_too(untrained, few, tmp_path):
    url = f"sqlite:///{tmp_path / 'study.db'}"
    assert len(attrs.evolve(SEARCH, trials=1).run(untrained, few, study=url, trainer=TRAINER, progress=False).trials) == 1


def test_settings_that_run_to_infinity_are_pruned(untrained, few, tmp_path, monkeypatch):
    step = Engine.step

    def diverge(self, batches, number, rate):
        if self.settings.optimizer == "sgd":
            raise DivergedError("the loss is nan at step 0: lower learning_rate")
        return step(self, batches, number, rate)

    monkeypatch.setattr(Engine, "step", diverge)
    found = SEARCH.run(untrained, few, study=tmp_path / "study.journal", trainer=TRAINER, progress=False)
    states = {(trial.settings["optimizer"], trial.state) for trial in found.trials}
    assert ("sgd", "pruned") in states
    assert ("sgd", "complete") not in states
    nothing = attrs.evolve(SEARCH, trials=1, optimizers=("sgd",))
    with pytest.raises(TrainingError, match="no trial was completed"):
        nothing.run(untrained, few, study=tmp_path / "other.journal", trainer=TRAINER, progress=False)


@pytest.mark.parametrize(
    "failure",
    [
        TrainingError("out of memory at step 0, with batches of up to 32 rows: lower batch_size"),
        RuntimeError("shape mismatch"),
        StorageError("cannot write the log"),
        KeyError("category"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_any_other_failure_ends_the_search_and_the_study_can_be_gone_on_with(untrained, few, tmp_path, monkeypatch, failure):
    def fail(*_):
        raise failure

    two = attrs.evolve(SEARCH, trials=2)
    with monkeypatch.context() as patched, pytest.raises(type(failure)) as caught:
        patched.setattr(Engine, "step", fail)
        two.run(untrained, few, study=tmp_path / "study.journal", trainer=TRAINER, progress=False)
    assert caught.value is failure
    found = two.run(untrained, few, study=tmp_path / "study.journal", trainer=TRAINER, progress=False)
    assert [trial.state for trial in found.trials] == ["failed", "complete", "complete"]


def test_rows_that_no_trial_can_learn_from_are_reported_at_once(untrained, few, tmp_path):
    rows = [row for row, label in enumerate(few.train.labels["category"]) if label != "健康"]
    with pytest.raises(TrainingError, match="no training row has the category 健康"):
        SEARCH.run(untrained, Splits(few.train.take(rows), few.validation, few.test), study=tmp_path / "study.journal")


def test_an_interrupted_trial_is_tried_again_in_the_same_process(untrained, few, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    one = attrs.evolve(SEARCH, trials=1)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Engine, "step", interrupt)
        one.run(untrained, few, study=tmp_path / "study.journal", trainer=TRAINER, progress=False)
    first, second = one.run(untrained, few, study=tmp_path / "study.journal", trainer=TRAINER, progress=False).trials
    assert (first.state, second.state) == ("failed", "complete")
    assert second.settings == first.settings


def test_weights_that_are_no_numbers_after_the_last_step_are_pruned_too(untrained, few, tmp_path, monkeypatch):
    step = Engine.step

    def diverge(self, batches, number, rate):
        loss = step(self, batches, number, rate)
        if self.settings.optimizer == "sgd" and number == len(self.order(1)) - 1:
            next(iter(self.model.heads.values())).weight.data.fill_(float("nan"))
        return loss

    monkeypatch.setattr(Engine, "step", diverge)
    once = attrs.evolve(TRAINER, epochs=1)
    found = SEARCH.run(untrained, few, study=tmp_path / "study.journal", trainer=once, progress=False)
    states = {(trial.settings["optimizer"], trial.state) for trial in found.trials}
    assert ("sgd", "pruned") in states
    assert ("sgd", "complete") not in states


WORKER = """
import os, signal, sys
from goalkit import Dataset, GoalModel, Splits, Trainer
from goalkit.training import Search
from goalkit.training.engine import Engine
goals = Dataset.goals().take(range(0, 11_400, 114))
sizes = {"hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 1}
model = GoalModel.from_backbone("tiny-bert", tasks=goals.tasks, encoder=sizes)
if sys.argv[2] == "die":
    Engine.step = lambda *_: os._exit(9)
Search.wide(trials=6).run(model, Splits(goals, goals, goals), study=sys.argv[1], trainer=Trainer(epochs=1), progress=False)
"""


def test_two_processes_and_one_that_died_share_a_study(tmp_path):
    study = tmp_path / "study.journal"

    def start(how):
        environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), "OMP_NUM_THREADS": "1"}
        return subprocess.Popen([sys.executable, "-c", WORKER, str(study), how], env=environment, stderr=subprocess.PIPE)

    with start("die") as dead:
        dead.communicate()
    assert dead.returncode == 9
    with start("live") as one, start("live") as other:
        errors = [process.communicate()[1] for process in (one, other)]
    assert [one.returncode, other.returncode] == [0, 0], errors

    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    trials = optuna.load_study(study_name="goalkit", storage=JournalStorage(JournalFileBackend(str(study)))).trials
    assert trials[0].state.name == "FAIL"
    over = ["COMPLETE", "PRUNED"]  # a trial that reports when five others are complete may be pruned
    assert [trial.state.name in over for trial in trials[1:]] == [True] * 6
    assert len({tuple(sorted(trial.params.items())) for trial in trials[1:]}) == 6
    assert trials[0].params in [trial.params for trial in trials[1:]]


def test_broken_studies_and_ranges_are_refused(untrained, few, tmp_path):
    broken = tmp_path / "study.journal"
    broken.write_text("not a journal\nat all\n")
    with pytest.raises(TrainingError, match="study.journal cannot be used as a study"):
        SEARCH.run(untrained, few, study=broken)
    with pytest.raises(ConfigurationError, match=r"dropout is \(0.5, 0.1\): give the lowest and the highest value"):
        Search(dropout=(0.5, 0.1))
