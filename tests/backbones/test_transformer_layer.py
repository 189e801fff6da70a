"""Which encoders can do with fewer heads and feed-forward columns."""

import pytest
import torch
from transformers import AutoConfig, AutoModel

from goalkit.backbones.huggingface_encoder import HuggingFaceEncoder
from goalkit.backbones.transformer_layer import narrow_layers, transformer_layers
from goalkit.errors import ConfigurationError

BERT = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 40, "vocab_size": 99}
DISTILBERT = {"dim": 48, "n_layers": 2, "n_heads": 3, "hidden_dim": 40, "vocab_size": 99}
MOBILEBERT = {**BERT, "embedding_size": 16, "intra_bottleneck_size": 24}
HEADS, COLUMNS = [torch.tensor([0, 2]), torch.tensor([1])], [torch.arange(3, 30), torch.arange(40)]


def encoder_of(architecture, settings):
    torch.manual_seed(0)
    return HuggingFaceEncoder(AutoModel.from_config(AutoConfig.for_model(architecture, **settings))).eval()


@pytest.mark.parametrize(
    ("architecture", "settings"),
    [("bert", BERT), ("roberta", BERT), ("electra", {**BERT, "embedding_size": 16}), ("distilbert", DISTILBERT)],
)
def test_layers_are_narrowed_whatever_their_parts_are_called(architecture, settings):
    encoder = encoder_of(architecture, settings)
    value, output = transformer_layers(encoder)[1].value.weight.detach(), transformer_layers(encoder)[0].output.weight.detach()
    narrow_layers(encoder, HEADS, COLUMNS)
    first, second = transformer_layers(encoder)
    assert (first.heads, first.columns, second.heads, second.columns) == (2, 27, 1, 40)
    torch.testing.assert_close(second.value.weight, value[16:32], rtol=0, atol=0)
    torch.testing.assert_close(first.output.weight, output[:, 3:30], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("architecture", "settings", "message"),
    [
        ("mobilebert", MOBILEBERT, "columns of MobileBertLayer cannot be left out: only those of layers that consist of"),
        ("albert", {**BERT, "embedding_size": 16}, "columns of AlbertLayerGroup cannot be left out"),
        ("mpnet", BERT, "the encoder relies on its numbers of heads and feed-forward columns: leave none of them out"),
    ],
)
def test_other_encoders_are_refused(architecture, settings, message):
    with pytest.raises(ConfigurationError, match=message):
        narrow_layers(encoder_of(architecture, settings), HEADS, COLUMNS)
