"""Operations against coremltools' own reference values, and decompression against integers chosen here."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from goalkit.export.coreml import quiet
from goalkit.export.runtime.operations import OPERATIONS
from goalkit.export.runtime.packing import pack_bits, unpack_bits

RNG = np.random.default_rng(0)


def floats(*shape):
    return RNG.normal(size=shape).astype(np.float32)


CALLS = [
    ("linear", {"x": floats(2, 3), "weight": floats(4, 3), "bias": floats(4)}),
    ("matmul", {"x": floats(2, 3, 4), "y": floats(2, 5, 4), "transpose_y": True}),
    ("softmax", {"x": floats(2, 3, 4), "axis": 1}),
    ("layer_norm", {"x": floats(2, 3, 4), "axes": [-1], "gamma": floats(4), "beta": floats(4), "epsilon": np.float32(1e-3)}),
    ("layer_norm", {"x": floats(2, 3, 4), "axes": [1], "gamma": floats(3), "beta": floats(3), "epsilon": np.float32(1e-3)}),
    ("gelu", {"x": floats(3, 4), "mode": "EXACT"}),
    ("gelu", {"x": floats(3, 4), "mode": "TANH_APPROXIMATION"}),
    ("gelu", {"x": floats(3, 4), "mode": "SIGMOID_APPROXIMATION"}),
    ("gather", {"x": floats(5, 3), "indices": np.array([0, 4, 2], np.int32), "axis": 0}),
    ("gather", {"x": floats(2, 5, 3), "indices": np.array([1, 3], np.int32), "axis": 1}),
    ("gather_along_axis", {"x": floats(4, 3), "indices": np.array([[0, 3, 1], [2, 2, 0]], np.int32), "axis": 0}),
    ("reshape", {"x": floats(2, 6), "shape": [3, 4]}),
    ("transpose", {"x": floats(2, 3, 4), "perm": [2, 0, 1]}),
    ("expand_dims", {"x": floats(3, 4), "axes": [0, -1]}),
    ("squeeze", {"x": floats(1, 3, 1), "axes": [0]}),
    ("concat", {"values": (floats(2, 3), floats(2, 1)), "axis": 1}),
    ("stack", {"values": (floats(2, 3), floats(2, 3)), "axis": 1}),
    ("split", {"x": floats(6, 2), "num_splits": 3, "axis": 0}),
    ("split", {"x": floats(6, 2), "split_sizes": [1, 5], "axis": 0}),
    ("slice_by_index", {"x": floats(4, 5), "begin": [1, 0], "end": [3, 4], "stride": [1, 2], "end_mask": [False, True]}),
    ("slice_by_index", {"x": floats(4, 5), "begin": [1, 2], "end": [2, 4], "squeeze_mask": [True, False]}),
    ("slice_by_size", {"x": floats(4, 5), "begin": [1, 2], "size": [2, -1]}),
    ("pad", {"x": floats(2, 3), "pad": [0, 1, 2, 0], "mode": "constant", "constant_val": np.float32(7)}),
    ("tile", {"x": floats(2, 3), "reps": [2, 1]}),
    ("reverse", {"x": floats(2, 3), "axes": [1]}),
    ("fill", {"shape": [2, 3], "value": np.float32(1.5)}),
    ("range_1d", {"start": np.int32(2), "end": np.int32(9), "step": np.int32(3)}),
    ("reduce_sum", {"x": floats(2, 3, 4), "axes": [0, 2], "keep_dims": True}),
    ("reduce_mean", {"x": floats(2, 3, 4), "axes": [-1], "keep_dims": False}),
    ("reduce_max", {"x": floats(2, 3), "axes": [1]}),
    ("reduce_min", {"x": floats(2, 3), "axes": [0]}),
    ("reduce_prod", {"x": floats(2, 3, 2), "axes": [0, 1], "keep_dims": False}),
    ("reduce_l2_norm", {"x": floats(2, 3), "axes": [1]}),
    ("reduce_sum_square", {"x": floats(2, 3), "axes": [1]}),
    ("reduce_argmax", {"x": floats(2, 5), "axis": 1}),
    ("cumsum", {"x": floats(2, 5), "axis": 1}),
    ("select", {"cond": np.array([[True, False]]), "a": floats(1, 2), "b": floats(1, 2)}),
    ("cast", {"x": floats(2, 2), "dtype": "int32"}),
    ("shape", {"x": floats(2, 3, 4)}),
    ("concat", {"values": (np.float32(2), np.float32(3)), "axis": 0}),
    ("clip", {"x": floats(3, 3), "alpha": np.float32(-0.5), "beta": np.float32(0.25)}),
    ("rsqrt", {"x": np.abs(floats(3)), "epsilon": np.float32(1e-3)}),
    ("inverse", {"x": np.abs(floats(3)), "epsilon": np.float32(1e-3)}),
    ("log", {"x": np.abs(floats(3)), "epsilon": np.float32(1e-3)}),
    ("leaky_relu", {"x": floats(3, 3), "alpha": np.float32(0.1)}),
    ("elu", {"x": floats(3, 3), "alpha": np.float32(0.7)}),
    *((name, {"x": floats(3, 4), "y": floats(3, 4)}) for name in ("add", "sub", "mul", "real_div", "maximum", "minimum")),
    *(
        (name, {"x": floats(3, 4), "y": floats(3, 4)})
        for name in ("equal", "not_equal", "greater", "greater_equal", "less", "less_equal")
    ),
    ("pow", {"x": np.abs(floats(3)), "y": floats(3)}),
    ("floor_div", {"x": floats(3, 4) * 5, "y": floats(3, 4)}),
    ("mod", {"x": floats(3, 4) * 5, "y": np.abs(floats(3, 4)) + 1}),
    *((name, {"x": RNG.random(4) > 0.5, "y": RNG.random(4) > 0.5}) for name in ("logical_and", "logical_or", "logical_xor")),
    ("logical_not", {"x": RNG.random(4) > 0.5}),
    *((name, {"x": floats(3, 4)}) for name in ("abs", "ceil", "cos", "erf", "exp", "floor", "identity", "relu", "round")),
    *((name, {"x": floats(3, 4)}) for name in ("sigmoid", "sign", "sin", "softplus", "softsign", "square", "tanh")),
    ("sqrt", {"x": np.abs(floats(3, 4))}),
]


def as_tensor(value):
    if isinstance(value, str):
        return value
    return [as_tensor(each) for each in value] if isinstance(value, tuple) else torch.from_numpy(np.array(value))


@pytest.mark.parametrize(("name", "arguments"), CALLS, ids=[f"{name}-{number}" for number, (name, _) in enumerate(CALLS)])
def test_operation_gives_coremltools_own_value(name, arguments):
    from coremltools.converters.mil import Builder as mb
    from coremltools.converters.mil.mil import Function

    with quiet(), Function({}):
        result = getattr(mb, name)(**arguments)
    results = result if isinstance(result, list | tuple) else (result,)
    assert all(each.val is not None for each in results), "coremltools has no reference value for this call"
    found = OPERATIONS[name](**{key: as_tensor(value) for key, value in arguments.items()})
    for mine, theirs in zip(found if isinstance(found, tuple) else (found,), results, strict=True):
        assert tuple(mine.shape) == tuple(np.shape(theirs.val))
        np.testing.assert_allclose(mine.numpy(), theirs.val, rtol=2e-5, atol=1e-5)


def test_every_registered_operation_is_tested_somewhere():
    elsewhere = {
        "conv", "einsum", "batch_norm", "scaled_dot_product_attention", "fill_like", "silu",  # against torch, test_runtime.py
        "classify",  # test_classifier_models.py
        "gather_nd",  # below
        "quantize", "dequantize",  # test_quantisation.py
        *(name for name in OPERATIONS if name.startswith("constexpr_")),  # below
    }  # fmt: skip
    assert set(OPERATIONS) == {name for name, _ in CALLS} | elsewhere


def test_gather_nd_takes_numbers_or_slices():
    x, gather = torch.arange(12.0).reshape(3, 4), OPERATIONS["gather_nd"]
    assert gather(x=x, indices=torch.tensor([[0, 1], [2, 3]])).tolist() == [1, 11]
    assert gather(x=x, indices=torch.tensor([[[2]], [[-3]]])).tolist() == [[[8, 9, 10, 11]], [[0, 1, 2, 3]]]
    with pytest.raises(NotImplementedError, match="batch_dims"):
        gather(x=x, indices=torch.tensor([[0]]), batch_dims=torch.tensor(1))


def integers(*rows, dtype=torch.uint8):
    return torch.tensor(rows, dtype=dtype)


@given(st.integers(1, 8), st.lists(st.integers(0, 255), min_size=1, max_size=40))
def test_packed_integers_are_read_back(bits, values):
    values = [value % 2**bits for value in values]
    stream = sum(value << (bits * place) for place, value in enumerate(values))
    packed = np.frombuffer(stream.to_bytes(-(-bits * len(values) // 8), "little"), np.uint8)
    assert unpack_bits(torch.from_numpy(packed.copy()), bits, len(values)).tolist() == values
    assert pack_bits(torch.tensor(values, dtype=torch.uint8), bits).tolist() == packed.tolist()


def test_palette_of_ios16_with_packed_indices():
    # two bits an index, the first in the lowest bits: 0, 3, 2, 1 | 3
    packed, lut = integers(0b01_10_11_00, 0b11), torch.tensor([0.5, 1.5, 2.5, 3.5])
    dense = OPERATIONS["constexpr_lut_to_dense"](indices=packed, lut=lut, shape=torch.tensor([5, 1]))
    assert dense.tolist() == [[0.5], [3.5], [2.5], [1.5], [3.5]]


def test_palettes_of_ios18_one_a_group_of_rows():
    lut = torch.tensor([[10.0, 11.0], [20.0, 21.0]]).reshape(2, 1, 2, 1)
    indices = integers([0, 1], [1, 1], [0, 0], [1, 0])
    dense = OPERATIONS["constexpr_lut_to_dense"](indices=indices, lut=lut)
    assert dense.tolist() == [[10.0, 11.0], [11.0, 11.0], [20.0, 20.0], [21.0, 20.0]]


@pytest.mark.parametrize(
    ("axis", "expected"), [(0, [[1, 3], [2, 4], [3, 1], [4, 2]]), (1, [[1, 2, 3, 4], [3, 4, 1, 2]])], ids=["rows", "columns"]
)
def test_palettes_of_vectors(axis, expected):
    lut = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 1, 2, 2)
    dense = OPERATIONS["constexpr_lut_to_dense"](indices=integers([0, 1], [1, 0]), lut=lut, vector_axis=torch.tensor(axis))
    assert dense.tolist() == expected


def test_sparse_weights_of_both_systems():
    dense = [[0.0, 5.0, 0.0], [6.0, 0.0, 7.0]]
    numbers, bits = torch.tensor([5.0, 6.0, 7.0]), 0b101010
    expand = OPERATIONS["constexpr_sparse_to_dense"]
    assert expand(nonzero_data=numbers, mask=integers(bits), shape=torch.tensor([2, 3])).tolist() == dense
    assert expand(nonzero_data=numbers, mask=integers([0, 1, 0], [1, 0, 1])).tolist() == dense


def test_sparse_palette_and_sparse_quantised_weights():
    mask = integers([1, 0], [0, 1], [1, 1])
    lut = torch.tensor([2.0, 3.0]).reshape(1, 1, 2, 1)
    out, numbers = OPERATIONS["constexpr_lut_to_sparse"](indices_mask=mask, indices_nonzero_data=integers(0, 1, 1, 0), lut=lut)
    assert out.tolist() == mask.tolist()
    assert numbers.tolist() == [2.0, 3.0, 3.0, 2.0]
    vectors = torch.tensor([[2.0, 4.0], [3.0, 9.0]]).reshape(1, 1, 2, 2)
    out, numbers = OPERATIONS["constexpr_lut_to_sparse"](
        indices_mask=mask, indices_nonzero_data=integers(0, 1, 1, 0), lut=vectors, vector_axis=torch.tensor(1)
    )
    assert out.tolist() == [[1, 1, 0, 0], [0, 0, 1, 1], [1, 1, 1, 1]]
    assert numbers.tolist() == [2.0, 4.0, 3.0, 9.0, 3.0, 9.0, 2.0, 4.0]
    out, numbers = OPERATIONS["constexpr_sparse_blockwise_shift_scale"](
        data_mask=mask,
        nonzero_data=integers(1, 2, 3, 4, dtype=torch.int8),
        scale=torch.tensor([[10.0, 100.0]]),
        offset=integers([1, 2], dtype=torch.int8),
    )
    assert out.tolist() == mask.tolist()
    assert numbers.tolist() == [0.0, 0.0, 20.0, 200.0]


def test_affine_dequantisation():
    data, scale = integers([-127, 3], [0, 127], dtype=torch.int8), torch.tensor([0.5, 2.0])
    dequantise = OPERATIONS["constexpr_affine_dequantize"]
    zero = integers(1, -1, dtype=torch.int8)
    assert dequantise(quantized_data=data, zero_point=zero, scale=scale, axis=torch.tensor(0)).tolist() == [[-64, 1], [2, 256]]
    one, nought = torch.tensor(2.0), torch.tensor(0, dtype=torch.int8)
    assert dequantise(quantized_data=data, zero_point=nought, scale=one, axis=torch.tensor(0)).tolist() == [[-254, 6], [0, 254]]


def test_blockwise_dequantisation():
    data = integers([1, 2, 3, 4], [5, 6, 7, 8], dtype=torch.int8)
    dequantise = OPERATIONS["constexpr_blockwise_shift_scale"]
    scale, offset = torch.tensor([[1.0, 10.0]]), integers([1, 2], dtype=torch.int8)
    assert dequantise(data=data, scale=scale, offset=offset).tolist() == [[0.0, 1.0, 10.0, 20.0], [4.0, 5.0, 50.0, 60.0]]
    assert dequantise(data=data, scale=torch.tensor([[0.5], [2.0]])).tolist() == [
        [0.5, 1.0, 1.5, 2.0],
        [10.0, 12.0, 14.0, 16.0],
    ]


def test_constant_cast():
    assert OPERATIONS["constexpr_cast"](source_val=torch.tensor([1.5]), output_dtype="fp32").dtype == torch.float32
