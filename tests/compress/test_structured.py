"""Heads, columns and layers that are left out: which ones, what is left, and what it can still do."""

import attrs
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from goalkit import GOAL_TASKS, Bundle, Compressor, CoreMLExporter, GoalModel, Splits
from goalkit.backbones.transformer_layer import transformer_layers
from goalkit.compress import Palettisation, Quantisation, StructuredPruning, VocabularyTrimming
from goalkit.compress.importance import most_important, unit_importance
from goalkit.errors import ConfigurationError
from goalkit.evaluation import evaluate, profile
from goalkit.weights import stored_weights

TEXTS = ["跑步", "每天背50个单词，坚持一个月，谁也别拦我", "戒糖第十二天了"]
CUT = StructuredPruning(heads=0.25, feed_forward=0.34, epochs=0)
HALF = StructuredPruning(heads=0.5, feed_forward=0.67, epochs=0)
DEAD_HEADS, DEAD_COLUMNS = [1, 3], list(range(5, 69))
"""Of the first layer of the fixture."""


def widths(model):
    return [(layer.heads, layer.columns) for layer in transformer_layers(model.encoder)]


def prune(model, *techniques, **context):
    return Compressor(techniques).compress(model, progress=False, **context).model


def right(model, rows):
    return np.mean([score.accuracy for score in evaluate(model, rows)])


@pytest.fixture(scope="module")
def planted(run):
    """A model two of whose heads, and 64 of whose columns, find nothing."""
    copy = run.model.copy()
    layer = transformer_layers(copy.encoder)[0]
    for linear, rows in ((layer.value, layer.columns_of(torch.tensor(DEAD_HEADS))), (layer.intermediate, DEAD_COLUMNS)):
        with torch.no_grad():
            linear.weight[rows] = 0
            linear.bias[rows] = 0
    return copy


@pytest.fixture(scope="module")
def pruned(planted, splits):
    return prune(planted, CUT, texts=splits.train.texts)


def test_what_finds_nothing_is_left_out_and_nothing_else_changes(planted, pruned, splits):
    assert widths(planted) == [(4, 96), (4, 96)]
    assert widths(pruned) == [(2, 32), (4, 96)]
    np.testing.assert_allclose(pruned.embed(splits.test.texts), planted.embed(splits.test.texts), atol=1e-5)
    before, after = transformer_layers(planted.encoder)[0], transformer_layers(pruned.encoder)[0]
    alive = [column for column in range(96) if column not in DEAD_COLUMNS]
    torch.testing.assert_close(after.intermediate.weight, before.intermediate.weight[alive], rtol=0, atol=0)
    torch.testing.assert_close(after.query.bias, before.query.bias[[*range(16), *range(32, 48)]], rtol=0, atol=0)
    assert all(parameter.requires_grad for parameter in pruned.parameters())


def test_only_what_has_no_effect_has_no_importance(planted, splits):
    (heads, _), (columns, others) = unit_importance(planted, splits.train.texts[:50], progress=False)
    assert (heads == 0).nonzero()[:, 0].tolist() == DEAD_HEADS
    assert (columns == 0).nonzero()[:, 0].tolist() == DEAD_COLUMNS
    assert (others > 0).all()


def test_importance_is_how_fast_the_loss_changes_when_a_unit_fades(run):
    """By finite differences, on one text after the other."""
    heads, columns = unit_importance(run.model, TEXTS, progress=False)
    copy = run.model.copy()
    predicted = run.model.predict_probabilities(TEXTS)

    def losses():
        found = copy.predict_probabilities(TEXTS)
        return -sum(np.log(found[name].astype(float)[range(3), predicted[name].argmax(1)]) for name in found)

    for depth, layer in enumerate(transformer_layers(copy.encoder)):
        head, column = slice(32, 48), slice(7, 8)
        for linear, place, found in (
            (layer.attention_output, head, heads[depth][2]),
            (layer.output, column, columns[depth][7]),
        ):
            weight, ends = linear.weight.detach().clone(), []
            for factor in (1.1, 0.9):
                linear.weight.data[:, place] = factor * weight[:, place]
                ends.append(losses())
            linear.weight.data = weight
            assert float(found) == pytest.approx(np.abs(ends[0] - ends[1]).mean() / 0.2, rel=0.05)


