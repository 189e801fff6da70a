"""The runtime, on programs that coremltools converts from small torch functions and on files that are damaged."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from goalkit.errors import ConfigurationError, RuntimeModelError, UnsupportedOperationError
from goalkit.export.coreml import coremltools, quiet
from goalkit.export.package import write_package
from goalkit.export.runtime import load_model, operation_ranges
from goalkit.export.runtime.operations import OPERATIONS
from goalkit.export.runtime.program import PACKAGE_DATA, PRECISIONS
from goalkit.export.runtime.values import Blobs, decode
from goalkit.export.tracing import quiet_tracing

torch.manual_seed(0)
MATRIX = torch.randn(6, 5)
IMAGE = torch.randn(6, 4, 3, 3)


def convert(function, *shapes, half=False, target="iOS16", names=("x0", "y")):
    """Convert a torch function of tensors of these shapes."""
    ct = coremltools()

    class Module(nn.Module):
        def forward(self, *arguments):
            return function(*arguments)

    with quiet_tracing(), quiet():
        traced = torch.jit.trace(Module(), tuple(torch.randn(shape) for shape in shapes), check_trace=False)
        inputs = [names[0], *(f"x{number}" for number in range(1, len(shapes)))]
        return ct.convert(
            traced,
            inputs=[
                ct.TensorType(name=name, shape=shape, dtype=np.float32) for name, shape in zip(inputs, shapes, strict=True)
            ],
            outputs=[ct.TensorType(name=names[1], dtype=np.float32)],
            convert_to="mlprogram",
            minimum_deployment_target=getattr(ct.target, target),
            compute_precision=ct.precision.FLOAT16 if half else ct.precision.FLOAT32,
            skip_model_load=True,
        )


def weights_of(model):
    return Path(model.package_path) / PACKAGE_DATA / "weights" / "weight.bin"


def save(tmp_path, function, *shapes, name="model.mlpackage", **options):
    """Convert and save as the exporter does."""
    converted = convert(function, *shapes, **options)
    write_package(tmp_path / name, converted.get_spec(), weights_of(converted))
    return tmp_path / name


def trigram(x):
    """What MobileBERT does to its embeddings."""
    return torch.cat([functional.pad(x[:, 1:], [0, 0, 0, 1]), x, functional.pad(x[:, :-1], [0, 0, 1, 0])], dim=2)


FUNCTIONS = {
    "linear": (lambda x: functional.linear(x, MATRIX, torch.arange(6.0)), [(2, 5)]),
    "matmul": (lambda x, y: x @ y.transpose(-1, -2), [(2, 3, 4), (2, 5, 4)]),
    "softmax": (lambda x: torch.softmax(x, 1), [(2, 3, 4)]),
    "layer_norm": (lambda x: functional.layer_norm(x, [4], torch.arange(4.0), torch.ones(4), 1e-6), [(2, 3, 4)]),
    "gelu": (lambda x: functional.gelu(x), [(3, 4)]),
    "gelu by tanh": (lambda x: functional.gelu(x, approximate="tanh"), [(3, 4)]),
    "unary": (lambda x: torch.tanh(x) + torch.relu(x) * torch.sigmoid(x) - torch.erf(x), [(3, 4)]),
    "roots": (lambda x: torch.sqrt(x.abs() + 1) / torch.exp(-x) + torch.rsqrt(x * x + 0.5), [(3, 4)]),
    "reshape": (lambda x: x.reshape(3, 2, 4).permute(1, 2, 0).contiguous(), [(6, 4)]),
    "mean and sum": (lambda x: x.mean(1, keepdim=True) + x.sum(2, keepdim=True), [(2, 3, 4)]),
    "split and concat": (lambda x: torch.cat(list(reversed(x.split([1, 2, 1], 1))), 1), [(2, 4)]),
    "slices": (lambda x: x[:, 1:-1:2] * x[:, 0:1], [(2, 7)]),
    "pad and concat": (trigram, [(1, 4, 3)]),
    "select": (lambda x: torch.where(x > 0, x, 2 * x.abs()), [(3, 4)]),
    "extremes": (lambda x, y: torch.maximum(x, y) - torch.minimum(x, y), [(3, 4), (3, 4)]),
    "convolution 1x1": (lambda x: functional.conv2d(x, IMAGE[..., :1, :1], torch.arange(6.0)), [(1, 4, 5, 6)]),
    "convolution": (lambda x: functional.conv2d(x, IMAGE, stride=(1, 2), padding=(1, 2), dilation=(2, 1)), [(1, 4, 9, 8)]),
    "grouped convolution": (lambda x: functional.conv2d(x, IMAGE[:, :2], padding="same", groups=2), [(1, 4, 6, 6)]),
    "convolution over one axis": (lambda x: functional.conv1d(x, IMAGE[..., 0], stride=2), [(2, 4, 9)]),
    "einsum": (lambda x, y: torch.einsum("bchq,bkhc->bkhq", x, y), [(1, 3, 2, 4), (1, 5, 2, 3)]),
    "batch_norm": (
        lambda x: functional.batch_norm(x, torch.arange(3.0), torch.ones(3), torch.ones(3), torch.ones(3)),
        [(2, 3, 4)],
    ),
    "silu and fill_like": (lambda x: functional.silu(x) + torch.full_like(x, 2.0), [(2, 3)]),
    "axes": (lambda x: x.unsqueeze(1).unsqueeze(-1).squeeze(1), [(3, 4)]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_saved_function_gives_what_torch_gives(tmp_path, name):
    function, shapes = FUNCTIONS[name]
    model = load_model(save(tmp_path, function, *shapes))
    inputs = [torch.randn(3, *shape) for shape in shapes]
    found = model.predict_many({f"x{number}": each.numpy() for number, each in enumerate(inputs)}, batch_size=2)["y"]
    expected = torch.stack([function(*each) for each in zip(*inputs, strict=True)])
    np.testing.assert_allclose(found, expected.numpy(), atol=2e-6, rtol=1e-5)


def test_attention_of_ios18(tmp_path):
    path = save(tmp_path, functional.scaled_dot_product_attention, (1, 2, 3, 4), (1, 2, 5, 4), (1, 2, 5, 4), target="iOS18")
    query, key, value = torch.randn(1, 2, 3, 4), torch.randn(1, 2, 5, 4), torch.randn(1, 2, 5, 4)
    found = load_model(path).predict({"x0": query.numpy(), "x1": key.numpy(), "x2": value.numpy()})["y"]
    np.testing.assert_allclose(found, functional.scaled_dot_product_attention(query, key, value).numpy(), atol=2e-6)


def test_half_precision_rounds_every_result_that_declares_it(tmp_path):
    """1 + 2^-11 is 1 in half precision, so the small term is lost there and kept in float32."""
    small = 2.0**-11
    for half, expected in ((True, 0.0), (False, small)):
        path = save(tmp_path, lambda x: (x + 1.0) * 1.0 - 1.0 * torch.tanh(x + 40.0), (1,), half=half, name=f"{half}.mlpackage")
        assert load_model(path).predict({"x0": np.array([small], np.float32)})["y"].item() == pytest.approx(expected, abs=1e-7)


def test_half_precision_overflows_as_on_the_phone(tmp_path):
    path = save(tmp_path, lambda x: (x * x) / 1024.0, (1,), half=True)
    with np.errstate(over="ignore"):
        assert np.isinf(load_model(path).predict({"x0": np.array([300.0], np.float32)})["y"]).all()


def test_precision_can_be_forced(tmp_path):
    """Load the same file with all results rounded, or none."""
    third, exact = np.array([1 / 3], np.float32), np.float32(1 / 3) * np.float32(2)
    path = save(tmp_path, lambda x: x * 2.0, (1,))
    found = {name: load_model(path, precision=name).predict({"x0": third})["y"].item() for name in PRECISIONS}
    assert found["declared"] == found["float32"] == exact
    assert found["float16"] == np.float32(np.float16(exact)) != exact
    with pytest.raises(ConfigurationError, match="no precision 'half'"):
        load_model(path, precision="half")


def test_compressed_packages_of_coremltools_execute(tmp_path):
    """Every kind of weight compression that coremltools itself applies, read back by our own formulas."""
    ct = coremltools()
    weight, x = torch.randn(64, 64), torch.randn(3, 2, 64)
    optimize = ct.optimize.coreml
    recipes = {
        "int8": (
            "iOS16",
            optimize.linear_quantize_weights,
            optimize.OpLinearQuantizerConfig(mode="linear", weight_threshold=0),
        ),
        "int4 blocks": (
            "iOS18",
            optimize.linear_quantize_weights,
            optimize.OpLinearQuantizerConfig(dtype="int4", granularity="per_block", block_size=32, weight_threshold=0),
        ),
        "palette": (
            "iOS16",
            optimize.palettize_weights,
            optimize.OpPalettizerConfig(nbits=4, mode="kmeans", weight_threshold=0),
        ),
        "3-bit groups": (
            "iOS18",
            optimize.palettize_weights,
            optimize.OpPalettizerConfig(nbits=3, granularity="per_grouped_channel", group_size=16, weight_threshold=0),
        ),
        "sparse": ("iOS16", optimize.prune_weights, optimize.OpMagnitudePrunerConfig(target_sparsity=0.5, weight_threshold=0)),
        "sparse iOS18": (
            "iOS18",
            optimize.prune_weights,
            optimize.OpMagnitudePrunerConfig(target_sparsity=0.5, weight_threshold=0),
        ),
    }
    for name, (target, compress, config) in recipes.items():
        converted = convert(lambda x: functional.linear(x, weight), (2, 64), target=target)
        with quiet():
            compressed = compress(converted, optimize.OptimizationConfig(global_config=config))
            expected_weight = weight_of(ct.optimize.coreml.decompress_weights(compressed))
        path = tmp_path / f"{name}.mlpackage"
        write_package(path, compressed.get_spec(), weights_of(compressed))
        found = load_model(path).predict_many({"x0": x.numpy()})["y"]
        np.testing.assert_allclose(found, x.numpy() @ expected_weight.T, atol=2e-5, err_msg=name)
        assert np.abs(expected_weight - weight.numpy()).max() > 1e-3, f"{name} changed nothing"


def weight_of(model):
    """The one large constant of a model without compression."""
    spec = model.get_spec()
    function = spec.mlProgram.functions["main"]
    blobs = Blobs(weights_of(model).parent.parent)
    operations = function.block_specializations[function.opset].operations
    values = [decode(each.attributes["val"], blobs) for each in operations if each.type == "const"]
    return next(value for value in values if not isinstance(value, str) and value.numel() == 64 * 64).numpy()


def test_one_of_several_functions(tmp_path):
    ct = coremltools()
    for name, factor in (("double", 2.0), ("triple", 3.0)):
        with quiet():
            convert(lambda x, factor=factor: x * factor, (3,), target="iOS18").save(str(tmp_path / f"{name}.mlpackage"))
    descriptor = ct.utils.MultiFunctionDescriptor()
    for name in ("double", "triple"):
        descriptor.add_function(str(tmp_path / f"{name}.mlpackage"), "main", name)
    descriptor.default_function_name = "double"
    with quiet():
        ct.utils.save_multifunction(descriptor, str(tmp_path / "both.mlpackage"))
    one = {"x0": np.ones(3, np.float32)}
    assert load_model(tmp_path / "both.mlpackage").predict(one)["y"].tolist() == [2, 2, 2]
    assert load_model(tmp_path / "both.mlpackage", function="triple").predict(one)["y"].tolist() == [3, 3, 3]
    with pytest.raises(RuntimeModelError, match="no function 'half' in the package; it has double, triple"):
        load_model(tmp_path / "both.mlpackage", function="half")


def test_pipeline_hands_results_on(tmp_path):
    ct = coremltools()
    weight = torch.randn(40, 40)
    with quiet():
        first = convert(lambda x: functional.linear(x, weight), (1, 40), names=("x0", "middle"))
        second = convert(lambda x: torch.softmax(x, -1), (1, 40), names=("middle", "y"))
        ct.utils.make_pipeline(first, second).save(str(tmp_path / "pipeline.mlpackage"))
    x = torch.randn(5, 1, 40)
    model = load_model(tmp_path / "pipeline.mlpackage")
    assert (list(model.inputs), list(model.outputs)) == (["x0"], ["y"])
    expected = torch.softmax(functional.linear(x, weight), -1)
    np.testing.assert_allclose(model.predict_many({"x0": x.numpy()})["y"], expected.numpy(), atol=1e-6)


def test_ranges_name_operation_and_text_of_an_overflow(tmp_path):
    path = save(tmp_path, lambda x: torch.tanh((x * x) / 8.0 - x), (2,), half=True)
    examples, inputs = ["small", "large", "medium"], np.array([[1, 2], [1, 300], [3, 4]], np.float32)
    ranges = operation_ranges(load_model(path), {"x0": inputs}, examples)
    unsound = [each for each in ranges if not each.sound]
    assert unsound[0].overflows
    assert unsound[0].example == "large"
    assert unsound[0].kind in {"mul", "square"}
    exact = operation_ranges(load_model(path, precision="float32"), {"x0": inputs}, examples)
    product = next(each for each in exact if each.name == unsound[0].name)
    assert product.largest == 90000.0
    assert not any(each.not_a_number for each in exact)


def test_ranges_flag_underflow_and_nan(tmp_path):
    path = save(tmp_path, lambda x: torch.tanh(x * 1e-5) + 1.0, (1,), half=True)
    small = operation_ranges(load_model(path), {"x0": np.array([[1e-3], [1.0]], np.float32)}, ["tiny", "one"])
    assert {each.example for each in small if each.underflows} == {"tiny"}
    exact = operation_ranges(load_model(path, precision="float32"), {"x0": np.array([[1e-3]], np.float32)}, ["tiny"])
    assert not any(each.underflows for each in exact)
    zero = operation_ranges(
        load_model(save(tmp_path, lambda x: torch.sqrt(x), (1,), name="s.mlpackage")), {"x0": [[-1.0]]}, ["minus"]
    )
    assert [(each.kind, each.example) for each in zero if each.not_a_number] == [("sqrt", "minus")]


def test_core_ml_itself_behind_the_same_call(tmp_path, monkeypatch):
    """A stand-in for MLModel: the real one needs a Mac."""

    class MLModel:
        def __init__(self, path):
            assert path.endswith("model.mlpackage")

        def predict(self, inputs):
            return {"y": inputs["x0"] + 1}

    path = save(tmp_path, lambda x: x + 1.0, (2, 3))
    with pytest.raises(RuntimeModelError, match="runs on a Mac only"):
        load_model(path, native=True)
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr(coremltools().models, "MLModel", MLModel)
    inputs = {"x0": np.zeros((4, 2, 3), np.float32)}
    np.testing.assert_array_equal(load_model(path, native=True).predict_many(inputs)["y"], np.ones((4, 2, 3)))


def test_arguments_that_would_have_no_effect_are_refused(exported, tmp_path):
    package, head = save(tmp_path, lambda x: x + 1.0, (2, 3)), exported.path / "GoalHead-category.mlmodel"
    for path, settings, message in (
        (package, {"native": True, "precision": "float16"}, "leave them out with native=True"),
        (package, {"native": True, "function": "main"}, "leave them out with native=True"),
        (head, {"function": "main"}, "only ML programs have functions"),
        (head, {"precision": "float16"}, "computes in float32 on every device"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            load_model(path, **settings)


def test_inputs_that_do_not_fit_are_reported(tmp_path):
    model = load_model(save(tmp_path, lambda x: x + 1.0, (2, 3)))
    assert model.inputs["x0"].shape == (2, 3)
    with pytest.raises(RuntimeModelError, match="takes x0, not y: give exactly these"):
        model.predict({"y": np.zeros((2, 3))})
    with pytest.raises(RuntimeModelError, match=r"x0 has the shape \[3, 2\], the model takes \[2, 3\]"):
        model.predict({"x0": np.zeros((3, 2))})
    assert model.predict_many({"x0": np.zeros((0, 2, 3))})["y"].shape[0] == 0
    with pytest.raises(ConfigurationError, match="batch_size is 0"):
        model.predict_many({"x0": np.zeros((1, 2, 3))}, batch_size=0)


def test_token_ids_beyond_the_table_are_reported(exported):
    ids = np.full((1, 48), 99999, np.int32)
    with pytest.raises(RuntimeModelError, match=r"gather \(of \w+\) reads outside its table .*check the token ids"):
        exported.programs[48].predict({"input_ids": ids, "attention_mask": np.ones_like(ids)})


def test_unknown_operation_is_named_with_its_place(tmp_path, monkeypatch):
    path = save(tmp_path, lambda x: torch.tanh(x), (2, 3))
    monkeypatch.delitem(OPERATIONS, "tanh")
    with pytest.raises(
        UnsupportedOperationError, match=r"does not know the operation tanh \(of \w+\): add a function for it to"
    ):
        load_model(path)


@pytest.fixture
def package(exported, tmp_path):
    return shutil.copytree(exported.path / "GoalAnalyzer.mlpackage", tmp_path / "copy.mlpackage")


def test_truncated_weights_are_reported(package):
    weights = package / PACKAGE_DATA / "weights" / "weight.bin"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(RuntimeModelError, match=r"weight.bin is truncated or damaged: no complete weight at byte \d+"):
        load_model(package)
    weights.write_bytes(b"")
    with pytest.raises(RuntimeModelError, match=r"weight.bin cannot be read"):
        load_model(package)


def test_truncated_or_missing_model_is_reported(package, tmp_path):
    model = package / PACKAGE_DATA / "model.mlmodel"
    model.write_bytes(model.read_bytes()[:-7])
    with pytest.raises(RuntimeModelError, match="truncated or damaged"):
        load_model(package)
    model.write_bytes(b"")
    with pytest.raises(RuntimeModelError, match="empty or not a Core ML model"):
        load_model(package)
    with pytest.raises(RuntimeModelError, match="cannot be read"):
        load_model(tmp_path / "none.mlmodel")
