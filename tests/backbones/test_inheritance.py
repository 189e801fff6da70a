import pytest
import torch

from goalkit import GOAL_TASKS, GoalModel
from goalkit.backbones.inheritance import inherit_weights
from goalkit.errors import ModelError

SIZES = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 48, "max_position_embeddings": 64}


def make(layers, *, backbone="tiny-bert", texts=None, seed=0, **sizes):
    settings = {**SIZES, "num_hidden_layers": layers, **sizes}
    return GoalModel.from_backbone(backbone, tasks=GOAL_TASKS, encoder=settings, vocabulary_from=texts, seed=seed)


def pieces(model):
    return {piece: row for row, piece in enumerate(model.tokenizer.vocabulary)}


def inherit(model, source, layers):
    return inherit_weights(model.encoder, pieces(model), source.encoder, pieces(source), layers)


def test_all_layers_of_a_model_are_the_model():
    model, source = make(3), make(3, seed=1)
    assert inherit(model, source, [0, 1, 2]) == 1
    texts = ["每天跑步5公里", "背50个单词"]
    torch.testing.assert_close(torch.tensor(model.embed(texts)), torch.tensor(source.embed(texts)), rtol=0, atol=0)


def test_chosen_layers_shared_pieces_and_first_positions_are_taken_over():
    source = make(4, seed=1)
    model = make(2, texts=["每天跑步㐂㐂"], max_position_embeddings=16)
    before = model.encoder.model.embeddings.word_embeddings.weight.detach().clone()
    share = inherit(model, source, [3, 1])
    mine, theirs = model.encoder.model, source.encoder.model
    for layer, number in zip(mine.encoder.layer, (3, 1), strict=True):
        for name, parameter in layer.named_parameters():
            assert torch.equal(parameter, theirs.encoder.layer[number].get_parameter(name)), name
    positions = theirs.embeddings.position_embeddings.weight
    assert torch.equal(mine.embeddings.position_embeddings.weight, positions[:16])
    words, rows, known = mine.embeddings.word_embeddings.weight, pieces(model), pieces(source)
    assert torch.equal(words[rows["跑"]], theirs.embeddings.word_embeddings.weight[known["跑"]])
    assert torch.equal(words[rows["㐂"]], before[rows["㐂"]]), "a piece that the source does not have"
    assert share == pytest.approx(sum(piece in known for piece in rows) / len(rows))


@pytest.mark.parametrize(
    ("source", "layers", "message"),
    [
        ({}, [0], "give 2 numbers, one per layer of the encoder, from 0 to 3"),
        ({}, [0, 4], "give 2 numbers, one per layer of the encoder, from 0 to 3"),
        ({"hidden_size": 64}, [0, 1], "choose encoders of the same widths"),
        ({"intermediate_size": 64}, [0, 1], "choose encoders of the same widths"),
    ],
)
def test_what_does_not_fit_is_refused(source, layers, message):
    with pytest.raises(ModelError, match=message):
        inherit(make(2), make(4, **source), layers)


def test_a_vocabulary_may_be_smaller_than_the_table_of_positions():
    source = make(1, texts=["跑步"], seed=1, max_position_embeddings=512)
    model = make(1, texts=["步行"], max_position_embeddings=512)
    assert source.tokenizer.size < 512
    inherit(model, source, [0])
    words, theirs = (each.encoder.anatomy().words.weight for each in (model, source))
    assert torch.equal(words[pieces(model)["步"]], theirs[pieces(source)["步"]])
    positions = source.encoder.model.embeddings.position_embeddings.weight
    assert torch.equal(model.encoder.model.embeddings.position_embeddings.weight, positions)
