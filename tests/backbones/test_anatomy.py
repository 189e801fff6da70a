import pytest
import torch
from torch import nn

from goalkit import GoalModel, Splits, Trainer
from goalkit.backbones import Encoder, default_vocabulary
from goalkit.backbones.anatomy import attention_of
from goalkit.backbones.huggingface_encoder import HuggingFaceEncoder
from goalkit.errors import ModelError
from goalkit.evaluation import profile
from goalkit.model import ModelConfiguration
from goalkit.tokenization import WordPieceTokenizer

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "vocab_size": 99,
    "max_position_embeddings": 64,
}
DISTILBERT = {"dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 48, "vocab_size": 99, "max_position_embeddings": 64}
GPT2 = {"n_embd": 32, "n_layer": 3, "n_head": 4, "vocab_size": 99, "n_positions": 64, "bos_token_id": 1, "eos_token_id": 2}
SPECIAL = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2}


def encoder_of(architecture, **settings):
    from transformers import AutoConfig, AutoModel

    return HuggingFaceEncoder(AutoModel.from_config(AutoConfig.for_model(architecture, **settings)))


def names_of(encoder, modules):
    names = {module: name for name, module in encoder.named_modules()}
    return [names[module].removeprefix("model.") for module in modules]


@pytest.mark.parametrize(
    ("architecture", "settings", "embeddings", "layers", "attention"),
    [
        ("bert", SIZES, ["embeddings"], ["encoder.layer.0", "encoder.layer.1", "encoder.layer.2"], "attention"),
        (
            "mobilebert",
            {**SIZES, "embedding_size": 16, "intra_bottleneck_size": 16},
            ["embeddings"],
            ["encoder.layer.0", "encoder.layer.1", "encoder.layer.2"],
            "attention",
        ),
        ("distilbert", DISTILBERT, ["embeddings"], [f"transformer.layer.{each}" for each in range(3)], "attention"),
        (
            "roformer",
            SIZES,
            ["embeddings", "encoder.embed_positions"],
            [f"encoder.layer.{each}" for each in range(3)],
            "attention",
        ),
        (
            "albert",
            {**SIZES, "embedding_size": 16},
            ["embeddings", "encoder.embedding_hidden_mapping_in"],
            ["encoder.albert_layer_groups.0"],
            "albert_layers.0.attention",
        ),
        (
            "deberta-v2",
            {**SIZES, "relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
            ["embeddings", "encoder.rel_embeddings"],
            ["encoder.layer.0", "encoder.layer.1", "encoder.layer.2"],
            "attention",
        ),
        ("modernbert", {**SIZES, **SPECIAL}, ["embeddings", "rotary_emb"], ["layers.0", "layers.1", "layers.2"], "attn"),
        ("gpt2", GPT2, ["wte", "wpe", "drop"], ["h.0", "h.1", "h.2"], "attn"),
    ],
)
def test_parts_are_found_whatever_they_are_called(architecture, settings, embeddings, layers, attention):
    encoder = encoder_of(architecture, **settings)
    anatomy = encoder.anatomy()
    assert names_of(encoder, anatomy.embeddings) == embeddings
    assert names_of(encoder, anatomy.layers) == layers
    assert names_of(encoder, map(attention_of, anatomy.layers)) == [f"{layer}.{attention}" for layer in layers]


def test_the_last_normalization_is_the_last_to_run():
    gpt2 = encoder_of("gpt2", **GPT2)
    assert names_of(gpt2, [gpt2.anatomy().last_normalization]) == ["ln_f"]
    albert = encoder_of("albert", **SIZES, embedding_size=16)
    assert names_of(albert, [albert.anatomy().last_normalization])[0].endswith("full_layer_layer_norm")


class Stack(Encoder):
    """An encoder of somebody else, that defines its parts in another order than they run in."""

    def __init__(self):
        super().__init__()
        self.hidden_size, self.max_length = 8, 16
        self.final = nn.LayerNorm(8)
        self.stages = nn.ModuleList(nn.Linear(8, 8) for _ in range(3))
        self.mixer = nn.Linear(8, 8)
        self.table = nn.Embedding(20, 8)

    def forward(self, input_ids, attention_mask, length):
        states = self.mixer(self.table(input_ids))
        for stage in self.stages:
            states = stage(states)
        return self.final(states)


def test_an_encoder_of_somebody_else_has_its_anatomy_without_writing_it():
    encoder = Stack()
    anatomy = encoder.anatomy()
    assert set(anatomy.embeddings) == {encoder.table, encoder.mixer}
    assert anatomy.layers == tuple(encoder.stages)
    assert anatomy.after == (encoder.final,)
    assert anatomy.last_normalization is encoder.final
    depths = anatomy.depths(encoder)
    assert [depths[f"{name}.weight"] for name in ("table", "mixer", "stages.0", "stages.2", "final")] == [0, 0, 1, 3, 4]


def test_finding_the_parts_leaves_the_encoder_as_it_was():
    encoder = encoder_of("bert", **SIZES).train()
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    encoder.anatomy()
    assert torch.equal(torch.rand(1), expected)
    assert encoder.training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in encoder.modules())


def test_layers_that_no_module_holds_whole_are_refused():
    class Split(Stack):
        def __init__(self):
            super().__init__()
            self.between = nn.Linear(8, 8)

        def forward(self, input_ids, attention_mask, length):
            states = self.table(input_ids)
            for stage in self.stages:
                states = self.between(stage(states))
            return states

    with pytest.raises(ModelError, match="Linear runs between the layers of Split and is in none of them: override"):
        Split().anatomy()


def model_of(architecture, splits, **settings):
    tokenizer = WordPieceTokenizer(tuple(default_vocabulary()))
    encoder = encoder_of(architecture, **{**settings, "vocab_size": tokenizer.size})
    configuration = ModelConfiguration(backbone=architecture, encoder={}, tasks=splits.train.tasks, pooling="mean")
    return GoalModel(configuration, encoder, tokenizer)


@pytest.mark.parametrize(
    ("architecture", "settings", "frozen", "learning"),
    [
        ("distilbert", DISTILBERT, 2, {"encoder.model.transformer.layer.2"}),
        ("albert", {**SIZES, "embedding_size": 16}, 1, set()),
    ],
)
def test_frozen_layers_are_those_of_the_architecture(splits, architecture, settings, frozen, learning):
    model = model_of(architecture, splits, **settings)
    few = Splits(splits.validation, splits.validation, splits.test)
    trained = Trainer(epochs=1, frozen_layers=frozen, calibrate=False).fit(model, few, progress=False).model
    before = model.state_dict()
    changed = [name for name, tensor in trained.state_dict().items() if not torch.equal(tensor, before[name])]
    assert {".".join(name.split(".")[:5]) for name in changed if name.startswith("encoder.")} == learning
    assert any(name.startswith("head") for name in changed)


@pytest.mark.parametrize(
    ("architecture", "settings", "layers"),
    [("distilbert", DISTILBERT, 3), ("albert", {**SIZES, "embedding_size": 16}, 1)],
)
def test_a_profile_has_the_parts_of_the_architecture(splits, architecture, settings, layers):
    found = profile(model_of(architecture, splits, **settings), ["跑步五公里"], repeats=2)
    parts = {part.name for part in found.parts}
    assert {"embeddings", *(f"layer {number}" for number in range(1, layers + 1)), "pooling and heads"} <= parts
    assert f"layer {layers + 1}" not in parts
    shares = {kind.name: kind.share for kind in found.kinds}
    assert min(shares["attention"], shares["feed-forward"], shares["embeddings"]) > 0
