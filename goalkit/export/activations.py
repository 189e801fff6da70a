"""Translation of quantised activations: a pair of `quantize` and `dequantize` before the layer.

coremltools' own pass for such pairs (`insert_prefix_quantize_dequantize_pair`) takes ranges by the names of the converter's
values and computes scales from them. Here the trace itself holds the rounding, before the very layer and with the model's own
scale, and only needs a translation.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from goalkit.export.coreml import quiet
from goalkit.weights.activations import HIGHEST, LOWEST


def without_rounding(spec: Any) -> None:
    """Replace the operations of all pairs by identities, in place.

    Two programs that round activations cannot be compared closely: where their last bits differ, a number that lies between
    two steps is rounded to one or the other. Without the rounding, they must agree.
    """
    for program in spec.mlProgram.functions.values():
        for each in program.block_specializations[program.opset].operations:
            if each.type in ("quantize", "dequantize"):
                given = each.inputs["input"].arguments[0].name
                each.inputs.clear()
                each.inputs["x"].arguments.add(name=given)
                each.type = "identity"


@cache
def register_translation() -> None:
    """Teach coremltools' converter the operation with which torch rounds activations."""
    with quiet():
        from coremltools.converters.mil import Builder, register_torch_op

    def fake_quantize_per_tensor_affine(context: Any, node: Any) -> None:
        x, scale, *others = (context[name] for name in node.inputs)
        if (given := tuple(int(each.val) for each in others)) != (0, LOWEST, HIGHEST):
            raise NotImplementedError(f"zero point and range {given} of fake_quantize_per_tensor_affine")
        scale = np.float32(scale.val)
        integers = Builder.quantize(input=x, scale=scale, output_dtype="int8")
        context.add(Builder.dequantize(input=integers, scale=scale, name=node.name))

    register_torch_op(fake_quantize_per_tensor_affine, override=True)
