"""Networks and pipelines that are damaged in just one place, and callers who pass wrong arguments."""

import numpy as np
import pytest

from goalkit.errors import GoalkitError, RuntimeModelError
from goalkit.export import CorrectionGate, load_model, rehearse_update
from goalkit.export.package import write_model
from goalkit.export.runtime.loading import executable

POINTS = np.random.default_rng(0).normal(size=(3, 20)).astype(np.float32)


def copied(spec):
    return type(spec).FromString(spec.SerializeToString())


def dangling(spec):
    spec.neuralNetworkClassifier.layers[2].input[0] = "nobody"


def no_layers(spec):
    del spec.neuralNetworkClassifier.layers[:]


def widths_differ(spec):
    inner = spec.neuralNetworkClassifier.layers[2].innerProduct
    inner.inputChannels, inner.outputChannels = 9, 4
    inner.bias.floatValue.append(0)


def no_labels(spec):
    spec.neuralNetworkClassifier.ClearField("ClassLabels")


def a_label_too_many(spec):
    spec.neuralNetworkClassifier.stringClassLabels.vector.append("d")


def no_activation(spec):
    spec.neuralNetworkClassifier.layers[1].activation.Clear()


def layer_without_a_kind(spec):
    spec.neuralNetworkClassifier.layers[1].ClearField("layer")


@pytest.mark.parametrize(
    ("damages", "message"),
    [
        (dangling, "the layer last takes nobody instead of the preceding u"),
        (no_layers, r"there are 3 labels for results of shape \[20\]: restore the file"),
        (widths_differ, r"cannot be executed \(.*: restore it or export again"),
        (no_labels, "the output p is of type dictionary"),
        (a_label_too_many, r"there are 4 labels for results of shape \[3\]: restore the file"),
        (no_activation, "does not know the layer relu of kind activation"),
        (layer_without_a_kind, "does not know the layer relu of kind None"),
    ],
)
def test_a_damaged_network_is_reported(small_head, tmp_path, damages, message):
    spec = copied(small_head)
    damages(spec)
    write_model(tmp_path / "head.mlmodel", spec)
    with pytest.raises(RuntimeModelError, match=message):
        load_model(tmp_path / "head.mlmodel").predict({"x": POINTS[0]})


@pytest.mark.parametrize("damages", [dangling, no_layers, widths_differ, no_labels, layer_without_a_kind])
def test_a_damaged_head_is_reported_when_its_training_is_rehearsed(small_head, tmp_path, damages):
    spec = copied(small_head)
    damages(spec)
    write_model(tmp_path / "head.mlmodel", spec)
    with pytest.raises(GoalkitError, match="head.mlmodel"):
        rehearse_update(tmp_path / "head.mlmodel", POINTS, ["a", "b", "c"])
    with pytest.raises(GoalkitError, match=r"head.mlmodel|the model"):
        CorrectionGate.around(tmp_path / "head.mlmodel", POINTS, ["a", "b", "c"])


def member_takes_what_nobody_makes(spec):
    member = spec.pipelineClassifier.pipeline.models[1]
    member.description.input[0].name = member.neuralNetworkClassifier.layers[0].input[0] = "nobody"


def output_that_nobody_makes(spec):
    spec.description.output[1].name = "mood"


def no_members(spec):
    del spec.pipelineClassifier.pipeline.models[:]


def damaged_member(spec):
    dangling(spec.pipelineClassifier.pipeline.models[1])


@pytest.mark.parametrize(
    ("damages", "message"),
    [
        (
            member_takes_what_nobody_makes,
            "member 1 of the pipeline takes nobody, which no earlier member produces: restore the file",
        ),
        (output_that_nobody_makes, "no member of the pipeline produces its output mood: restore the file"),
        (no_members, "the output p is of type dictionary"),
        (damaged_member, "the layer last takes nobody"),
    ],
)
def test_a_damaged_pipeline_is_reported(small_pipeline, tmp_path, damages, message):
    spec = copied(small_pipeline)
    assert executable(spec).predict({"x": POINTS[0]})["p"].shape == (3,)
    damages(spec)
    write_model(tmp_path / "pipeline.mlmodel", spec)
    with pytest.raises(RuntimeModelError, match=rf"pipeline.mlmodel: {message}"):
        load_model(tmp_path / "pipeline.mlmodel")


def test_what_a_caller_gives_is_not_blamed_on_the_file(small_program, small_head, tmp_path):
    write_model(tmp_path / "head.mlmodel", small_head)
    model = load_model(small_program)
    for call in (
        lambda: model.predict({"x": [[1.0], [2.0, 3.0]]}),
        lambda: model.predict({"x": [["much"] * 20]}),
        lambda: rehearse_update(tmp_path / "head.mlmodel", [["much"]], ["a"]),
        lambda: CorrectionGate.around(tmp_path / "head.mlmodel", [["much"]], ["a"]),
    ):
        with pytest.raises(ValueError, match=r"inhomogeneous|could not convert"):
            call()
    with pytest.raises(TypeError):
        load_model(5)
