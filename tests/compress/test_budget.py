"""Compression within a budget: what is chosen, what is tried, and what a second call with the same folder does not repeat."""

import json
import logging
import xml.etree.ElementTree as ET

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goalkit import Compressor, GoalModel
from goalkit.compress import Budget, Candidate, CompressionContext, Palettisation, Pruning, Quantisation, Recipe, SparseStorage
from goalkit.compress import VocabularyTrimming as Trimming
from goalkit.compress.attempts import Attempts
from goalkit.compress.front import pareto_front
from goalkit.compress.space import STORAGE, Space, learns
from goalkit.errors import BudgetError, ConfigurationError, TrainingError
from goalkit.weights import TARGETS, stored_weights

THREE = ("int8", "palette6", [Palettisation(bits=2)])


@pytest.fixture(scope="module")
def few(splits):
    return attrs.evolve(splits, train=splits.train.take(range(64)), validation=splits.validation.take(range(150)))


@pytest.fixture(scope="module")
def tried(run, few, tmp_path_factory):
    """A folder in which three recipes have been tried, with what was found for a size that all of them keep."""
    folder = tmp_path_factory.mktemp("tried") / "run"
    return folder, within(run, few, folder, size_mb=1)


def within(run, splits, folder, **settings):
    budget = Compressor.within(**{"recipes": THREE, **settings})
    return budget.compress(run.model, splits, folder=folder, progress=False)


def test_given_a_size_the_most_accurate_is_chosen_and_otherwise_the_smallest(run, few, tried):
    folder, found = tried
    sizes = {str(each.recipe): each.package_bytes for each in found.candidates}
    assert sorted(sizes, key=sizes.get) == ["palettisation(bits=2)", "palettisation(bits=6)", "quantisation"]
    assert found.best == max(found.candidates, key=lambda each: (each.accuracy, each.agreement, -each.package_bytes))
    smaller = within(run, few, folder, size_mb=sizes["palettisation(bits=2)"] / 1e6)
    assert str(smaller.best.recipe) == "palettisation(bits=2)"
    assert {str(storage.form) for _, _, storage in stored_weights(smaller.model)} == {"2-bit palette"}
    loss = {str(each.recipe): each.agreement for each in found.candidates}
    assert loss["palettisation(bits=2)"] < 0.97 < loss["palettisation(bits=6)"]
    assert str(within(run, few, folder, min_agreement=0.97).best.recipe) == "palettisation(bits=6)"
    assert str(within(run, few, folder, min_accuracy=0.1).best.recipe) == "palettisation(bits=2)"


def test_trials_that_ended_are_not_repeated_whatever_the_bounds(run, few, tried, monkeypatch):
    folder, found = tried
    monkeypatch.setattr(Attempts, "candidate", lambda *_: pytest.fail("a recipe is tried again"))
    again = within(run, few, folder, size_mb=1)
    assert again.candidates == found.candidates
    assert again.model.digest() == found.model.digest()


def test_a_budget_that_cannot_be_kept_says_how_near_one_comes(run, few, tried):
    folder, found = tried
    smallest = min(found.candidates, key=lambda each: each.package_bytes)
    with pytest.raises(
        BudgetError, match=r"none of 3 recipes keeps within size_mb=0.01, min_agreement=0.5; the nearest is"
    ) as told:
        within(run, few, folder, size_mb=0.01, min_agreement=0.5)
    assert f"the nearest is {smallest}" in str(told.value)
    assert f"palettisation(bits=2): about {smallest.package_bytes / 1e6:.2f} MB, accuracy" in str(told.value)
    assert f"{folder} keeps the trials" in str(told.value)


