"""`quantize` and `dequantize` of iOS 17 against numbers computed by hand, and against coremltools' own reference."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from goalkit.export.coreml import coremltools, quiet
from goalkit.export.runtime import load_model
from goalkit.export.runtime.operations import OPERATIONS


def tensor(values, dtype=torch.float32):
    return torch.tensor(values, dtype=dtype)


def quantise(x, scale, *, dtype="int8", **options):
    return OPERATIONS["quantize"](input=tensor(x), scale=tensor(scale), output_dtype=dtype, **options)


def test_halves_are_rounded_to_even_and_the_range_is_kept():
    found = quantise([0.25, 0.75, 1.25, -0.25, -0.75, 63.4, 63.5, 1e6, -64.0, -1e6], 0.5)
    assert found.dtype == torch.int8
    assert found.tolist() == [0, 2, 2, 0, -2, 127, 127, 127, -128, -128]


def test_a_zero_point_is_added_after_rounding():
    found = quantise([0.5, 1.5, -3.0, 300.0], 1.0, dtype="uint8", zero_point=tensor(3, torch.uint8))
    assert found.dtype == torch.uint8
    assert found.tolist() == [3, 5, 0, 255], "0.5 is rounded to 0, where 3.5 would have become 4"
    restored = OPERATIONS["dequantize"](input=found, scale=tensor(0.5), zero_point=tensor(3, torch.uint8))
    assert restored.tolist() == [0.0, 1.0, -1.5, 126.0]


@pytest.mark.parametrize("axis", [1, -1])
def test_each_index_of_an_axis_has_its_own_scale_and_zero_point(axis):
    options = {"axis": tensor(axis, torch.int32), "zero_point": tensor([0, 10, -100], torch.int8)}
    found = quantise([[1.0, 1.0, 1.0], [-1.0, 8.0, -40.0]], [0.5, 2.0, 0.25], **options)
    assert found.tolist() == [[2, 10, -96], [-2, 14, -128]]
    restored = OPERATIONS["dequantize"](input=found, scale=tensor([0.5, 2.0, 0.25]), **options)
    assert restored.tolist() == [[1.0, 0.0, 1.0], [-1.0, 8.0, -7.0]]


@given(
    arrays.arrays(np.float32, (2, 3), elements=st.floats(-300, 300, width=32)),
    arrays.arrays(np.float32, 3, elements=st.floats(0.015625, 8, width=32)),
    arrays.arrays(np.int8, 3),
)
def test_both_are_those_of_coremltools(x, scale, zero_point):
    from coremltools.converters.mil.frontend.torch import ops  # noqa: F401  the package must be complete before its parts
    from coremltools.optimize import _utils

    expected = _utils.quantize_by_scale_and_zp(x, scale[None], zero_point[None], "int8")
    options = {"axis": tensor(1, torch.int32), "zero_point": torch.from_numpy(zero_point)}
    found = OPERATIONS["quantize"](input=torch.from_numpy(x), scale=torch.from_numpy(scale), output_dtype="int8", **options)
    np.testing.assert_array_equal(found.numpy(), expected)
    restored = OPERATIONS["dequantize"](input=found, scale=torch.from_numpy(scale), **options)
    np.testing.assert_array_equal(restored.numpy(), _utils.dequantize_by_scale_and_zp(expected, scale, zero_point, 1))


def test_a_saved_program_is_executed_with_them(tmp_path):
    """As coremltools' users write it: per channel, with zero points, in float32 and half precision."""
    ct = coremltools()
    with quiet():
        from coremltools.converters.mil import Builder as mb

    scale, zero_point = np.float32([0.5, 0.25]), np.int8([0, -7])

    @mb.program(input_specs=[mb.TensorSpec(shape=(1, 2))], opset_version=ct.target.iOS17)
    def program(x):
        integers = mb.quantize(input=x, scale=scale, zero_point=zero_point, axis=1, output_dtype="int8")
        return mb.dequantize(input=integers, scale=scale, zero_point=zero_point, axis=1, name="y")

    x = np.float32([[[0.8, 0.8]], [[63.7, 63.7]], [[-90.0, -90.0]]])
    for precision in (ct.precision.FLOAT32, ct.precision.FLOAT16):
        path = tmp_path / f"{precision.name}.mlpackage"
        with quiet():
            target = ct.target.iOS17
            ct.convert(
                program,
                minimum_deployment_target=target,
                compute_precision=precision,
                skip_model_load=True,
                package_dir=str(path),
            )
        found = load_model(path).predict_many({"x": x})["y"]
        assert found.tolist() == [[[1.0, 0.75]], [[63.5, 33.5]], [[-64.0, -30.25]]]
