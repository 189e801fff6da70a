"""Small models of transformers, and what an exported package computes."""

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from goalkit.export import load_model
from goalkit.export.checks import program_inputs
from goalkit.tokenization import TokenBatch

SIZES = {
    "bert": {"hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 128},
    "roberta": {"hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 128},
    "electra": {"hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 128, "embedding_size": 32},
    "albert": {"hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 128, "embedding_size": 32},
    "distilbert": {"dim": 64, "n_heads": 4, "hidden_dim": 128},
    "mobilebert": {
        "hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 64,
        "intra_bottleneck_size": 32, "embedding_size": 32, "true_hidden_size": 32,
    },
}  # fmt: skip


LENGTHS = (3, 5, 9, 14, 20, 24)


def make(architecture, factory=AutoModelForSequenceClassification, **settings):
    layers = "n_layers" if architecture == "distilbert" else "num_hidden_layers"
    config = AutoConfig.for_model(architecture, vocab_size=200, num_labels=3, **{layers: 2}, **SIZES[architecture], **settings)
    torch.manual_seed(0)
    model = factory.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(3)  # random weights are so small that every text looks alike
    return model


def padded(batch, model):
    """The batch with the padding id that the model expects."""
    return TokenBatch(
        np.where(batch.attention_mask == 1, batch.input_ids, model.config.pad_token_id or 0), batch.attention_mask
    )


def run(path, batch):
    program = load_model(path)
    return program.predict_many(program_inputs(program, batch))
