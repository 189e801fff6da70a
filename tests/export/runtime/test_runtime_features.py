"""What models of others declare of their inputs and outputs: half precision, several shapes, defaults, images, labels."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from goalkit.errors import RuntimeModelError, UnsupportedOperationError
from goalkit.export.coreml import coremltools, model_proto
from goalkit.export.package import write_model
from goalkit.export.runtime import Feature, load_model, operation_ranges
from goalkit.export.runtime.loading import read_spec
from goalkit.export.runtime.program import PACKAGE_DATA

ct = coremltools()
MATRIX = torch.arange(12.0).reshape(3, 4) / 8
RESULT, HALF_RESULT, WHOLE_RESULT = ([ct.TensorType(name="y", dtype=dtype)] for dtype in (np.float32, np.float16, np.int32))


def linear(x):
    return functional.linear(x, MATRIX)


def tensor(shape, name="x", dtype=np.float32, **options):
    return ct.TensorType(name=name, shape=shape, dtype=dtype, **options)


def test_a_float16_input_and_output(save_program):
    path = save_program(linear, [tensor((1, 4), dtype=np.float16)], half=True, outputs=HALF_RESULT)
    model = load_model(path)
    assert (model.inputs["x"].dtype, model.outputs["y"].dtype) == (np.float16, np.float16)
    x = np.array([[1.0, 0.5, -2.0, 3.0]], np.float32)
    for given_as in (np.float16, np.float32, np.float64):
        found = model.predict({"x": x.astype(given_as)})["y"]
        assert found.dtype == np.float16
        np.testing.assert_array_equal(found, (x @ MATRIX.numpy().T).astype(np.float16))
    many = model.predict_many({"x": np.stack([x, 2 * x, -x])})["y"]
    np.testing.assert_array_equal(many[:, 0, 0], np.float16([1, 2, -1]) * found[0, 0])


def test_a_float16_input_is_rounded_before_it_is_used(save_program):
    path = save_program(lambda x: x * 4096.0, [tensor((1,), dtype=np.float16)], half=True, outputs=HALF_RESULT)
    assert load_model(path).predict({"x": np.float32([1 + 2**-12])})["y"] == 4096


def test_ranges_of_a_program_that_takes_half_precision(save_program):
    path = save_program(lambda x: (x * x) / 8.0, [tensor((2,), dtype=np.float16)], half=True, outputs=HALF_RESULT)
    ranges = operation_ranges(load_model(path), {"x": np.float32([[1, 2], [1, 300]])}, ["small", "large"])
    assert {each.example for each in ranges if each.overflows} == {"large"}


def test_an_int32_output(save_program):
    path = save_program(lambda x: (linear(x) > 1).to(torch.int32) * 7, [tensor((1, 4))], outputs=WHOLE_RESULT)
    found = load_model(path).predict({"x": np.ones((1, 4))})["y"]
    assert found.dtype == np.int32
    assert found.tolist() == [[0, 7, 7]]


@pytest.mark.parametrize(("declared", "dtype"), [("DOUBLE", np.float64), ("FLOAT16", np.float16), ("INT32", np.int32)])
def test_numbers_come_as_the_model_declares_them(save_program, tmp_path, declared, dtype):
    path = save_program(lambda x: x * 2.0, [tensor((2,))], outputs=RESULT)
    spec = read_spec(path)
    for feature in (spec.description.input[0], spec.description.output[0]):
        feature.type.multiArrayType.dataType = getattr(model_proto().ArrayFeatureType, declared)
    write_model(path / PACKAGE_DATA / "model.mlmodel", spec)
    found = load_model(path).predict({"x": [1.0, 3.0]})["y"]
    assert (found.dtype, found.tolist()) == (dtype, [2, 6])


FLEXIBLE = {
    "range": ct.Shape((ct.RangeDim(1, 8, default=2), 4)),
    "enumerated": ct.EnumeratedShapes([(2, 4), (5, 4)], default=(2, 4)),
}


@pytest.mark.parametrize(
    "function",
    [
        linear,
        lambda x: linear(x).reshape(x.shape[0] * 3).softmax(0),
        lambda x: x + MATRIX.T.repeat(2, 2)[: x.shape[0], :4],
        lambda x: torch.full((x.shape[0], 1), 2.0).expand(-1, 4) * x + torch.arange(x.shape[0])[:, None],
    ],
    ids=["linear", "reshape", "slice", "fill"],
)
@pytest.mark.parametrize("kind", FLEXIBLE)
def test_every_declared_shape_is_executed(save_program, kind, function):
    example = torch.ones(2, 4)
    model = load_model(save_program(function, [tensor(FLEXIBLE[kind])], outputs=RESULT, examples=[example]))
    assert model.inputs["x"].shape == (2, 4)
    for size in (2, 5):
        x = torch.randn(3, size, 4, generator=torch.Generator().manual_seed(size))
        expected = torch.stack([function(each) for each in x]).numpy()
        np.testing.assert_allclose(model.predict_many({"x": x.numpy()}, batch_size=2)["y"], expected, atol=1e-6)
        np.testing.assert_allclose(model.predict({"x": x[0].numpy()})["y"], expected[0], atol=1e-6)


@pytest.mark.parametrize(("kind", "allowed"), [("range", r"\[1 to 8, 4\]"), ("enumerated", r"\[2, 4\] or \[5, 4\]")])
@pytest.mark.parametrize("shape", [(9, 4), (0, 4), (5, 3), (4,), (1, 5, 4)])
def test_other_shapes_are_refused_with_the_declared_ones(save_program, kind, allowed, shape):
    model = load_model(save_program(linear, [tensor(FLEXIBLE[kind])], outputs=RESULT, examples=[torch.ones(2, 4)]))
    with pytest.raises(RuntimeModelError, match=rf"x has the shape \[.*\], the model takes {allowed}: pad or cut it"):
        model.predict({"x": np.zeros(shape, np.float32)})
    with pytest.raises(RuntimeModelError, match=f"the model takes {allowed}"):
        model.predict_many({"x": np.zeros((2, *shape), np.float32)})


def test_a_size_that_was_traced_as_a_constant_is_reported(save_program):
    path = save_program(lambda x: x.reshape(8) * 2, [tensor(FLEXIBLE["range"])], outputs=RESULT, examples=[torch.ones(2, 4)])
    model = load_model(path)
    assert model.predict({"x": np.ones((2, 4))})["y"].tolist() == [2.0] * 8
    for call, x in ((model.predict, np.ones((5, 4))), (model.predict_many, np.ones((2, 5, 4)))):
        with pytest.raises(
            RuntimeModelError, match=r"reshape \(of \w+\) does not fit x \[5, 4\] .*traced with the sizes of that shape"
        ):
            call({"x": x})


def test_an_optional_input_may_be_left_out(save_program):
    inputs = [tensor((2, 2)), tensor((2, 2), "z", default_value=np.full((2, 2), 3, np.float32))]
    model = load_model(save_program(lambda x, z: x + z, inputs, outputs=RESULT))
    one = np.ones((2, 2), np.float32)
    assert model.inputs["z"].default == 3
    assert model.predict({"x": one})["y"].tolist() == [[4, 4], [4, 4]]
    assert model.predict({"x": one, "z": one})["y"].tolist() == [[2, 2], [2, 2]]
    assert model.predict_many({"x": np.stack([one, -one, one])}, batch_size=2)["y"][:, 0, 0].tolist() == [4, 2, 4]
    with pytest.raises(RuntimeModelError, match="takes x and optionally z, not z: give exactly these"):
        model.predict({"z": one})


def test_an_optional_input_without_a_default_is_zero(save_program):
    path = save_program(lambda x, z: x + z, [tensor((2,)), tensor((2,), "z")], outputs=RESULT)
    spec = read_spec(path)
    spec.description.input[1].type.isOptional = True
    write_model(path / PACKAGE_DATA / "model.mlmodel", spec)
    assert load_model(path).predict({"x": [1.0, 2.0]})["y"].tolist() == [1, 2]


def test_images_are_refused_when_the_model_is_loaded(save_program):
    image = ct.ImageType(name="im", shape=(1, 3, 4, 4))
    path = save_program(torch.relu, [image], examples=[torch.ones(1, 3, 4, 4)])
    with pytest.raises(UnsupportedOperationError, match=r"model.mlpackage: the input im is of type image, .* not support"):
        load_model(path)
    path = save_program(
        torch.relu, [tensor((1, 3, 4, 4), "im")], outputs=[ct.ImageType(name="y")], half=True, name="out.mlpackage"
    )
    with pytest.raises(UnsupportedOperationError, match="the output y is of type image, which the runtime does not support"):
        load_model(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (lambda d: d.input[0].type.sequenceType.int64Type.SetInParent(), "the input x is of type sequence"),
        (lambda d: d.input[0].type.dictionaryType.stringKeyType.SetInParent(), "the input x is of type dictionary"),
        (lambda d: d.input[0].type.stringType.SetInParent(), "the input x is of type string"),
        (lambda d: d.input[0].type.stateType.arrayType.SetInParent(), "the input x is of type state"),
        (lambda d: d.input[0].type.Clear(), "the input x is of type undeclared"),
        (lambda d: d.output[0].type.sequenceType.stringType.SetInParent(), "the output y is of type sequence"),
        (lambda d: d.output[0].type.dictionaryType.int64KeyType.SetInParent(), "the output y is of type dictionary"),
        (lambda d: d.output[0].type.doubleType.SetInParent(), "the output y is of type double"),
        (lambda d: d.state.add(name="cache"), r"keeps state \(cache\), which the runtime does not support"),
        (lambda d: setattr(d.input[0].type.multiArrayType, "dataType", 0), "array of the unknown number type 0"),
    ],
)
def test_kinds_that_are_not_supported_are_refused_when_the_model_is_loaded(save_program, changes, message):
    path = save_program(linear, [tensor((1, 4))], outputs=RESULT)
    spec = read_spec(path)
    changes(spec.description)
    write_model(path / PACKAGE_DATA / "model.mlmodel", spec)
    with pytest.raises(UnsupportedOperationError, match=message):
        load_model(path)


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 5), st.one_of(st.integers(0, 5), st.just(float("inf")))), min_size=1, max_size=3),
        max_size=3,
    ),
    st.lists(st.integers(0, 6), min_size=1, max_size=3),
)
def test_a_shape_is_admitted_if_it_is_the_default_or_within_one_of_the_others(flexible, shape):
    feature = Feature("x", (2,), np.float32, tuple(map(tuple, flexible)))
    within = any(
        len(sizes) == len(shape) and all(size >= low for size, (low, _) in zip(shape, sizes, strict=True))
        and not any(size > high for size, (_, high) in zip(shape, sizes, strict=True))
        for sizes in flexible
    )  # fmt: skip
    assert feature.admits(tuple(shape)) == (shape == [2] or within)
