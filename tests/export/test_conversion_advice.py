"""What an error of the converter advises to do about it."""

import numpy as np
import pytest

from goalkit.export.conversion import _explain


def test_numpy_is_named_when_numpy_is_the_cause():
    """As coremltools 9.0 fails on a graph that casts a shape to a number."""
    if np.lib.NumpyVersion(np.__version__) < "2.4.0":
        pytest.skip("this numpy turns an array of one number into that number")
    with pytest.raises(TypeError) as raised:
        int(np.ones(1))
    for version in ("9.0", "9.1.dev1"):
        assert rf"needs numpy below 2.4 (this is {np.__version__})" in _explain(version, raised.value)


@pytest.mark.parametrize(
    "error",
    [
        IndexError("too many indices for array: array is 0-dimensional, but 1 were indexed"),
        ValueError("zero-dimensional arrays cannot be concatenated"),
        NotImplementedError("no conversion for 0-dimensional arrays of type i0"),
        RuntimeError("PyTorch convert function for op 'special_i0' not implemented."),
        TypeError("only integer scalar arrays can be converted to a scalar index"),
    ],
)
def test_numpy_is_not_named_otherwise(error):
    advice = _explain("9.0", error)
    assert "numpy" not in advice
    assert advice.endswith("give the backbone a simpler graph")
    assert "numpy" not in _explain("8.3", error)
    assert "install coremltools 9.0" in _explain("8.3", error)
