"""The runtime, on programs that coremltools converts from small torch functions and on files that are damaged."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from goalkit.errors import RuntimeModelError, UnsupportedOperationError
from goalkit.export.coreml import coremltools, quiet
from goalkit.export.graph import quiet_tracing
from goalkit.export.package import write_package
from goalkit.export.runtime import load_model
from goalkit.export.runtime.operations import OPERATIONS
from goalkit.export.runtime.program import PACKAGE_DATA

torch.manual_seed(0)
MATRIX = torch.randn(6, 5)


def save(tmp_path, function, *shapes, half=False, target="iOS16", name="model.mlpackage"):
    """Convert a torch function of tensors of these shapes and save it as the exporter does."""
    ct = coremltools()

    class Module(nn.Module):
        def forward(self, *arguments):
            return function(*arguments)

    with quiet_tracing():
        traced = torch.jit.trace(Module(), tuple(torch.randn(shape) for shape in shapes), check_trace=False)
    with quiet():
        converted = ct.convert(
            traced,
            inputs=[ct.TensorType(name=f"x{number}", shape=shape, dtype=np.float32) for number, shape in enumerate(shapes)],
            outputs=[ct.TensorType(name="y", dtype=np.float32)],
            convert_to="mlprogram",
            minimum_deployment_target=getattr(ct.target, target),
            compute_precision=ct.precision.FLOAT16 if half else ct.precision.FLOAT32,
            skip_model_load=True,
        )
    write_package(tmp_path / name, converted.get_spec(), Path(converted.package_path) / PACKAGE_DATA / "weights" / "weight.bin")
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


def test_affine_dequantisation_is_the_documented_formula():
    data, scale = torch.tensor([[-127, 3], [0, 127]], dtype=torch.int8), torch.tensor([0.5, 2.0])
    zero = torch.tensor([1, -1], dtype=torch.int8)
    result = OPERATIONS["constexpr_affine_dequantize"](quantized_data=data, zero_point=zero, scale=scale, axis=torch.tensor(0))
    assert result.tolist() == [[-64.0, 1.0], [2.0, 256.0]]


def test_blockwise_dequantisation_is_the_documented_formula():
    data = torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]], dtype=torch.int8)
    dequantise = OPERATIONS["constexpr_blockwise_shift_scale"]
    scale, offset = torch.tensor([[1.0, 10.0]]), torch.tensor([[1, 2]], dtype=torch.int8)
    assert dequantise(data=data, scale=scale, offset=offset).tolist() == [[0.0, 1.0, 10.0, 20.0], [4.0, 5.0, 50.0, 60.0]]
    assert dequantise(data=data, scale=torch.tensor([[0.5], [2.0]])).tolist() == [
        [0.5, 1.0, 1.5, 2.0],
        [10.0, 12.0, 14.0, 16.0],
    ]


def test_inputs_that_do_not_fit_are_told(tmp_path):
    model = load_model(save(tmp_path, lambda x: x + 1.0, (2, 3)))
    assert model.inputs["x0"].shape == (2, 3)
    with pytest.raises(RuntimeModelError, match="takes x0, not y: give just those"):
        model.predict({"y": np.zeros((2, 3))})
    with pytest.raises(RuntimeModelError, match=r"x0 has the shape \[3, 2\], the model takes \[2, 3\]"):
        model.predict({"x0": np.zeros((3, 2))})
    assert model.predict_many({"x0": np.zeros((0, 2, 3))})["y"].shape[0] == 0


def test_unknown_operation_is_named_with_its_place(tmp_path, monkeypatch):
    path = save(tmp_path, lambda x: torch.tanh(x), (2, 3))
    monkeypatch.delitem(OPERATIONS, "tanh")
    with pytest.raises(UnsupportedOperationError, match=r"does not know the operation tanh \(of \w+\): add it to"):
        load_model(path)


@pytest.fixture
def package(exported, tmp_path):
    return shutil.copytree(exported.path / "GoalAnalyzer.mlpackage", tmp_path / "copy.mlpackage")


def test_truncated_weights_are_told(package):
    weights = package / PACKAGE_DATA / "weights" / "weight.bin"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(RuntimeModelError, match=r"weight.bin is truncated or damaged: no whole weight at byte \d+"):
        load_model(package)
    weights.write_bytes(b"")
    with pytest.raises(RuntimeModelError, match=r"weight.bin cannot be read"):
        load_model(package)


def test_truncated_or_missing_model_is_told(package, tmp_path):
    model = package / PACKAGE_DATA / "model.mlmodel"
    model.write_bytes(model.read_bytes()[:-7])
    with pytest.raises(RuntimeModelError, match="truncated or damaged"):
        load_model(package)
    model.write_bytes(b"")
    with pytest.raises(RuntimeModelError, match="empty or not a Core ML model"):
        load_model(package)
    with pytest.raises(RuntimeModelError, match="cannot be read"):
        load_model(tmp_path / "none.mlmodel")