def test_an_interrupted_search_goes_on_with_the_recipe_that_was_interrupted(run, few, tried, tmp_path, monkeypatch):
    candidate, seen = Attempts.candidate, []

    def interrupted(attempts, recipe):
        seen.append(str(recipe))
        if len(seen) == 2:
            raise KeyboardInterrupt
        return candidate(attempts, recipe)

    monkeypatch.setattr(Attempts, "candidate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        within(run, few, tmp_path, size_mb=1)
    found = within(run, few, tmp_path, size_mb=1)
    assert sorted(seen) == sorted([*(str(each.recipe) for each in found.candidates), seen[1]])
    assert {str(each.recipe): each for each in found.candidates} == {str(each.recipe): each for each in tried[1].candidates}


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"recipes": THREE[:2]}, "recipes"),
        ({"deployment_target": "iOS18"}, "deployment_target"),
        ({"seed": 1}, "seed"),
        ({"texts": ["跑步"]}, "texts"),
        ({"splits": 140}, "data"),
        ({"model": 1}, "model"),
    ],
)
def test_a_folder_of_another_search_is_refused(run, few, tried, untrained, change, name):
    settings = {key: change[key] for key in ("recipes", "deployment_target") if key in change}
    given = {key: change[key] for key in ("seed", "texts") if key in change}
    splits = attrs.evolve(few, validation=few.validation.take(range(change.get("splits", 150))))
    budget = Budget(**{"recipes": THREE, "size_mb": 1, **settings})
    with pytest.raises(TrainingError, match=rf"does not match this search \(different {name}\)"):
        budget.compress(untrained if "model" in change else run.model, splits, folder=tried[0], progress=False, **given)


def pretended(attempts, recipe):
    """A candidate whose figures follow from its recipe, in no time."""
    name = str(recipe)
    share = {"category": len(name) / 200}
    return Candidate(recipe=recipe, package_bytes=1000 - len(name), accuracies=share, agreements=share)


def test_every_combination_is_tried_once_in_an_order_that_the_seed_decides(untrained, few, tmp_path, monkeypatch):
    monkeypatch.setattr(Attempts, "candidate", pretended)
    monkeypatch.setattr(Attempts, "make", lambda attempts, recipe: attempts.model)

    def tried_in(name, trials):
        budget = Budget(size_mb=1, trials=trials)
        found = budget.compress(untrained, few, folder=tmp_path / name, seed=3, progress=False)
        return [each.recipe for each in found.candidates]

    space = Space.of(layers=(), recipes=(), target="iOS16")
    first = tried_in("first", 99)
    assert len(first) == len({str(recipe) for recipe in first}) == len(space.combinations())
    opening = first[: len(space.opening())]
    assert not any(learns(technique) for recipe in opening for technique in recipe.techniques)
    assert len({recipe.techniques[1:] for recipe in opening}) == len(opening), "each way of storage once"
    assert tried_in("again", 8) == first[:8]


def test_what_an_older_system_does_not_have_is_not_tried(untrained):
    for target in TARGETS:
        kinds = Space.of(layers=[(0,)], recipes=(), target=target)
        storages = kinds.stages["storage"].values()
        assert storages
        assert ((Palettisation(bits=3, input_aware=True),) in storages) == (target == "iOS18")
        assert kinds.stages["layers"].keys() == {"all", "distillation(layers=(0,))"}
    with pytest.raises(ConfigurationError, match=r"palettisation\(bits=3\) needs a newer system than iOS16: leave it out"):
        Budget(size_mb=1, recipes=[[Palettisation(bits=3)]])


@pytest.mark.parametrize("techniques", [each for each in STORAGE if not any(map(learns, each))], ids=lambda each: str(each[-1]))
def test_techniques_say_which_system_has_what_they_store(untrained, techniques):
    small = Compressor(techniques).compress(untrained, texts=["每天跑步5公里", "背50个单词"]).model
    targets = {storage.form.oldest_target for _, _, storage in stored_weights(small)}
    assert targets == {max(technique.oldest_target for technique in techniques)}


def test_a_recipe_that_does_not_go_with_the_model_is_passed_over(run, few, tmp_path, caplog):
    odd = [Quantisation(block_size=7)]
    with caplog.at_level(logging.WARNING):
        found = within(run, few, tmp_path / "some", size_mb=1, recipes=["int8", odd], deployment_target="iOS18")
    assert [str(each.recipe) for each in found.candidates] == ["quantisation"]
    assert "no equal parts of 7" in caplog.text
    with pytest.raises(ConfigurationError, match="no recipe goes with this model"):
        within(run, few, tmp_path / "none", size_mb=1, recipes=[odd], deployment_target="iOS18")