def test_a_pruned_model_is_saved_and_loaded(planted, pruned, tmp_path):
    again = GoalModel.load(pruned.save(tmp_path / "model"))
    np.testing.assert_array_equal(again.embed(TEXTS), pruned.embed(TEXTS))
    assert again.digest() == pruned.digest()
    saved = 32 * (3 * (64 + 1) + 64) + 64 * (64 + 1 + 64)
    assert sum(each.numel() for each in planted.parameters()) - sum(each.numel() for each in again.parameters()) == saved
    assert planted.size_bytes() - again.size_bytes() == pytest.approx(4 * saved, rel=0.02)


def test_another_training_starts_from_a_pruned_model(pruned, tmp_path):
    fresh = GoalModel.from_backbone("tiny-bert", tasks=GOAL_TASKS[:1], checkpoint=pruned.save(tmp_path / "model"))
    again = GoalModel.load(fresh.save(tmp_path / "fresh"))
    np.testing.assert_array_equal(again.embed(TEXTS), pruned.embed(TEXTS))


@pytest.mark.parametrize(
    ("technique", "target"),
    [(None, "iOS16"), (Quantisation(), "iOS16"), (Palettisation(bits=4, group_size=16), "iOS18")],
    ids=["float", "int8", "palettes"],
)
def test_a_pruned_model_is_compressed_further_and_exported(pruned, splits, tmp_path, technique, target):
    small = pruned if technique is None else prune(pruned, technique)
    assert any(stored_weights(small)) == (technique is not None)
    again = GoalModel.load(small.save(tmp_path / "model"))
    np.testing.assert_array_equal(again.embed(TEXTS), small.embed(TEXTS))
    bundle = CoreMLExporter(sequence_length=48, deployment_target=target).export(small, tmp_path / "bundle")
    report = Bundle.open(bundle.path, source=small).verify(splits.test.texts)
    assert report.passed, report.failures


def test_fine_tuning_keeps_the_shapes_and_regains_accuracy(run, splits, tmp_path):
    technique = attrs.evolve(HALF, epochs=1, learning_rate=1e-3)
    few = Splits(splits.train.take(range(600)), splits.validation.take(range(60)), splits.test)
    compression = Compressor([technique]).compress(run.model, few, folder=tmp_path, progress=False)
    cut = prune(run.model, HALF, splits=few)
    assert widths(compression.model) == widths(cut)
    assert sum(heads for heads, _ in widths(cut)) == 4
    assert sum(columns for _, columns in widths(cut)) == 64
    assert right(compression.model, few.train) > right(cut, few.train) + 0.005
    again = Compressor([technique]).compress(run.model, few, folder=tmp_path, progress=False)
    assert again.model.digest() == compression.model.digest(), "taken from the checkpoint"
    compression.save(tmp_path / "small")
    assert Compressor.from_recipe(tmp_path / "small" / "recipe.json").recipe == compression.recipe
    assert Compressor.from_recipe("structured-pruning").recipe.techniques == (StructuredPruning(),)


def test_the_layer_that_changes_nothing_is_left_out():
    settings = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 64}
    model = GoalModel.from_backbone("tiny-bert", tasks=GOAL_TASKS, encoder=settings)
    layer = transformer_layers(model.encoder)[1]  # the sum of its input, which is normalised already, and nothing
    for linear in (layer.attention_output, layer.output):
        torch.nn.init.zeros_(linear.weight)
        torch.nn.init.zeros_(linear.bias)
    small = prune(model, StructuredPruning(heads=0, feed_forward=0, layers=1, epochs=0), texts=TEXTS)
    assert len(small.encoder.anatomy().layers) == 2
    np.testing.assert_allclose(small.embed(TEXTS), model.embed(TEXTS), atol=1e-5)


