"""`check_backbone`: checks one rule after another, and reports all that are broken at once."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import torch

from goalkit.backbones import find_backbone
from goalkit.errors import BackboneContractError, GoalkitError, MissingPackageError, reason_of
from goalkit.testing import encoder_rules, model_rules
from goalkit.testing.trial import Trial, UncheckedError

logger = logging.getLogger(__name__)


@attrs.frozen
class Rule:
    """A rule of the contract.

    Args:
        name: what errors call it.
        find: says what breaks the rule and what to do, or None; its docstring is the rule.
        needs: names of the rules without which this one cannot be checked.
    """

    name: str
    find: Callable[[Trial], str | None]
    needs: tuple[str, ...] = ()

    @property
    def statement(self) -> str:
        """What a backbone must do, in one sentence."""
        return (self.find.__doc__ or "").partition("\n")[0]


RULES = (
    Rule("name", encoder_rules.name),
    Rule("vocabulary", encoder_rules.vocabulary),
    Rule("configuration", encoder_rules.configuration, ("vocabulary",)),
    Rule("checkpoints", model_rules.checkpoints),
    Rule("encoder", encoder_rules.encoder, ("configuration",)),
    Rule("seed", encoder_rules.seed, ("encoder",)),
    Rule("states", encoder_rules.states, ("encoder",)),
    Rule("table", encoder_rules.table, ("states",)),
    Rule("repetition", encoder_rules.repetition, ("states",)),
    Rule("texts", encoder_rules.texts, ("repetition",)),
    Rule("padding", encoder_rules.padding, ("repetition",)),
    Rule("batch", encoder_rules.batch, ("repetition",)),
    Rule("reference", encoder_rules.reference, ("repetition",)),
    Rule("anatomy", encoder_rules.anatomy, ("states",)),
    Rule("gradients", encoder_rules.gradients, ("states",)),
    Rule("pretrained", model_rules.pretrained, ("name", "anatomy", "repetition")),
    Rule("saving", model_rules.saving, ("name", "table", "repetition")),
    Rule("tracing", model_rules.tracing, ("name", "batch", "reference")),
    Rule("float32 export", model_rules.float32_export, ("tracing",)),
    Rule("float16 export", model_rules.float16_export, ("float32 export",)),
    Rule("compression", model_rules.compression, ("saving",)),
    Rule("compressed export", model_rules.compressed_export, ("compression", "float16 export")),
)
"""The rules that every backbone must keep, in the order in which they are checked."""


@attrs.frozen
class BackboneCheck:
    """The outcome of a check that found no broken rule.

    Args:
        kept: names of the rules that were checked.
        unchecked: names of the others, each with the reason.
    """

    kept: tuple[str, ...]
    unchecked: dict[str, str]


def check_backbone(name: str, *, encoder: Mapping[str, Any] | None = None) -> BackboneCheck:
    """Check that an installed backbone keeps all `RULES`; docs/backbones.md explains them.

    Plugin authors call it in a test of their own:

        def test_my_backbone():
            check_backbone("my-encoder", encoder={"hidden_size": 32, "num_hidden_layers": 2})

    It takes seconds if the encoder is small. A rule is not checked if it depends on one that is broken. The rules about Core ML
    are not checked where coremltools is not installed, such as on Windows; a warning is logged. The random state of torch is
    left as it was.

    Args:
        name: name of the backbone's entry point.
        encoder: settings that make a small encoder, such as few layers; with at least one linear layer or table of 2,048
            weights, as smaller ones are not compressed.

    Returns:
        The rules that the backbone keeps, and those that could not be checked.

    Raises:
        BackboneContractError: a rule is broken. It lists all that are, each with what was found and what to do.
        BackboneError: the backbone is unknown, or its package cannot be imported.
        MissingPackageError: the backbone needs a package that is not installed.
    """
    kept: list[str] = []
    broken: dict[str, str] = {}
    unchecked: dict[str, str] = {}
    causes: list[Exception] = []
    with tempfile.TemporaryDirectory() as folder, torch.random.fork_rng(devices=[]):
        trial = Trial(name, find_backbone(name), dict(encoder or {}), Path(folder))
        for rule in RULES:
            if lacking := [each for each in rule.needs if each not in kept]:
                unchecked[rule.name] = unchecked.get(lacking[0], f"it depends on the rule {lacking[0]!r}, which is broken")
                continue
            try:
                finding = rule.find(trial)
            except UncheckedError as error:
                unchecked[rule.name] = str(error)
                continue
            except MissingPackageError as error:
                if error.package != "coremltools":
                    raise
                logger.warning("the rule %r of backbone %r is not checked: %s", rule.name, name, error)
                unchecked[rule.name] = str(error)
                continue
            except Exception as error:  # a plugin may raise exceptions of any kind
                finding = str(error) if isinstance(error, GoalkitError) else _unexpected(error, rule)
                causes.append(error)
            if finding is None:
                kept.append(rule.name)
            else:
                broken[rule.name] = finding
    if broken:
        raised = ExceptionGroup("raised while rules were checked", causes) if causes else None
        raise BackboneContractError(name, broken, tuple(unchecked)) from raised
    return BackboneCheck(tuple(kept), unchecked)


def _unexpected(error: Exception, rule: Rule) -> str:
    return f"fails with {type(error).__name__}: {reason_of(error)}; it must keep the rule: {rule.statement}"
