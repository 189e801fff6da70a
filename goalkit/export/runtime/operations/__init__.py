"""The operations of MIL, Core ML's model intermediate language, in torch: one small function per operation.

Arguments have their MIL names, and names and formulas are those of coremltools' MIL operation reference. Functions get one
example at a time: `torch.func.vmap` adds the batch. Numbers are float32 even where the file declares half precision; the
program rounds results. To add an operation, add a function to the module it belongs to.
"""

from goalkit.export.runtime.operations import decompression, elementwise, layers, quantisation, shaping
from goalkit.export.runtime.operations.registry import KEEPING, OPERATIONS

__all__ = ["KEEPING", "OPERATIONS", "decompression", "elementwise", "layers", "quantisation", "shaping"]
