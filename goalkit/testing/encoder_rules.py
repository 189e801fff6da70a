"""Rules of a backbone's declaration and of its encoder, up to its gradients.

Each function is a rule of `goalkit.testing.RULES`: its docstring says what a backbone must do, and it returns what breaks the
rule and what to do about it, or None.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import ExitStack
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from goalkit.backbones import Encoder
from goalkit.backbones.contract import FEWEST_IDS
from goalkit.backbones.probes import SAME, difference
from goalkit.errors import ConfigurationError
from goalkit.testing.trial import Trial
from goalkit.tokenization import WordPieceTokenizer

UNKNOWN = "no_such_setting"
"""A setting that no backbone has."""

SHORTEST = 3
"""Tokens of the shortest text that a tokenizer makes: [CLS], a piece and [SEP]."""

POOLINGS = ("mean", "cls")


def name(trial: Trial) -> str | None:
    """`name` is the name of the entry point, and `pooling` is "mean" or "cls"."""
    found, pooling = getattr(trial.backbone, "name", None), trial.backbone.pooling
    if found != trial.name:
        return f"name is {found!r}: set it to {trial.name!r}, as in the entry point"
    return None if pooling in POOLINGS else f"pooling is {pooling!r}: set it to 'mean' or 'cls'"


def vocabulary(trial: Trial) -> str | None:
    """`vocabulary` gives the same pieces each time: BERT's special tokens and others, each once."""
    pieces = tuple(trial.backbone.vocabulary())
    WordPieceTokenizer(pieces)
    if len(pieces) < FEWEST_IDS:
        return f"there are {len(pieces)} pieces: give at least {FEWEST_IDS}, as example texts are made of the first ones"
    return None if pieces == tuple(trial.backbone.vocabulary()) else "a second call gives other pieces: fix their order"


def configuration(trial: Trial) -> str | None:
    """`configuration` gives JSON-ready data, which holds the size of the vocabulary, and refuses unknown settings."""
    found, size = trial.configuration, len(trial.backbone.vocabulary())
    try:
        restored = json.loads(json.dumps(found, allow_nan=False))
    except (TypeError, ValueError) as error:
        return f"it is not JSON-ready ({error}): use strings, finite numbers, lists and dictionaries"
    if restored != found:
        changed = next(key for key in found if restored.get(key) != found[key])
        return f"JSON turns {changed} from {found[changed]!r} into {restored.get(changed)!r}: use lists, and strings as keys"
    if found != trial.backbone.configuration(size, trial.overrides):
        return "a second call gives other settings: compute them from the arguments alone"
    if found == trial.backbone.configuration(2 * size, trial.overrides):
        return "it is the same for a vocabulary twice as large: include vocabulary_size, which the encoder's table depends on"
    try:
        trial.backbone.configuration(size, {**trial.overrides, UNKNOWN: 1})
    except ConfigurationError as error:
        missing = [key for key in trial.overrides if key not in str(error)]
        return f"the error about an unknown setting does not list {missing[0]}: list all settings" if missing else None
    except Exception as error:  # a plugin may raise exceptions of any kind
        return f"an unknown setting raises {type(error).__name__}: raise ConfigurationError, with a list of the known ones"
    return f"it accepts the unknown setting {UNKNOWN!r}: raise ConfigurationError, with a list of the known ones"


def encoder(trial: Trial) -> str | None:
    """`encoder` makes of a configuration, which it does not change, an `Encoder` in float32 with its two sizes."""
    given = json.loads(json.dumps(trial.configuration))
    built: Any = trial.encoder
    if trial.configuration != given:
        return "building an encoder changes the configuration, which is saved with the model: work on a copy"
    if not isinstance(built, Encoder):
        return f"it is of {type(built).__name__}: return a subclass of goalkit.backbones.Encoder"
    width, longest = (getattr(built, each, None) for each in ("hidden_size", "max_length"))
    if not isinstance(width, int) or width < 1 or not isinstance(longest, int) or longest < SHORTEST:
        return f"hidden_size is {width!r}, max_length {longest!r}: set them to whole numbers, from 1 and from {SHORTEST}"
    for key, parameter in built.named_parameters():
        if parameter.dtype != torch.float32 or parameter.device.type != "cpu":
            return f"{key} is {parameter.dtype} on {parameter.device}: build the encoder in float32 on the CPU"
    return None if any(True for _ in built.parameters()) else "it has no parameters: register them, in torch.nn modules"


def seed(trial: Trial) -> str | None:
    """The seed of torch decides the weights: the same one gives the same weights, another one others."""
    first, again, other = (trial.build(seed).state_dict() for seed in (1, 1, 2))
    if first.keys() != again.keys():
        return "two encoders of one configuration have other parameters: build them from the configuration alone"
    for key, weight in first.items():
        if not torch.equal(weight, again[key]):
            return f"{key} is not the same with the same seed: draw it from torch's own random numbers, without a generator"
    if all(torch.equal(weight, other[key]) for key, weight in first.items()):
        return "other seeds give the same weights: draw them from torch's random numbers, and do not set the seed"
    return None


def states(trial: Trial) -> str | None:
    """`forward` gives hidden states, finite and float32 [N, S, H], for texts of 1 to `max_length` tokens, int32 or int64."""
    built = trial.encoder
    for length in sorted({1, 2, SHORTEST, trial.length, built.max_length}):
        ids, mask = built.example_texts(length, 2)
        for found in (trial.states(ids, mask), trial.states(ids.to(torch.int32), mask)):
            if list(found.shape) != (expected := [2, length, built.hidden_size]) or found.dtype != torch.float32:
                return f"texts of {length} tokens give {found.dtype} {list(found.shape)}: return float32 {expected}"
            if not torch.isfinite(found).all():
                return f"texts of {length} tokens give NaN or infinity: look for them in the weights, and mask with -1e30"
    return None


