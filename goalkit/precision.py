"""Which number format the processor is fast in."""

import torch


def best_precision() -> torch.dtype:
    """bfloat16 where the processor multiplies it natively (AVX512-BF16, AMX), else float32."""
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if native else torch.float32
