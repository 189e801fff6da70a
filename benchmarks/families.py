"""Exports every sequence classifier of transformers, small and with random weights, and records the error or the refusal."""

from __future__ import annotations

import contextlib
import logging
import re
import resource
import signal
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from goalkit.backbones.probes import difference
from goalkit.errors import GoalkitError, reason_of

LENGTHS = (24, 17, 9, 4)
LABELS = 3
DEVIATION = 0.3
SECONDS, BYTES = 120, 16 * 2**30
"""Limits for one family: some cannot be made small with the settings below."""

SETTINGS: dict[str, Any] = {
    "vocab_size": 120,
    "num_labels": LABELS,
    **dict.fromkeys(("pad_token_id",), 0),
    **dict.fromkeys(("bos_token_id", "cls_token_id"), 2),
    **dict.fromkeys(("eos_token_id", "sep_token_id"), 3),
    **dict.fromkeys(("hidden_size", "d_model", "dim", "n_embd", "emb_dim", "embedding_size"), 32),
    **dict.fromkeys(("num_hidden_layers", "n_layers", "n_layer", "num_layers"), 2),
    **dict.fromkeys(("encoder_layers", "decoder_layers", "num_decoder_layers"), 2),
    **dict.fromkeys(("num_attention_heads", "n_heads", "n_head", "num_heads", "num_key_value_heads"), 2),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 2),
    **dict.fromkeys(("head_dim", "d_head", "d_kv"), 16),
    **dict.fromkeys(("intermediate_size", "hidden_dim", "ffn_dim", "d_ff", "d_inner", "n_inner"), 64),
    **dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim"), 64),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "max_seq_len"), 64),
}
"""Settings for a small configuration, under all the names that configuration classes use."""


def small(family: str) -> Any:
    """Return a small sequence classifier of a family, with random matrices of standard deviation 0.3."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    known = AutoConfig.for_model(family)
    wanted = {name: value for name, value in SETTINGS.items() if hasattr(known, name) or name in ("num_labels", "pad_token_id")}
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(AutoConfig.for_model(family, **wanted)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, DEVIATION)
    return model


def texts(model: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return token ids and mask, int [N, S], of random texts that are not used in the export."""
    generator = np.random.default_rng(0)
    ids = torch.from_numpy(generator.integers(5, 110, (len(LENGTHS), LENGTHS[0])))
    mask = (torch.arange(LENGTHS[0]) < torch.tensor(LENGTHS)[:, None]).long()
    ids[torch.arange(len(LENGTHS)), torch.tensor(LENGTHS) - 1] = 3
    return torch.where(mask == 1, ids, model.config.pad_token_id or 0), mask


def outcome(family: str) -> dict[str, Any]:
    """Return the outcome for one family in float32 and, if it is exported, the effect of rounding weights to half precision."""
    try:
        with time_limit(), torch.no_grad():
            model = small(family)
            ids, mask = texts(model)
            expected = torch.softmax(model(input_ids=ids, attention_mask=mask).logits, -1)
    except Exception as error:  # whatever the exception, the settings above do not suit the family
        return {"outcome": "not built", "reason": short(error)}
    try:
        found = executed(model, ids, mask, "float32")
    except GoalkitError as error:
        return {"outcome": "refused", "reason": short(error)}
    except Exception as error:
        return {"outcome": "raw error", "reason": f"{type(error).__name__}: {short(error)}"}
    error = float((found - expected).abs().max())
    result: dict[str, Any] = {"outcome": "exported" if error < 1e-4 else "wrong", "largest_error": float(f"{error:.2g}")}
    try:
        result["rounding"] = float(f"{difference(executed(model, ids, mask, 'float16'), expected):.2g}")
    except GoalkitError as error:
        result["rounding_refused"] = short(error)
    return result


def executed(model: Any, ids: torch.Tensor, mask: torch.Tensor, precision: str) -> torch.Tensor:
    """Return probabilities, float32 [N, labels], of a saved package: weights in this precision, operations in float32."""
    from goalkit.export import CoreMLExporter, load_model

    with tempfile.TemporaryDirectory() as folder, time_limit():
        exporter = CoreMLExporter(sequence_length=LENGTHS[0], precision=precision)
        program = load_model(exporter.export_package(model, Path(folder, "model.mlpackage")), precision="float32")
        inputs = {"input_ids": ids[:, None].int().numpy(), "attention_mask": mask[:, None].int().numpy()}
        return torch.from_numpy(program.predict_many(inputs)["label_probabilities"])


@contextlib.contextmanager
def time_limit() -> Iterator[None]:
    """Raise TimeoutError in a block that takes longer than `SECONDS`."""

    def late(number: int, frame: Any) -> None:
        raise TimeoutError(f"not within {SECONDS} seconds")

    previous = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def short(error: BaseException) -> str:
    """Return an error message as one line, short enough for a table, without memory addresses."""
    return re.sub(r"0x[0-9a-f]+", "0x…", reason_of(error))[:160]


def measure(data: Path | None) -> dict[str, Any]:
    """Try every family that transformers lists; `data` is not used."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES as NAMES

    logging.getLogger("transformers").setLevel(logging.ERROR)
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, resource.RLIM_INFINITY))
    found = {}
    for family in sorted(NAMES):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found[family] = outcome(family)
        print(family, found[family], flush=True)
    return {"families": found}


def table(found: dict[str, Any]) -> str:
    """Return the table of docs/families.md."""
    outcomes = Counter(each["outcome"] for each in found["families"].values())
    counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
    rounding = [each["rounding"] for each in found["families"].values() if "rounding" in each]
    lines = [
        f"{len(found['families'])} families: {counts}. Weights rounded to half precision change the probabilities of "
        f"{len(rounding)} of them by {min(rounding):.2g} to {max(rounding):.2g} of their spread, {np.median(rounding):.2g} in "
        "the median.",
        "",
        "| family | outcome | largest error, or the reason | rounded weights, or why refused |",
        "|---|---|---|---|",
    ]
    for family, each in found["families"].items():
        gap = f"{each['largest_error']:.1e}" if "largest_error" in each else _cell(each["reason"])
        half = f"{each['rounding']:.2g}" if "rounding" in each else _cell(each.get("rounding_refused", ""))
        lines.append(f"| {family} | {each['outcome']} | {gap} | {half} |")
    where = f"Measured on {found['date']}, {found['machine']}."
    return "\n".join([*lines, "", where, ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
