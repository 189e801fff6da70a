"""The study: a base model, its saved bundle, and simulated users who correct it.

Everything uses saved files: embeddings come from the bundle's package, updates use the training settings in its heads.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from benchmarks.personalisation.habits import (
    DEVELOPMENT,
    DEVELOPMENT_CATEGORIES,
    HABITS,
    NEW_CATEGORIES,
    REPORTED,
    Habit,
)
from benchmarks.personalisation.learners import (
    Examples,
    Predictor,
    Strategy,
    head_updates,
    labelled_by,
    neighbours,
    no_update,
    retrained,
)
from goalkit import Bundle, Compressor, CoreMLExporter, Dataset, GoalModel, Splits, Trainer, UpdatableHeadBuilder
from goalkit.errors import TrainingError
from goalkit.evaluation import calibrate
from goalkit.export import NeighboursHeadBuilder, Replay, rehearse_update
from goalkit.export.layout import PACKAGE
from goalkit.training import FewLabelsTrainer, standardize_embeddings
from pretraining.e5 import pretrained_model

TASK = "category"
LENGTH = 32
CORRECTED, FOLLOWING, SHARE = 50, 200, 0.3
"""Goals that a user corrects, goals that follow, and the share of both that concerns the habit if there are as many."""

TUNING_SEEDS, SEEDS = 3, 10
FORGETTING = 0.005
"""Accuracy that others may lose, on development users, with the chosen setting: half of the target."""

SLOT = "slot_1"
NEW_EXAMPLES, DRAWS = 10, 5


@attrs.frozen(eq=False)
class User:
    """Goals that a user corrects and goals that follow, as the user files them; and everybody else's goals, as the guide does.

    `outside` says which of the others' goals this user would not file under another category.
    """

    habit: Habit
    corrected: Examples
    following: Examples
    others: Examples
    outside: npt.NDArray[np.bool_]


def measure(data: Path | None) -> dict[str, Any]:
    """For each base model, write its bundle, and let every user correct it."""
    parts = Dataset.goals([TASK]).clean().split(train=0.45, validation=0.10, test=0.45, seed=0)
    return {
        "rows": [len(parts.train), len(parts.validation), len(parts.test)],
        "protocol": {
            "corrected": CORRECTED,
            "following": FOLLOWING,
            "seeds": SEEDS,
            "forgetting": FORGETTING,
            "new_examples": NEW_EXAMPLES,
            "draws": DRAWS,
        },
        "development_users": sum(habit.part == DEVELOPMENT for habit in HABITS),
        "users": [habit.name for habit in HABITS if habit.part == REPORTED],
        "bases": {name: _study(make(parts), parts) for name, make in BASES.items()},
    }


def _pretrained(parts: Splits) -> GoalModel:
    with tempfile.TemporaryDirectory() as folder:
        model = pretrained_model(Path(folder), parts.train.tasks)
    return FewLabelsTrainer(tuning="frozen").fit(model, parts.train).model


def _from_scratch(parts: Splits) -> GoalModel:
    model = GoalModel.from_backbone("tiny-bert", tasks=parts.train.tasks, weights="random", seed=0)
    return Trainer(epochs=10, learning_rate=5e-4, batch_size=16, seed=0).fit(model, parts).model


BASES = {"multilingual-e5-small, frozen": _pretrained, "tiny-bert, trained from random weights": _from_scratch}


def _study(trained: GoalModel, parts: Splits) -> dict[str, Any]:
    spread = standardize_embeddings(trained, parts.train.texts)
    small = calibrate(Compressor.from_recipe("int8").compress(spread, parts).model, parts.validation).model
    with tempfile.TemporaryDirectory() as folder:
        bundle = CoreMLExporter(sequence_length=LENGTH).export(small, Path(folder) / "GoalAnalyzer")
        pool = Examples(bundle.run(parts.test.texts)["embedding"], parts.test.labels[TASK])
        users = [_user(habit, seed, parts.test.texts, pool, bundle) for seed, habit in enumerate(HABITS)]
        replays = {
            "trained": Replay.choose(parts.train.texts, parts.train.labels, per_label=20),
            "held-out": Replay.choose(parts.validation.texts, parts.validation.labels, per_label=60),
        }
        replayed = {
            kind: Examples(bundle.run(replay.texts)["embedding"], list(replay.labels[TASK])) for kind, replay in replays.items()
        }
        shipped = _head(small).spec
        chosen, results = {}, {}
        for name, strategy in _strategies(small, replays, replayed).items():
            chosen[name] = _choose(strategy, [user for user in users if user.habit.part == DEVELOPMENT], labelled_by(shipped))
            results[name] = [
                _over_seeds(_scores(user, strategy.learn(user.corrected, chosen[name], SEEDS)))
                for user in users
                if user.habit.part == REPORTED
            ]
            print(name, chosen[name], flush=True)
        taught, categories = _new_categories(small, parts.test.texts, pool, replayed)
        return {
            "base_accuracy": pool.accuracy(labelled_by(shipped)),
            "replayed": {kind: len(examples.labels) for kind, examples in replayed.items()},
            "chosen": chosen,
            "chosen_for_new_categories": taught,
            "strategies": results,
            "new_categories": categories,
            "cost": _cost(bundle, small, pool),
        }


def _head(model: GoalModel, **options: Any) -> Any:
    return UpdatableHeadBuilder(task=TASK, **options).build(model)


def _strategies(model: GoalModel, replays: dict[str, Replay], replayed: dict[str, Examples]) -> dict[str, Strategy]:
    plain, hidden = _head(model).spec, _head(model, hidden_size=64).spec
    builder = NeighboursHeadBuilder(task=TASK)
    alone, gated = head_updates(plain, None)
    strategies = {
        "no update": no_update(plain),
        "head update, no replay": alone,
        "gated head update, no replay": gated,
        "nearest neighbours, no replay": neighbours(builder.build(model).spec),
        "linear model retrained, no replay": retrained(None),
    }
    for kind, replay in replays.items():
        seeded = builder.build(model, replay.texts, replay.labels[TASK], length=LENGTH).spec
        alone, gated = head_updates(plain, replayed[kind])
        strategies |= {
            f"head update, {kind} replay": alone,
            f"gated head update, {kind} replay": gated,
            f"nearest neighbours, {kind} replay": neighbours(seeded),
            f"linear model retrained, {kind} replay": retrained(replayed[kind]),
        }
    strategies["hidden-layer head update, held-out replay"] = head_updates(hidden, replayed["held-out"])[0]
    return strategies


def _user(habit: Habit, seed: int, texts: list[str], pool: Examples, bundle: Bundle) -> User:
    random = np.random.default_rng(seed)
    concerned = np.array([habit.concerns(text, label) for text, label in zip(texts, pool.labels, strict=True)])
    within, without = (random.permutation(np.flatnonzero(each)) for each in (concerned, ~concerned))
    count = min(round(SHARE * (CORRECTED + FOLLOWING)), len(within))
    early = round(count * CORRECTED / (CORRECTED + FOLLOWING))
    corrected = [*within[:early], *without[: CORRECTED - early]]
    following = [*within[early:count], *without[CORRECTED - early : CORRECTED + FOLLOWING - count]]

    def spoken(rows: list[int]) -> Examples:
        said = [habit.say(texts[row]) for row in rows]
        return Examples(bundle.run(said)["embedding"], [habit.label(texts[row], pool.labels[row]) for row in rows])

    rest = np.setdiff1d(np.arange(len(texts)), [*corrected, *following])
    others = Examples(pool.vectors[rest], [pool.labels[row] for row in rest])
    return User(habit, spoken(corrected), spoken(following), others, ~concerned[rest])


def _scores(user: User, predictors: list[Predictor]) -> dict[str, list[float]]:
    """Return accuracies, one per seed: on the following goals, on others' goals outside the habit, and on all of these."""
    return {
        "following": [user.following.accuracy(each) for each in predictors],
        "others_outside": [user.others.accuracy(each, user.outside) for each in predictors],
        "others": [user.others.accuracy(each) for each in predictors],
    }