def test_a_pruned_model_is_trimmed_pruned_again_and_profiled(pruned):
    trimmed = prune(pruned, VocabularyTrimming())
    assert widths(trimmed) == widths(pruned)
    np.testing.assert_array_equal(trimmed.embed(TEXTS), pruned.embed(TEXTS))
    again = prune(trimmed, StructuredPruning(heads=0.34, feed_forward=0, layers=1, epochs=0), texts=TEXTS)
    assert len(widths(again)) == 1
    assert {part.name for part in profile(pruned, TEXTS, repeats=1).parts} >= {"layer 1", "layer 2"}


@given(
    st.lists(st.lists(st.floats(0, 1, width=32), min_size=4, max_size=13), min_size=1, max_size=4),
    st.integers(1, 4),
    st.floats(0.01, 0.99),
)
def test_widths_are_multiples_and_every_layer_keeps_a_block(importance, step, amount):
    given = [torch.tensor(each) for each in importance]
    blocks = [len(each) // step for each in importance]
    if not 0 < round(amount * sum(blocks)) <= sum(blocks) - len(blocks):
        with pytest.raises(ConfigurationError, match="each layer keeps one: give"):
            most_important(given, amount, step, "units")
        return
    kept = most_important(given, amount, step, "units")
    assert sum(map(len, kept)) == step * (sum(blocks) - round(amount * sum(blocks)))
    for each, numbers in zip(given, kept, strict=True):
        assert len(numbers) >= step
        assert len(numbers) % step == 0
        assert numbers.tolist() == sorted(set(numbers.tolist()))
        rest = [value for number, value in enumerate(each.tolist()) if number not in numbers]
        assert each[numbers].min() >= max(rest, default=0)


def test_what_cannot_be_pruned_is_refused(run, int8_model, untrained, splits):
    cases = [
        (run.model, attrs.evolve(CUT, epochs=1), {"texts": TEXTS}, "'structured-pruning' needs splits: give splits="),
        (run.model, CUT, {}, "'structured-pruning' measures the model on texts: give texts= or splits="),
        (int8_model, CUT, {"texts": TEXTS}, "is compressed already: compress the original model"),
        (run.model, attrs.evolve(CUT, layers=2), {"texts": TEXTS}, "layers is 2, and the encoder has 2: leave at least one"),
        (run.model, attrs.evolve(CUT, heads=0.9), {"texts": TEXTS}, "4 of 4 blocks of 2 heads, .* from 0.250 to 0.500, or 0"),
        (run.model, attrs.evolve(CUT, feed_forward=0.01), {"texts": TEXTS}, "is 0 of 6 blocks of 32 feed-forward columns"),
    ]
    for model, technique, context, message in cases:
        with pytest.raises(ConfigurationError, match=message):
            prune(model, technique, **context)
    narrow = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 16}
    model = GoalModel.from_backbone("tiny-bert", tasks=GOAL_TASKS, encoder=narrow)
    with pytest.raises(ConfigurationError, match="a share of 0.25 is 0 of 1 blocks of 1 heads, .* give 0"):
        prune(model, CUT, texts=TEXTS)
    with pytest.raises(ConfigurationError, match="a layer has 16 feed-forward columns, fewer than the 32 that must be left"):
        prune(model, attrs.evolve(CUT, heads=0), texts=TEXTS)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"heads": 1}, "heads is 1: it must be at least 0 and at most 0.99"),
        ({"feed_forward": -0.1}, "feed_forward is -0.1"),
        ({"layers": 0.5}, "layers is 0.5: it must be a whole number"),
        ({"heads": 0, "feed_forward": 0}, "heads, feed_forward and layers are 0, so nothing is left out"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(ConfigurationError, match=message):
        StructuredPruning(**settings)


def test_layers_are_left_out_of_encoders_whose_heads_are_not():
    sizes = {"embedding_size": 32, "intra_bottleneck_size": 32, "true_hidden_size": 32}
    settings = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 64, **sizes}
    model = GoalModel.from_backbone("mobilebert", tasks=GOAL_TASKS, encoder=settings)
    small = prune(model, StructuredPruning(heads=0, feed_forward=0, layers=2, epochs=0), texts=TEXTS)
    assert len(small.encoder.anatomy().layers) == 1
    with pytest.raises(ConfigurationError, match="columns of MobileBertLayer cannot be left out"):
        prune(model, CUT, texts=TEXTS)
