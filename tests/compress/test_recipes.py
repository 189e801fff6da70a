"""Recipes, from whatever says them, and techniques, whoever wrote them."""

import json
import sys
from functools import partial

import attrs
import numpy as np
import pytest

from goalkit import Compressor, CoreMLExporter, GoalModel, Trainer
from goalkit.compress import Palettisation, Quantisation, Technique, find_technique, installed_techniques
from goalkit.configuration import between
from goalkit.errors import ConfigurationError


@pytest.fixture
def plugin(install_plugin):
    return partial(install_plugin, "goalkit.compression")


SHARPER = """
    import attrs
    import torch
    from goalkit.compress import Technique
    from goalkit.configuration import between

    @attrs.frozen(kw_only=True)
    class Own(Technique):
        name = "rounding"
        steps: float = attrs.field(default=64.0, validator=between(1))

        def apply(self, model, context):
            smaller = model.copy()
            with torch.no_grad():
                for layer in smaller.encoder.modules():
                    if isinstance(layer, torch.nn.Linear):
                        layer.weight.copy_(torch.round(layer.weight * self.steps) / self.steps)
            return smaller
"""


@attrs.frozen(kw_only=True)
class Tuning(Technique):
    """Trains a little further: a technique that needs data and the Trainer."""

    name = "tuning"
    epochs: int = attrs.field(default=1, validator=between(1, whole=True))

    def apply(self, model, context):
        splits = context.require("splits", self)
        trainer = Trainer(epochs=self.epochs, precision="float32", seed=context.seed)
        return trainer.fit(model, splits, folder=context.folder, progress=context.progress).model


def test_own_techniques_are_found_as_any_other():
    assert installed_techniques()["palettisation"].package == "goalkit"
    assert find_technique("quantisation") is Quantisation


def test_a_technique_of_a_third_party_is_used_by_name_in_a_recipe_exported_and_verified(plugin, run, splits, tmp_path):
    plugin("rounding", SHARPER)
    recipe = {"techniques": [{"name": "rounding", "steps": 200}, {"name": "palettisation", "bits": 6}]}
    before = run.model.digest()
    made = Compressor.from_recipe(recipe).compress(run.model, splits)
    plain = Compressor.from_recipe("palette6").compress(run.model, splits)
    assert run.model.digest() == before, "the model that was given stays as it was"
    assert made.recipe.name == "rounding+palettisation"
    assert made.model.digest() != plain.model.digest()
    assert made.bytes_after == pytest.approx(plain.bytes_after, rel=1e-3)

    folder = made.save(tmp_path / "small")
    assert GoalModel.load(folder).digest() == made.model.digest()
    again = Compressor.from_recipe(folder / "recipe.json")
    assert again == Compressor(made.recipe)
    assert again.compress(run.model).model.digest() == made.model.digest()

    bundle = CoreMLExporter(sequence_length=32).export(made.model, tmp_path / "bundle")
    report = bundle.verify(splits.train.texts + splits.test.texts, reference=run.model)
    assert report.passed, report.failures
    assert set(bundle.manifest.origin.compression) == {"6-bit palette"}


def test_a_technique_may_train(run, splits, tmp_path):
    few = attrs.evolve(splits, train=splits.train.take(range(32)))
    compressor = Compressor([Tuning(), Quantisation()])
    made = compressor.compress(run.model, few, folder=tmp_path / "work", seed=3, progress=False)
    assert (tmp_path / "work" / "1-tuning" / "log.jsonl").exists()
    assert made.recipe.name == "tuning+quantisation"
    tuned = next(made.model.encoder.named_parameters())[1]
    assert not np.array_equal(tuned.detach().numpy(), next(run.model.encoder.named_parameters())[1].detach().numpy())
    with pytest.raises(ConfigurationError, match="technique 'tuning' needs splits: give splits= to Compressor.compress"):
        compressor.compress(run.model)


@pytest.mark.parametrize(
    "said",
    [
        "palette4",
        "palettisation",
        [Palettisation(bits=4)],
        {"techniques": [{"name": "palettisation", "bits": 4}]},
        {"techniques": [{"name": "palettisation"}], "name": "small"},
    ],
)
def test_a_recipe_may_be_said_in_many_ways(said, tmp_path):
    assert Compressor.from_recipe(said).recipe.techniques == (Palettisation(bits=4),)
    if isinstance(said, dict):
        path = tmp_path / "recipe.json"
        path.write_text(json.dumps(said))
        assert Compressor(path) == Compressor(str(path)) == Compressor(said)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"techniques": [{"name": "palettisation", "bit": 4}]}, "unknown key bit in Palettisation; valid keys are .*bits"),
        (
            {"techniques": [{"name": "palettisation", "bits": 9}]},
            "bits is 9: it must be 1, 2, 3, 4, 6 or 8",
        ),
        (
            {"techniques": [{"name": "palette"}]},
            "no technique 'palette'; installed ones are .*palettisation, pruning",
        ),
        ({"techniques": [{"bits": 4}]}, "does not say which technique it is: give an object with a name"),
        ({"techniques": []}, "a recipe has no techniques: give at least one"),
        ({"technique": []}, "unknown key technique in Recipe; valid keys are techniques, name"),
        (["int8"], "'int8' is not a technique"),
        ("none.json", "none.json cannot be read"),
    ],
)
def test_a_wrong_recipe_is_reported(said, message):
    with pytest.raises(ConfigurationError, match=message):
        Compressor(said)


def test_a_file_that_holds_no_recipe_is_reported(tmp_path):
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(ConfigurationError, match=r"list.json holds no recipe: give"):
        Compressor(tmp_path / "list.json")


def test_a_broken_technique_is_named_and_harms_no_other(plugin):
    plugin("broken_technique", "import not_there")
    plugin("no_technique", "Own = 3")
    head = "import attrs\nfrom goalkit.compress import Technique\n"
    plugin("plain_class", f"{head}class Own(Technique):\n    def apply(self, model, context): ...")
    plugin("abstract_one", f"{head}@attrs.frozen(kw_only=True)\nclass Own(Technique): name = 'abstract_one'")
    with pytest.raises(
        ConfigurationError, match=r"package broken_technique fails to import broken_technique:Own \(ModuleNotFoundError"
    ):
        Compressor("broken_technique")
    with pytest.raises(ConfigurationError, match=r"not a subclass of goalkit.compress.Technique; correct the entry point"):
        Compressor("no_technique")
    with pytest.raises(ConfigurationError, match=r"Own is not decorated with attrs.frozen\(kw_only=True\)"):
        Compressor("plain_class")
    with pytest.raises(ConfigurationError, match="Own is abstract: it does not define apply"):
        Compressor("abstract_one")
    assert Compressor("quantisation").recipe.techniques == (Quantisation(),)


def test_listing_techniques_imports_none_of_another_package(plugin):
    plugin("third_technique", "raise RuntimeError('imported')")
    assert "third_technique" in installed_techniques()
    assert "third_technique" not in sys.modules
