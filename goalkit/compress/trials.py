"""The trials of a search for a recipe, in an Optuna study that can be stopped and resumed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm.auto import tqdm

from goalkit.compress.front import Candidate
from goalkit.compress.recipes import Recipe
from goalkit.compress.space import Space
from goalkit.configuration import from_dict, to_dict
from goalkit.errors import ConfigurationError, DivergedError, ModelError
from goalkit.extras import extra

if TYPE_CHECKING:
    from optuna import Study, Trial

CANDIDATE = "candidate"
"""Name of the attribute in which a trial keeps its candidate."""


def run_trials(
    space: Space,
    attempt: Callable[[Recipe], Candidate],
    journal: Path,
    identity: dict[str, Any],
    *,
    limit: int,
    seed: int,
    progress: bool,
) -> list[Candidate]:
    """Try recipes until `limit` of them, or all, have been tried, and return the candidates of the whole study.

    Args:
        space: the recipes.
        attempt: tries one. With a ConfigurationError, ModelError or DivergedError the trial is pruned, any other error ends the
            search.
        journal: file of the study, new or of an earlier search.
        identity: what decides the result of a trial besides its recipe.
        limit: number of trials, those of earlier searches included.
        seed: of the order of the trials.
        progress: show a progress bar.

    Raises:
        TrainingError: the study has another identity or other recipes, or cannot be read.
        StorageError: the journal cannot be written.
    """
    with extra("train"):
        from optuna.trial import TrialState

        from goalkit.training.study import open_study, recording, started_trials

    recipes = {name: list(alternatives) for name, alternatives in space.stages.items()}
    study, lock = open_study(str(journal), {**identity, "recipes": recipes}, directions=("minimize", "maximize", "maximize"))
    combinations = space.combinations()
    limit = min(limit, len(combinations))
    with lock:
        for choices in space.opening():
            study.enqueue_trial(choices, skip_if_exists=True)
    with tqdm(desc="recipes", total=limit, initial=min(limit, len(_tried(study))), disable=not progress) as bar:
        for trial in started_trials(study, lock, limit, seed=seed):
            choices = space.suggest(trial)
            tried = _tried(study, trial)
            if choices in tried:  # the sampler may propose what it knows already
                study.tell(trial, state=TrialState.FAIL)
                study.enqueue_trial(next(each for each in combinations if each not in tried))
                continue
            with recording(study, trial, pruned=(ConfigurationError, ModelError, DivergedError)):
                candidate = attempt(space.recipe(choices))
                trial.set_user_attr(CANDIDATE, to_dict(candidate))
                study.tell(trial, [candidate.package_bytes, candidate.accuracy, candidate.agreement])
            bar.update()
    return [
        from_dict(Candidate, trial.user_attrs[CANDIDATE], source=f"{journal}, trial {trial.number}")
        for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    ]


def _tried(study: Study, started: Trial | None = None) -> list[dict[str, str]]:
    """Return the choices of all trials that have ended well or are running, but for the one that was just started."""
    with extra("train"):
        from optuna.trial import TrialState

    states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
    trials = study.get_trials(deepcopy=False, states=states)
    return [trial.params for trial in trials if started is None or trial.number != started.number]
