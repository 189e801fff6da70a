"""The operations of MIL, Core ML's model intermediate language, in torch: a small function each.

Arguments bear the names that MIL gives them, and names and formulas are those of coremltools' MIL operation reference.
Functions see one example at a time: `torch.func.vmap` adds the batch. Numbers come in float32 also where the file declares half
precision; the program rounds results. To add an operation, add a function to the module it belongs to.
"""

from goalkit.export.runtime.operations import decompression, elementwise, layers, shaping
from goalkit.export.runtime.operations.registry import KEEPING, OPERATIONS

__all__ = ["KEEPING", "OPERATIONS", "decompression", "elementwise", "layers", "shaping"]