def table(trial: Trial) -> str | None:
    """The encoder has a row for each piece of the vocabulary."""
    last = len(trial.backbone.vocabulary()) - 1
    try:
        trial.states(torch.full((1, SHORTEST), last), torch.ones(1, SHORTEST))
    except Exception as error:
        return f"the piece with the highest id, {last}, fails ({error.__cause__}): make a table of vocabulary_size rows"
    return None


def repetition(trial: Trial) -> str | None:
    """In evaluation mode, the same texts give the same numbers each time."""
    if torch.equal(trial.states(*trial.texts), trial.states(*trial.texts)):
        return None
    return "a second run gives other numbers: use torch.nn.Dropout, which eval() turns off, and draw no random numbers"


def texts(trial: Trial) -> str | None:
    """Different texts give different hidden states."""
    ids, mask = (each[:, :2] for each in trial.texts)
    found = trial.states(ids, mask)
    gap = min(difference(one, other) for row, one in enumerate(found) for other in found[:row])
    return None if gap > SAME else f"hidden states of different texts differ by {gap:.2g} times their spread: read input_ids"


def padding(trial: Trial) -> str | None:
    """Padding does not change the hidden states of a text's tokens."""
    ids, mask = trial.texts
    padded = [(row, used) for row, used in enumerate(mask.sum(1).int().tolist()) if used < trial.length]
    if not padded:
        return "example_texts gives no padded text: give texts of different lengths"
    gaps = []
    for row, used in padded:
        alone = trial.states(ids[row : row + 1, :used], mask[row : row + 1, :used])
        gaps.append(difference(trial.states(ids[row : row + 1], mask[row : row + 1])[:, :used], alone))
    return _changed(
        max(gaps), "padding", "add -1e30 to the attention scores of padding, and leave it out of means and convolutions"
    )


def batch(trial: Trial) -> str | None:
    """Other texts of a batch do not change the hidden states of a text."""
    ids, mask = trial.texts
    found = trial.states(ids, mask)
    rows = [slice(row, row + 1) for row in range(len(ids))]
    gap = max(difference(found[row], trial.states(ids[row], mask[row]), mask[row]) for row in rows)
    return _changed(gap, "the rest of the batch", "compute nothing across the first dimension")


def reference(trial: Trial) -> str | None:
    """`reference` gives the same hidden states as `forward`."""
    ids, mask = trial.texts
    with torch.no_grad():
        gap = difference(trial.states(ids, mask), trial.encoder.reference(ids, mask), mask)
    if gap <= SAME:
        return None
    return f"they differ by {gap:.2g} times their spread: correct forward, which is exported, or reference"


def anatomy(trial: Trial) -> str | None:
    """`anatomy` has the layers in the order in which they run, and each parameter in exactly one part."""
    found, built = trial.encoder.anatomy(), trial.encoder
    parts = [*found.embeddings, *found.layers, *found.after]
    names: dict[nn.Module, str] = {module: name for name, module in built.named_modules()}
    if strangers := [type(part).__name__ for part in parts if part not in names]:
        return f"{strangers[0]} is not in the encoder: list modules of this very encoder"
    counts = Counter(id(parameter) for part in parts for parameter in part.parameters())
    for key, parameter in built.named_parameters():
        if counts[id(parameter)] != 1:
            places = "no part" if not counts[id(parameter)] else f"{counts[id(parameter)]} parts"
            return (
                f"{key} is in {places}: keep parameters in modules of their own, or override Encoder.anatomy to list each once"
            )
    depths = dict.fromkeys(found.embeddings, 0) | {layer: depth for depth, layer in enumerate(found.layers, 1)}
    depths |= dict.fromkeys(found.after, len(found.layers) + 1)
    called = _calls(trial, depths)
    if idle := [names[layer] for layer in found.layers if layer not in called]:
        return f"the layer {idle[0]} does not run: list layers that do"
    for one, other in pairwise(called):
        if depths[one] > depths[other]:
            return f"{names[one]} runs before {names[other]}, but comes after it: list parts in the order in which they run"
    return None


def gradients(trial: Trial) -> str | None:
    """In training mode, gradients reach every trainable parameter, and are finite."""
    trained, (ids, mask) = trial.build().train(), trial.texts
    trainable = {key: parameter for key, parameter in trained.named_parameters() if parameter.requires_grad}
    found = trained(ids, mask, trial.length)
    if found.requires_grad:
        (found * mask[:, :, None]).square().mean().backward()
    for key, parameter in trainable.items():
        if parameter.grad is None:
            return f"none reaches {key}: use it in forward, without detach() or no_grad(), or leave it out of the encoder"
        if not torch.isfinite(parameter.grad).all():
            return f"that of {key} is NaN or infinite: look for square roots, logarithms and divisions at 0 in forward"
    return None if trainable else "no parameter is trainable: leave requires_grad as it is"


def _changed(gap: float, what: str, remedy: str) -> str | None:
    return None if gap <= SAME else f"{what} changes them by {gap:.2g} times their spread: {remedy}"


def _calls(trial: Trial, modules: dict[nn.Module, int]) -> list[nn.Module]:
    """Return those modules that run, in the order in which they are first called."""
    called: list[nn.Module] = []

    def enter(module: nn.Module, arguments: Any) -> None:
        if module not in called:
            called.append(module)

    with ExitStack() as hooks:
        for module in modules:
            hooks.callback(module.register_forward_pre_hook(enter).remove)
        trial.states(*trial.texts)
    return called