def _over_seeds(scores: dict[str, list[float]]) -> dict[str, list[float]]:
    """Return mean and standard deviation over seeds."""
    return {kind: [statistics.mean(values), statistics.pstdev(values)] for kind, values in scores.items()}


def _choose(strategy: Strategy, users: list[User], shipped: Predictor) -> dict[str, Any]:
    """Return the setting that helps development users most while others lose little, or else the one that costs least."""
    before = statistics.mean(user.others.accuracy(shipped, user.outside) for user in users)

    def judged(setting: dict[str, Any]) -> tuple[bool, float]:
        try:
            scores = [_scores(user, strategy.learn(user.corrected, setting, TUNING_SEEDS)) for user in users]
        except TrainingError:  # diverged
            return False, 0.0
        helped = statistics.mean(statistics.mean(each["following"]) for each in scores)
        kept = statistics.mean(statistics.mean(each["others_outside"]) for each in scores)
        fair = kept >= before - FORGETTING
        return fair, helped if fair else kept

    return max(strategy.settings, key=judged)


def _new_categories(
    model: GoalModel, texts: list[str], pool: Examples, replayed: dict[str, Examples]
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, dict[str, list[float]]]]]:
    """Train a spare slot on a few examples of a category that the model does not have, for several draws of them.

    Returns the setting chosen for each strategy, and the scores by strategy and category.
    """
    spec = _head(model, spare_slots=1).spec
    tuning = [user for users in _category_users(DEVELOPMENT_CATEGORIES, texts, pool).values() for user in users]
    chosen: dict[str, dict[str, Any]] = {}
    found: dict[str, dict[str, dict[str, list[float]]]] = {}
    for kind, replay in (("no", None), *replayed.items()):
        for way, strategy in zip(("head update", "gated head update"), head_updates(spec, replay), strict=True):
            name = f"{way}, {kind} replay"
            chosen[name] = _choose(strategy, tuning, labelled_by(spec))
            print(f"new categories: {name}", chosen[name], flush=True)
            found[name] = {
                category: _category_scores(users, strategy, chosen[name], labelled_by(spec))
                for category, users in _category_users(NEW_CATEGORIES, texts, pool).items()
            }
    return chosen, found


