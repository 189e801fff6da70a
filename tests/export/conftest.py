import numpy as np
import pytest
from small_transformers import LENGTHS

from goalkit.tokenization import TokenBatch


@pytest.fixture(scope="module")
def batch():
    generator = np.random.default_rng(0)
    ids = generator.integers(5, 200, (len(LENGTHS), 24)).astype(np.int32)
    mask = (np.arange(24) < np.array(LENGTHS)[:, None]).astype(np.int32)
    return TokenBatch(ids, mask)
