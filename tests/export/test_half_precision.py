"""Half precision: what overflows is refused by name, and kept in float32 or rescaled."""

import numpy as np
import pytest
import torch
from small_transformers import make, run
from torch.nn import functional

from goalkit.backbones import Encoder
from goalkit.classifier import Classifier
from goalkit.errors import ConfigurationError, ExportError
from goalkit.export import CoreMLExporter, rescale_for_half_precision
from goalkit.export.rescaling import scale_stream, stream_magnitude
from goalkit.tokenization import TokenBatch


@pytest.fixture(scope="module")
def overflowing():
    """A MobileBERT whose stream was scaled up by 2^22: the same function, beyond half precision."""
    plain = Classifier.from_transformers(make("mobilebert"))
    large = plain.copy()
    with torch.no_grad():
        scale_stream(large, large.encoder.model.mobilebert, 2.0**22)
    return plain, large


def probabilities(classifier, batch):
    ids, mask = torch.from_numpy(batch.input_ids), torch.from_numpy(batch.attention_mask)
    with torch.no_grad():
        return torch.softmax(classifier(ids, mask, 24)["label"], -1).numpy()


def test_mobilebert_beyond_half_precision_is_shown_refused_and_mended(overflowing, batch, tmp_path):
    plain, large = overflowing
    truth = probabilities(plain, batch)
    np.testing.assert_array_equal(probabilities(large, batch), truth)
    assert stream_magnitude(large, batch) > 1e6

    exporter = CoreMLExporter(sequence_length=24)
    with pytest.raises(
        ExportError, match="the program in half precision does not compute what the model computes.*rescale a MobileBERT"
    ):
        exporter.export_package(large, tmp_path / "refused.mlpackage")
    assert not (tmp_path / "refused.mlpackage").exists()

    mended = rescale_for_half_precision(large, batch)
    np.testing.assert_array_equal(probabilities(mended, batch), truth)
    assert stream_magnitude(mended, batch) < 65504 / 8
    found = run(exporter.export_package(mended, tmp_path / "mended.mlpackage", calibration=batch), batch)
    np.testing.assert_allclose(found["label_probabilities"], truth, atol=3e-3)


def test_activations_beyond_half_precision_are_refused_by_operation_and_text(batch, tmp_path):
    model = make("bert", hidden_act="relu")
    for layer in model.bert.encoder.layer:  # the same function, its hidden activations 65,536 times as large
        with torch.no_grad():
            layer.intermediate.dense.weight.mul_(2.0**16)
            layer.intermediate.dense.bias.mul_(2.0**16)
            layer.output.dense.weight.div_(2.0**16)
    with pytest.raises(ExportError, match=r"precision the result of \w+ \(of .*\) overflows on 'text \d', of 6 given texts"):
        CoreMLExporter(sequence_length=24).export_package(model, tmp_path / "model.mlpackage", calibration=batch)
    assert not (tmp_path / "model.mlpackage").exists()


def test_mixed_precision_keeps_large_results_in_float32(overflowing, batch, tmp_path):
    plain, large = overflowing
    exporter = CoreMLExporter(sequence_length=24, precision="mixed")
    found = run(exporter.export_package(large, tmp_path / "model.mlpackage"), batch)  # made-up ids show it as well
    np.testing.assert_allclose(found["label_probabilities"], probabilities(plain, batch), atol=3e-3)
    small = CoreMLExporter(sequence_length=24).export_package(plain, tmp_path / "half.mlpackage")
    same = exporter.export_package(plain, tmp_path / "same.mlpackage", calibration=batch)
    weights = "Data/com.apple.CoreML/weights/weight.bin"
    assert (same / weights).stat().st_size == (small / weights).stat().st_size, "nothing large, nothing kept in float32"


def test_only_mobilebert_is_rescaled(batch):
    with pytest.raises(ExportError, match="only a MobileBERT without normalisation"):
        rescale_for_half_precision(Classifier.from_transformers(make("bert")), batch)


