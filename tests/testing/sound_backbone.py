"""A backbone as a third party would write one, without transformers: it keeps all rules, and tests break one in a subclass."""

import torch
from torch import nn

from goalkit.backbones import Backbone, Encoder
from goalkit.errors import ConfigurationError, ModelError
from goalkit.tokenization import SPECIAL_TOKENS

DEFAULTS = {"width": 32, "layers": 2, "positions": 16}


class Mixing(nn.Module):
    """Adds to each token something of itself, and something of the mean of all."""

    def __init__(self, width):
        super().__init__()
        self.own, self.all = nn.Linear(width, 64), nn.Linear(width, 64)
        self.output = nn.Linear(64, width)

    def forward(self, states, mask):
        weights = mask.unsqueeze(-1)
        mean = (states * weights).sum(1, keepdim=True) / weights.sum(1, keepdim=True)
        return states + self.output(torch.tanh(self.own(states) + self.all(mean)))


class SoundEncoder(Encoder):
    def __init__(self, rows, width, layers, positions):
        super().__init__()
        self.hidden_size, self.max_length = width, positions
        self.words, self.positions = nn.Embedding(rows, width), nn.Embedding(positions, width)
        self.layers = nn.ModuleList(Mixing(width) for _ in range(layers))
        self.norm = nn.LayerNorm(width, eps=1e-7)

    def forward(self, input_ids, attention_mask, length):
        states = self.words(input_ids) + self.positions(torch.arange(length))
        for layer in self.layers:
            states = layer(states, attention_mask)
        return self.norm(states)


class SoundBackbone(Backbone):
    made = SoundEncoder

    def vocabulary(self):
        return (*SPECIAL_TOKENS, *"日天每周月年跑步读书背单词练字早睡写作业运动学习工生活", *"0123456789")

    def configuration(self, vocabulary_size, overrides):
        if unknown := set(overrides) - set(DEFAULTS):
            raise ConfigurationError(f"there is no setting {', '.join(sorted(unknown))}; there are {', '.join(DEFAULTS)}")
        return {"rows": vocabulary_size, **DEFAULTS, **overrides}

    def encoder(self, configuration):
        return self.made(**configuration)

    def load_checkpoint(self, source):
        raise ModelError(f"no checkpoint can be read from {source}: train from random weights")
