"""Search for settings of a Trainer with Optuna (Akiba et al., 2019, arXiv 1907.10902), in any number of processes."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from goalkit.configuration import between, to_dict
from goalkit.datasets import Splits
from goalkit.errors import ConfigurationError, DivergedError, TrainingError
from goalkit.extras import extra
from goalkit.model import GoalModel
from goalkit.training.run import Epoch
from goalkit.training.trainer import Trainer

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from optuna import Study, Trial

logger = logging.getLogger(__name__)

SETTINGS = "settings"
"""Name of the attribute in which a trial stores its settings of the Trainer."""

Interval = tuple[float, float]


def _check_interval(instance: object, attribute: attrs.Attribute[Interval], interval: Interval) -> None:
    low, high = interval
    if not 0 <= low <= high:
        raise ConfigurationError(f"{attribute.name} is {interval}: give the lowest and the highest value")


@attrs.frozen
class Found:
    """One trial: its settings of the Trainer, its best validation score, and how it ended ("complete", "pruned", "failed")."""

    number: int
    settings: dict[str, Any]
    score: float | None
    state: str


@attrs.frozen
class SearchResult:
    """Result of a search.

    Args:
        trainer: a Trainer with the best settings.
        score: score of these settings on the validation rows, by the trainer's metric. As the best of many trials it is
            optimistic: report scores on the test rows instead.
        trials: all finished trials, ordered by number.
        importances: share of the variance of the scores that each setting explains (fANOVA, Hutter et al., 2014); empty unless
            at least two complete trials have different scores.
    """

    trainer: Trainer
    score: float
    trials: tuple[Found, ...] = attrs.field(repr=lambda trials: f"<{len(trials)} trials>")
    importances: dict[str, float]

    def plot(self) -> Figure:
        """Plot the importances, and the scores in the order of the trials. Requires matplotlib."""
        with extra("train"):
            from matplotlib.figure import Figure

        figure = Figure(figsize=(9, 3.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        names = list(self.importances)[::-1]
        left.barh(names, [self.importances[name] for name in names])
        left.set(title="importance of settings", xlabel="share of the differences explained")
        scored = [trial for trial in self.trials if trial.score is not None]
        for state, marker in (("complete", "o"), ("pruned", "x")):
            chosen = [trial for trial in scored if trial.state == state]
            right.scatter([trial.number for trial in chosen], [trial.score for trial in chosen], marker=marker, label=state)
        right.set(title=f"validation {self.trainer.metric}", xlabel="trial")
        right.legend(frameon=False)
        return figure


@attrs.frozen(kw_only=True)
class Search:
    """Settings to try. The defaults suit pre-trained encoders; `Search.wide()` suits small encoders with random weights.

    Args:
        trials: total number of trials over all processes.
        learning_rate: lowest and highest learning rate of AdamW, sampled on a logarithmic scale.
        sgd_learning_rate: lowest and highest learning rate of SGD, sampled likewise.
        batch_size: batch sizes to choose from.
        dropout: lowest and highest dropout rate.
        warmup: lowest and highest share of the steps used for warm-up.
        optimizers: optimizers to choose from.
        seed: seed of the sampled settings.
    """

    trials: int = attrs.field(default=20, validator=between(1, whole=True))
    learning_rate: Interval = attrs.field(default=(1e-5, 5e-5), validator=_check_interval)
    sgd_learning_rate: Interval = attrs.field(default=(1e-3, 1e-1), validator=_check_interval)
    batch_size: tuple[int, ...] = (16, 32)
    dropout: Interval = attrs.field(default=(0.1, 0.5), validator=_check_interval)
    warmup: Interval = attrs.field(default=(0.0, 0.2), validator=_check_interval)
    optimizers: tuple[str, ...] = ("adamw", "sgd")
    seed: int = attrs.field(default=0, validator=between(0, 2**32 - 1, whole=True))

    @classmethod
    def wide(cls, **settings: Any) -> Search:
        """Return a search over the wider ranges that small encoders need."""
        return cls(**{"learning_rate": (1e-5, 3e-3), "batch_size": (16, 32, 64), **settings})

    def run(
        self, model: GoalModel, splits: Splits, *, study: str | Path, trainer: Trainer | None = None, progress: bool = True
    ) -> SearchResult:
        """Run trials until there are `trials` of them, alone or together with other processes that use the same `study`.

        An existing study is continued. Trials of processes that died on this machine are repeated. A trial whose training
        diverges is pruned; any other error in a trial ends the search.

        Args:
            model: the model from which each trial starts.
            splits: trials are trained on `train` and evaluated on `validation`; `test` is not used.
            study: a journal file, or the URL of a database (`sqlite:///…`, `postgresql://…`) that several machines can share.
            trainer: the settings that are not searched.
            progress: show a progress bar for each trial.

        Raises:
            TrainingError: the study belongs to a different search, trainer, model or data, or cannot be read; no trial was
                completed; or a trial failed, for example because memory ran out.
            StorageError: the journal file cannot be written.
        """
        trainer = trainer or Trainer()
        identity = {
            "search": {key: value for key, value in to_dict(self).items() if key != "trials"},
            "trainer": to_dict(trainer),
            "model_sha256": model.digest(),
            "data_sha256": splits.train.digest(),
        }
        with extra("train"):
            from optuna.pruners import MedianPruner

            from goalkit.training.study import open_study, started_trials
        found, lock = open_study(str(study), identity, pruner=MedianPruner(n_startup_trials=5, n_warmup_steps=1))
        for trial in started_trials(found, lock, self.trials, seed=self.seed):
            self._try(found, trial, trainer, model, splits, progress)
        return _result(found, trainer)

    def _suggest(self, trial: Trial) -> dict[str, Any]:
        optimizer = trial.suggest_categorical("optimizer", self.optimizers)
        rate, interval = ("learning_rate", self.learning_rate) if optimizer == "adamw" else ("sgd_rate", self.sgd_learning_rate)
        return {
            "optimizer": optimizer,
            "learning_rate": trial.suggest_float(rate, *interval, log=True),
            "batch_size": trial.suggest_categorical("batch_size", self.batch_size),
            "dropout": trial.suggest_float("dropout", *self.dropout),
            "warmup": trial.suggest_float("warmup", *self.warmup),
        }

    def _try(self, study: Study, trial: Trial, trainer: Trainer, model: GoalModel, splits: Splits, progress: bool) -> None:
        from goalkit.training.study import recording

        best = -np.inf

        def judge(epoch: Epoch) -> None:
            nonlocal best
            best = max(best, epoch.score)
            trial.report(best, epoch.number)
            if trial.should_prune():
                raise _PrunedError

        settings = self._suggest(trial)
        trial.set_user_attr(SETTINGS, settings)
        with recording(study, trial, pruned=(_PrunedError, DivergedError)):
            attrs.evolve(trainer, calibrate=False, **settings).fit(model, splits, on_epoch=judge, progress=progress)
            study.tell(trial, best)
        logger.info("trial %d: %s, score %.4f", trial.number, settings, best)


class _PrunedError(Exception):
    """Stops the training of a trial that is not promising."""


def _result(study: Study, trainer: Trainer) -> SearchResult:
    with extra("train"):
        from optuna.importance import get_param_importances
        from optuna.trial import TrialState

        from goalkit.training.study import ENDED

    trials = study.get_trials(deepcopy=False)
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if not complete:
        raise TrainingError("no trial was completed: check the warnings above and lower the range of learning rates")
    importances = {}
    if len({trial.value for trial in complete}) > 1:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Some regimes for parameter")  # with few trials
            importances = {name: float(share) for name, share in get_param_importances(study).items()}
    best = study.best_trial
    return SearchResult(
        trainer=attrs.evolve(trainer, **best.user_attrs[SETTINGS]),
        score=float(best.value or 0.0),
        trials=tuple(
            Found(
                trial.number,
                trial.user_attrs.get(SETTINGS, {}),
                max(trial.intermediate_values.values(), default=None),
                ENDED[trial.state],
            )
            for trial in trials
            if trial.state in ENDED
        ),
        importances=importances,
    )
