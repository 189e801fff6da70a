"""What a backbone is: the contract between goalkit and the encoders that plugins bring."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import attrs
from torch import Tensor, nn

from goalkit.backbones.anatomy import Anatomy, find_anatomy
from goalkit.backbones.probes import TRIED_LENGTH, made_up_texts
from goalkit.backbones.vocabulary import default_vocabulary
from goalkit.tokenization import WordPieceTokenizer

FEWEST_IDS = 8
"""Every vocabulary has the special tokens and a few pieces."""


class Encoder(nn.Module, ABC):
    """Tokens to hidden states, written so that `torch.jit.trace` sees only plain tensor operations."""

    hidden_size: int
    """H, the width of the hidden states."""
    max_length: int
    """The most tokens the encoder has positions for."""

    @abstractmethod
    def forward(self, input_ids: Tensor, attention_mask: Tensor, length: int) -> Tensor:
        """Encode a batch.

        Args:
            input_ids: int [N, S].
            attention_mask: float [N, S], 1 on tokens and 0 on padding.
            length: S as a Python number. Shapes read off a tensor become operations in a trace, which Core ML does
                not support well; use this instead.

        Returns:
            Hidden states, float [N, S, H]; or the embedding, float [N, H], of an encoder that pools itself.
        """

    def reference(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """What the exported graph is compared with: the same as `forward`, computed as the users of the model compute it.

        An encoder that wraps a third-party model calls that model in the simplest way, so that an error in the wrapper
        shows. By default this is `forward` itself.
        """
        states: Tensor = self(input_ids, attention_mask, input_ids.shape[1])
        return states

    def example_texts(self, length: int, texts: int) -> tuple[Tensor, Tensor]:
        """Texts on which the exported graph is compared: ids, int64 [N, S], and mask, float [N, S], of `texts` different ones.

        By default they are made of the first ids, which every vocabulary has.
        """
        return made_up_texts(FEWEST_IDS, length, texts)

    def anatomy(self) -> Anatomy:
        """Which of its modules are its embeddings, its layers and its last normalisation, found by running it once.

        Raises:
            ModelError: the encoder's layers are not the items of one `torch.nn.ModuleList`.
        """
        device = next(self.parameters()).device
        ids, mask = (each.to(device) for each in self.example_texts(min(TRIED_LENGTH, self.max_length), 2))
        return find_anatomy(self, ids, mask, self.hidden_size)


@attrs.frozen
class Checkpoint:
    """A pre-trained encoder: its configuration, the encoder with its weights, and the tokenizer it was trained with."""

    configuration: Mapping[str, Any]
    encoder: Encoder
    tokenizer: WordPieceTokenizer
    pooling: str | None = None
    """The pooling that the encoder was trained with; None for the backbone's own."""


class Backbone(ABC):
    """One kind of encoder, found by name through the entry-point group `goalkit.backbones`.

    A plugin subclasses this, and declares the subclass in its package's entry points:

        [options.entry_points]
        goalkit.backbones =
            my-encoder = my_package.my_module:MyBackbone

    `goalkit.testing.check_backbone` tests it.
    """

    name: ClassVar[str]
    """The name of the entry point."""
    summary: ClassVar[str] = ""
    """One line for `goalkit backbones`."""
    pooling: ClassVar[str] = "mean"
    """How hidden states become one embedding unless the user says otherwise; see goalkit.classifier.Classifier."""

    def vocabulary(self) -> Sequence[str]:
        """The pieces a fresh encoder knows; by default the Chinese vocabulary that ships with goalkit."""
        return default_vocabulary()

    def pretrained(self) -> Path | None:
        """Return the folder of pre-trained weights that come with the backbone, as `GoalModel.save` wrote it; None by default.

        New models start from them where widths agree.
        """
        return None

    @abstractmethod
    def configuration(self, vocabulary_size: int, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """All numbers that define an encoder, as JSON-ready data; it is saved with the model.

        Raises:
            ConfigurationError: an override that this backbone does not know; the message lists those it knows.
        """

    @abstractmethod
    def encoder(self, configuration: Mapping[str, Any]) -> Encoder:
        """An encoder of that configuration with random weights, drawn from torch's current random state."""

    @abstractmethod
    def load_checkpoint(self, source: str | Path) -> Checkpoint:
        """Pre-trained weights from a folder or a hub name.

        Raises:
            ModelError: nothing usable is there.
        """