class Wild(Encoder):
    """A graph with a bound as low as the lowest number of float32."""

    hidden_size, max_length = 8, 64

    def __init__(self):
        super().__init__()
        self.register_buffer("lowest", torch.tensor([torch.finfo(torch.float32).min]))

    def forward(self, input_ids, attention_mask, length):
        states = input_ids.unsqueeze(-1).float() * torch.arange(8.0)
        return functional.layer_norm(torch.maximum(states, self.lowest), [8])


class Steep(Encoder):
    """A graph whose numbers are `slope` times as large as token ids, before they are brought down again."""

    hidden_size, max_length = 8, 64

    def __init__(self, slope):
        super().__init__()
        self.slope = slope

    def forward(self, input_ids, attention_mask, length):
        return functional.layer_norm(input_ids.unsqueeze(-1).float() * (self.slope * torch.arange(1.0, 9.0)), [8])


def test_without_calibration_half_precision_is_checked_on_made_up_ids(tmp_path):
    exporter = CoreMLExporter(sequence_length=24)
    with pytest.raises(ExportError, match=r"overflows on 'text \d+', of 32 made-up texts: "):
        exporter.export_package(Classifier(Steep(2000.0), (), "mean"), tmp_path / "model.mlpackage")
    assert list(tmp_path.iterdir()) == []
    exporter.export_package(Classifier(Steep(100.0), (), "mean"), tmp_path / "model.mlpackage")


def test_calibration_counts_as_it_is_masked(batch, tmp_path):
    low = TokenBatch(np.minimum(batch.input_ids, 60), batch.attention_mask)
    wild = TokenBatch(np.where(batch.attention_mask == 1, low.input_ids, 199).astype(np.int32), batch.attention_mask)
    model = Classifier(Steep(100.0), (), "mean")
    exporter = CoreMLExporter(sequence_length=24)
    exporter.export_package(model, tmp_path / "model.mlpackage", calibration=low)
    with pytest.raises(ExportError, match="overflows on .*, of 6 given texts"):
        exporter.export_package(model, tmp_path / "model.mlpackage", calibration=wild)
    # the program that finds the padding by its id is given the padding id there
    derived = CoreMLExporter(sequence_length=24, derive_mask=True)
    derived.export_package(model, tmp_path / "model.mlpackage", calibration=wild)


def test_calibration_that_does_not_fit_or_has_no_effect_is_refused(batch, tmp_path):
    model = Classifier(Steep(100.0), (), "mean")
    for exporter, calibration, message in (
        (CoreMLExporter(sequence_length=16), batch, r"calibration has the shape \[6, 24\]: give ids and mask, \[texts, 16\]"),
        (CoreMLExporter(sequence_length=24), batch.take(np.arange(0), 24), r"calibration has the shape \[0, 24\]"),
        (CoreMLExporter(sequence_length=24, precision="float32"), batch, "calibration is for half precision.*leave it out"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            exporter.export_package(model, tmp_path / "model.mlpackage", calibration=calibration)
    assert list(tmp_path.iterdir()) == []


def test_each_function_of_a_package_is_checked_on_the_texts_that_fit_it(batch, tmp_path):
    class Uneven(Steep):
        """In texts of 8 tokens its numbers are a hundred times as large."""

        def forward(self, input_ids, attention_mask, length):
            scaled = input_ids.float() * (100.0 if length == 8 else 1.0)
            return functional.layer_norm(scaled.unsqueeze(-1) * (self.slope * torch.arange(1.0, 9.0)), [8])

    exporter = CoreMLExporter(sequence_length=24, shorter_lengths=(8,), deployment_target="iOS18")
    with pytest.raises(ExportError, match=r"overflows on 'text \d', of 2 given texts"):
        exporter.export_package(Classifier(Uneven(10.0), (), "mean"), tmp_path / "model.mlpackage", calibration=batch)


def test_constant_beyond_half_precision_is_refused_by_name(tmp_path):
    classifier = Classifier(Wild(), (), "mean")
    with pytest.raises(ExportError, match=r"the constant \w+ is too large for its number type"):
        CoreMLExporter(sequence_length=8).export_package(classifier, tmp_path / "model.mlpackage")
    assert list(tmp_path.iterdir()) == []
    CoreMLExporter(sequence_length=8, precision="float32").export_package(classifier, tmp_path / "model.mlpackage")