def test_the_bound_holds_for_the_measured_package(run, few, tried):
    folder, found = tried
    budget = Budget(size_mb=0.6, recipes=THREE)
    true = {8: 700_000, 6: 500_000, 2: 300_000}

    def measure(model):
        _, _, storage = next(stored_weights(model))
        return true[storage.form.bits]

    measured = budget.compress(run.model, few, folder=folder, measure=measure, progress=False)
    assert measured.best.measured
    assert measured.best.package_bytes == true[next(stored_weights(measured.model))[2].form.bits] <= 600_000
    assert found.best.accuracy >= measured.best.accuracy
    true = {8: 900_000, 6: 800_000, 2: 700_000}
    with pytest.raises(BudgetError, match=r"the nearest is palettisation\(bits=2\): 0.70 MB"):
        budget.compress(run.model, few, folder=folder, measure=measure, progress=False)


def test_the_result_is_a_table_and_a_plot(tried, tmp_path):
    _, found = tried
    lines = found.table().splitlines()
    assert lines[0].split() == ["recipe", "package", "accuracy", "agreement"]
    assert len(lines) == len(found.front) + 2
    marked = [line for line in lines if " * " in line]
    assert len(marked) == 1
    assert marked[0].startswith(str(found.best.recipe))
    found.save(tmp_path)
    figures = json.loads((tmp_path / "front.json").read_bytes())
    assert figures == found.to_dict()
    assert figures["best"]["package_bytes"] == found.best.package_bytes
    drawn = (tmp_path / "front.svg").read_bytes()
    assert ET.fromstring(drawn).tag.endswith("svg")
    found.save(tmp_path)
    assert (tmp_path / "front.svg").read_bytes() == drawn
    saved = found.compression.save(tmp_path / "model", records={"budget.json": found.to_dict()})
    assert GoalModel.load(saved).digest() == found.model.digest()
    assert Compressor.from_recipe(saved / "recipe.json").recipe == found.best.recipe


shares = st.integers(0, 4).map(lambda number: number / 4)
candidates = st.builds(
    lambda size, accuracy, agreement: Candidate(
        recipe=Recipe(techniques=[Quantisation()]),
        package_bytes=size,
        accuracies={"category": accuracy},
        agreements={"category": agreement},
    ),
    st.integers(1, 5),
    shares,
    shares,
)


@given(st.lists(candidates, min_size=1, max_size=12))
def test_the_front_is_what_no_other_beats_and_beats_all_else(found):
    front = pareto_front(found)
    assert front
    assert not any(other.beats(each) for each in front for other in found)
    assert all(any(other.beats(each) for other in front) for each in found if each not in front)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "a budget has no bounds: give size_mb, min_agreement or min_accuracy"),
        ({"size_mb": 0}, "size_mb is 0: it must be above 0"),
        ({"min_agreement": 98}, "min_agreement is 98: it must be at least 0 and at most 1"),
        ({"size_mb": 1, "deployment_target": "iOS15"}, "there is no deployment_target 'iOS15'"),
        ({"size_mb": 1, "recipes": ["int8"], "layers": ((0,),)}, "layers are for the built-in recipes"),
        ({"size_mb": 1, "recipes": ["zip"]}, "there is no recipe 'zip'"),
    ],
)
def test_a_wrong_budget_is_refused(settings, message):
    with pytest.raises(ConfigurationError, match=message):
        Compressor.within(**settings)


def test_a_compressed_model_is_refused(int8_model, few, tmp_path):
    with pytest.raises(ConfigurationError, match="the model is compressed already: give the model as it was before"):
        Budget(size_mb=1).compress(int8_model, few, folder=tmp_path)


@pytest.mark.parametrize(
    ("techniques", "message"),
    [
        (
            (Quantisation(), Palettisation()),
            "'palettisation' cannot follow 'quantisation' .*: put 'palettisation' first, or",
        ),
        ((Palettisation(), Pruning(epochs=0)), "'pruning' cannot follow 'palettisation'"),
        ((SparseStorage(), Trimming()), "'vocabulary-trimming' cannot follow 'sparse'"),
        ((Trimming(), Quantisation(), SparseStorage()), "'sparse' cannot follow 'vocabulary-trimming' and 'quantisation'"),
    ],
)
def test_techniques_that_do_not_go_together_are_named(untrained, techniques, message):
    with pytest.raises(ConfigurationError, match=message):
        Compressor(techniques).compress(untrained)


def test_a_technique_for_a_compressed_model_is_named(int8_model):
    with pytest.raises(ConfigurationError, match="'palettisation' cannot be applied to a model that is compressed already"):
        Recipe(techniques=[Palettisation()]).apply(int8_model, CompressionContext())
