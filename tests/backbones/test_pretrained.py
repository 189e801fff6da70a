"""A backbone with weights of its own: new models start from them as far as layers and vocabulary go."""

import numpy as np
import pytest

from goalkit import GOAL_TASKS, Compressor, GoalModel, Task
from goalkit.errors import ConfigurationError, ModelError

SIZES = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 48}
TEXTS = ["每天跑步5公里", "背50个单词", "读一本书"]


@pytest.fixture
def source(tmp_path, install_plugin):
    """The weights that the backbone `third` comes with, in 8 bits, with a head for one of the tasks."""
    model = GoalModel.from_backbone("tiny-bert", tasks=GOAL_TASKS[:1], encoder=SIZES, seed=7)
    small = Compressor.from_recipe("int8").compress(model).model
    small.save(tmp_path / "weights")
    code = f"""
        from pathlib import Path
        from goalkit.backbones.bert import TinyBert
        class Own(TinyBert):
            name = "third"
            defaults = {{**TinyBert.defaults, **{SIZES!r}}}
            def pretrained(self):
                return Path({str(tmp_path / "weights")!r})
    """
    install_plugin("goalkit.backbones", "third", code)
    return small


def make(**settings):
    return GoalModel.from_backbone("third", tasks=GOAL_TASKS, **settings)


def test_a_new_model_starts_from_them_and_can_be_trained(source):
    model = make()
    np.testing.assert_array_equal(model.embed(TEXTS), source.embed(TEXTS))
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert model.configuration_now().compression.weights == {}
    assert not np.allclose(make(weights="random").embed(TEXTS), source.embed(TEXTS))


def test_tasks_that_the_weights_know_start_from_their_heads(source):
    model = make()
    known, other = (task.name for task in GOAL_TASKS[:2])
    np.testing.assert_array_equal(model.predict_probabilities(TEXTS)[known], source.predict_probabilities(TEXTS)[known])
    random = make(weights="random").heads
    np.testing.assert_array_equal(model.heads[other].weight.detach(), random[other].weight.detach())
    reordered = Task(known, tuple(reversed(GOAL_TASKS[0].labels)))
    head = GoalModel.from_backbone("third", tasks=[reordered]).heads[known]
    np.testing.assert_array_equal(head.weight.detach(), random[known].weight.detach())


def test_fewer_layers_take_the_first_and_a_vocabulary_its_shared_rows(source):
    model = make(encoder={"num_hidden_layers": 2}, vocabulary_from=[*TEXTS, "㐂"])
    mine, theirs = model.encoder.model, source.encoder.model
    for layer, other in zip(mine.encoder.layer, theirs.encoder.layer, strict=False):
        np.testing.assert_array_equal(layer.output.dense.weight.detach(), other.output.dense.weight.detach())
    row, known = (each.tokenizer.vocabulary.index("跑") for each in (model, source))
    words = mine.embeddings.word_embeddings.weight.detach()
    np.testing.assert_array_equal(words[row], theirs.embeddings.word_embeddings.weight.detach()[known])


def test_other_widths_are_random_unless_pretrained_is_asked_for(source):
    wide = {"encoder": {"hidden_size": 64}}
    assert make(**wide).digest() == make(**wide, weights="random").digest()
    with pytest.raises(ModelError, match="the pretrained weights of 'third' do not fit: .* choose encoders of the same widths"):
        make(**wide, weights="pretrained")
    with pytest.raises(ModelError, match="the pretrained weights of 'third' do not fit: .* one per layer"):
        make(encoder={"num_hidden_layers": 4}, weights="pretrained")


def test_what_contradicts_itself_is_refused(tiny_checkpoint):
    with pytest.raises(ModelError, match="'mobilebert' comes without pretrained weights: give a checkpoint"):
        GoalModel.from_backbone("mobilebert", tasks=GOAL_TASKS, weights="pretrained")
    with pytest.raises(ConfigurationError, match="weights is 'shipped': give 'pretrained' or 'random'"):
        GoalModel.from_backbone("tiny-bert", tasks=GOAL_TASKS, weights="shipped")
    with pytest.raises(ConfigurationError, match="leave vocabulary_from, encoder and weights out"):
        GoalModel.from_backbone(
            "bert-base-chinese", tasks=GOAL_TASKS, checkpoint=tiny_checkpoint("bert-base-chinese"), weights="random"
        )


@pytest.mark.parametrize("recipe", [None, "int8"])
def test_a_checkpoint_may_be_a_model_with_other_tasks(tmp_path, recipe):
    settings = {"encoder": SIZES, "vocabulary_from": TEXTS, "pooling": "cls"}
    model = GoalModel.from_backbone("tiny-bert", tasks=GOAL_TASKS[:1], seed=7, **settings)
    model = Compressor.from_recipe(recipe).compress(model).model if recipe else model
    model.save(tmp_path / "model")
    other = GoalModel.from_backbone("tiny-bert", tasks=GOAL_TASKS, checkpoint=tmp_path / "model")
    np.testing.assert_array_equal(other.embed(TEXTS), model.embed(TEXTS))
    assert list(other.heads) == [task.name for task in GOAL_TASKS]
    assert all(parameter.requires_grad for parameter in other.parameters())
    other.save(tmp_path / "other")
    np.testing.assert_array_equal(GoalModel.load(tmp_path / "other").embed(TEXTS), model.embed(TEXTS))
    with pytest.raises(ModelError, match="holds a model of backbone 'tiny-bert', not 'mobilebert': choose that backbone"):
        GoalModel.from_backbone("mobilebert", tasks=GOAL_TASKS, checkpoint=tmp_path / "model")
