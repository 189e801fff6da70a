"""A smaller model made of parts of another one: some of its layers, or some of its pieces."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import torch

from goalkit.backbones import MULTIPLE, find_backbone, inherit_weights
from goalkit.errors import ModelError
from goalkit.model import GoalModel
from goalkit.tokenization import WordPieceTokenizer
from goalkit.weights import CompressedLayers, layer_shapes, quantised_inputs


def student_of(
    teacher: GoalModel, layers: Sequence[int] | None = None, *, tokenizer: WordPieceTokenizer | None = None
) -> GoalModel:
    """Return a model made of layers of another one, with its embeddings, its last normalisation and its heads.

    Args:
        teacher: a model whose backbone has the setting `num_hidden_layers`, not compressed; its layers may be narrower than
            the backbone builds them.
        layers: numbers of its layers, from 0, in the order in which they are to run; by default all.
        tokenizer: another one, all of whose pieces the teacher's tokenizer has; the table then has these rows alone, and zeros
            up to a multiple of 32.

    Raises:
        ConfigurationError: the backbone has no such setting.
        ModelError: there is no such layer, or the teacher is compressed.
    """
    if any(quantised_inputs(teacher)):
        raise ModelError("the inputs of the teacher's layers are quantised: make the student first, and quantise its own")
    found = find_backbone(teacher.configuration.backbone)
    given = {key: value for key, value in teacher.configuration.encoder.items() if key not in ("vocab_size", "model_type")}
    chosen = range(len(teacher.encoder.anatomy().layers)) if layers is None else layers
    if layers is not None:
        given["num_hidden_layers"] = len(layers)
    rows = int(teacher.configuration.encoder["vocab_size"])
    pieces = source = {str(row): row for row in range(rows)}
    if tokenizer is not None:
        pieces, source, rows = tokenizer.ids, teacher.tokenizer.ids, -(-tokenizer.size // MULTIPLE) * MULTIPLE
        given |= {"pad_token_id": tokenizer.padding_id} if "pad_token_id" in given else {}
    tokenizer = tokenizer or teacher.tokenizer
    settings = found.configuration(rows, given)
    configuration = attrs.evolve(teacher.configuration, encoder=settings, tokenizer=tokenizer.settings)
    with torch.random.fork_rng(devices=[]):
        student = GoalModel(configuration, found.encoder(settings), tokenizer)
    words = student.encoder.anatomy().words
    if words is not None:
        torch.nn.init.zeros_(words.weight)
    _take_over_widths(student, teacher, chosen)
    inherit_weights(student.encoder, pieces, teacher.encoder, source, chosen)
    student.head_layers.load_state_dict(teacher.head_layers.state_dict())
    return student


def _take_over_widths(student: GoalModel, teacher: GoalModel, chosen: Sequence[int]) -> None:
    """Give each layer of the student the shapes of the teacher's layer, which may be narrower than the backbone builds it."""
    theirs = dict(enumerate(teacher.encoder.anatomy().layers))
    for layer, number in zip(student.encoder.anatomy().layers, chosen, strict=False):
        if number in theirs:
            changed = CompressedLayers.of(theirs[number], layer_shapes(layer))
            CompressedLayers(shapes=changed.shapes).prepare(layer, source="the teacher")