def _category_users(categories: dict[str, tuple[str, str]], texts: list[str], pool: Examples) -> dict[str, list[User]]:
    """Return, per category, users who each give ten random examples of it; its other goals follow."""
    found: dict[str, list[User]] = {}
    for name, (source, topic) in categories.items():
        habit = Habit(name, source, topic, SLOT, {})
        concerned = np.array([habit.concerns(text, label) for text, label in zip(texts, pool.labels, strict=True)])
        others = Examples(pool.vectors[~concerned], [pool.labels[row] for row in np.flatnonzero(~concerned)])
        for draw in range(DRAWS):
            rows = np.random.default_rng(draw).permutation(np.flatnonzero(concerned))
            taught, then = (Examples(pool.vectors[part], [SLOT] * len(part)) for part in np.split(rows, [NEW_EXAMPLES]))
            found.setdefault(name, []).append(User(habit, taught, then, others, np.ones(len(others.labels), bool)))
    return found


def _category_scores(
    users: list[User], strategy: Strategy, setting: dict[str, Any], shipped: Predictor
) -> dict[str, list[float]]:
    scores: dict[str, list[float]] = {"recall": [], "precision": [], "others_before": [], "others_after": []}
    for user in users:
        (answer,) = strategy.learn(user.corrected, setting, 1)
        right, wrong = (int((answer(part.vectors) == SLOT).sum()) for part in (user.following, user.others))
        scores["recall"].append(user.following.accuracy(answer))
        scores["precision"].append(right / (right + wrong) if right else 0.0)
        scores["others_before"].append(user.others.accuracy(shipped))
        scores["others_after"].append(user.others.accuracy(answer))
    return scores


def _cost(bundle: Bundle, model: GoalModel, pool: Examples) -> dict[str, float]:
    """Return the seconds for 100 embeddings and 10 epochs here, and the inputs of the estimates for a phone."""
    head, examples = _head(model), Examples(pool.vectors[:100], pool.labels[:100])
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        rehearse_update(head.spec, examples.vectors, examples.labels, parameters={"epochs": 10}, seeds=1)
        seconds.append(time.perf_counter() - start)
    layer = model.heads[TASK]
    encoder = sum(each.numel() for name, each in model.encoder.named_parameters() if "embeddings" not in name)
    return {
        "seconds": statistics.median(seconds),
        "head_parameters": layer.weight.numel() + layer.bias.numel(),
        "encoder_parameters": encoder,
        "tokens": bundle.manifest.sequence_length,
        "embedding_bytes": 4.0 * model.encoder.hidden_size,
        "package_bytes": sum(file.stat().st_size for file in (bundle.path / PACKAGE).rglob("*") if file.is_file()),
    }
