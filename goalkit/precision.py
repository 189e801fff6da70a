"""Choose the floating-point format for training."""

import torch


def best_precision(device: torch.device | str = "cpu") -> torch.dtype:
    """Return bfloat16 if the device multiplies it natively (AVX512-BF16, AMX, CUDA since Ampere), otherwise float32."""
    if torch.device(device).type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = torch.device(device).type == "cpu" and (
            torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        )
    return torch.bfloat16 if native else torch.float32
