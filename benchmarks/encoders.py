"""Full-size encoders: exported, saved, reloaded and executed, compared with torch eager.

Weights are random, since no published ones could be downloaded, so this measures how exact and how fast export and runtime
are, and says nothing about accuracy. Each case runs in its own process, whose peak memory is that of the export.
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

LENGTH, TEXTS, RUNS = 64, 32, 20

ENCODERS: dict[str, dict[str, Any]] = {
    "bert": {"vocab_size": 21128},
    "roberta": {},
    "albert": {"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072},
    "electra": {},
    "distilbert": {},
    "mobilebert": {},
}
FORMS = {"FP32": ("float32", None), "FP16": ("float16", None), "INT8": ("float16", 8), "4-bit": ("float16", 4)}
"""Precision of the operations, and bits per weight if compressed: 8-bit integers, or indices into a table."""


def measure(data: Path | None) -> dict[str, Any]:
    """Measure every encoder in every form."""
    cases = []
    for architecture in ENCODERS:
        for form in FORMS:
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.encoders", architecture, form], check=True, capture_output=True, text=True
            )
            cases.append(json.loads(done.stdout.splitlines()[-1]))
            print(cases[-1], flush=True)
    return {"length": LENGTH, "texts": TEXTS, "runs": RUNS, "cases": cases}


def case(architecture: str, form: str) -> dict[str, Any]:
    """Measure one encoder in one form."""
    import numpy as np
    import torch
    from transformers import AutoConfig, AutoModel

    from goalkit.backbones import default_vocabulary
    from goalkit.classifier import Classifier
    from goalkit.compress.palettisation import palettise_weights
    from goalkit.compress.quantisation import quantise_weights
    from goalkit.export import CoreMLExporter, load_model
    from goalkit.export.checks import program_inputs
    from goalkit.export.texts import golden_texts
    from goalkit.tokenization import TokenBatch, WordPieceTokenizer

    precision, bits = FORMS[form]
    torch.manual_seed(0)
    config = AutoConfig.for_model(architecture, **ENCODERS[architecture])
    original = Classifier.from_transformers(AutoModel.from_config(config).eval())
    model = original.copy()
    if bits == 8:
        quantise_weights(model)
    elif bits is not None:
        palettise_weights(model, bits)
    batch = WordPieceTokenizer(default_vocabulary()).encode(golden_texts()[:TEXTS], LENGTH)
    ids, mask = torch.from_numpy(batch.input_ids), torch.from_numpy(batch.attention_mask)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        exporter = CoreMLExporter(sequence_length=LENGTH, precision=precision)
        package = exporter.export_package(model, Path(folder) / "model.mlpackage")
        seconds, memory = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        program = load_model(package)
        size = sum(file.stat().st_size for file in package.rglob("*") if file.is_file())
    found = program.predict_many(program_inputs(program, batch), batch_size=8)["embedding"]
    with torch.inference_mode():
        exported, reference = (each.embedding(ids, mask, LENGTH).numpy() for each in (model, original))
        timed: dict[str, list[float]] = {"eager": [], "runtime": []}
        one = program_inputs(program, TokenBatch(batch.input_ids[:1], batch.attention_mask[:1]))
        for _ in range(RUNS):
            start = time.perf_counter()
            original.embedding(ids[:1], mask[:1], LENGTH)
            timed["eager"].append(time.perf_counter() - start)
            start = time.perf_counter()
            program.predict_many(one)
            timed["runtime"].append(time.perf_counter() - start)
    milliseconds = {name: 1000 * statistics.median(each) for name, each in timed.items()}

    def psnr(expected: Any) -> float:
        noise = float(np.sqrt(np.mean((found - expected) ** 2)))
        return 20 * float(np.log10(np.abs(expected).max() / noise))

    return {
        "encoder": architecture,
        "form": form,
        "parameters": sum(each.numel() for each in original.parameters()),
        "error": float(np.abs(found - exported).max() / np.abs(exported).max()),
        "psnr": psnr(exported),
        "fidelity_psnr": psnr(reference),
        "bytes": size,
        "export_seconds": seconds,
        "export_memory": memory * 1024,
        **milliseconds,
    }


if __name__ == "__main__":
    print(json.dumps(case(*sys.argv[1:])))
