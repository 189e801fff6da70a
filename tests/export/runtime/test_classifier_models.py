"""Models that are classifiers: the operation `classify` of packages, networks and neighbours, with strings or integers."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from goalkit.errors import RuntimeModelError, TrainingError, UnsupportedOperationError
from goalkit.export import CorrectionGate, load_model, rehearse_update
from goalkit.export.coreml import coremltools, model_proto, quiet
from goalkit.export.package import write_model, write_package
from goalkit.export.runtime.loading import executable, read_spec
from goalkit.export.runtime.program import PACKAGE_DATA

ct = coremltools()
MATRIX = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1]])
LABELS = {"strings": ("健康", "学习", "工作"), "integers": (30, 10, 20)}
INPUT = [ct.TensorType(name="x", shape=(1, 4))]


def probabilities(x):
    return torch.softmax(functional.linear(x, MATRIX), -1)


@pytest.mark.parametrize("half", [False, True], ids=["single", "half"])
@pytest.mark.parametrize("kind", LABELS)
def test_a_package_with_a_classifier_configuration(save_program, kind, half):
    labels = LABELS[kind]
    path = save_program(probabilities, INPUT, half=half, classifier_config=ct.ClassifierConfig(list(labels)))
    model = load_model(path)
    assert model.labels == labels
    assert list(model.outputs) == ["classLabel", "classLabel_probs"]
    assert model.outputs["classLabel_probs"].shape == (3,)
    x = np.float32([[0, 3, 0, 0]])
    found = model.predict({"x": x})
    assert found["classLabel"] == labels[1]
    expected = probabilities(torch.from_numpy(x)).numpy()[0]
    np.testing.assert_allclose(found["classLabel_probs"], expected, atol=1e-3 if half else 1e-6)
    many = model.predict_many({"x": np.stack([x, x[:, ::-1]])})
    assert many["classLabel"].tolist() == [labels[1], labels[2]]
    assert many["classLabel_probs"].shape == (2, 3)
    assert isinstance(many["classLabel"].tolist()[0], type(labels[0]))
    none = model.predict_many({"x": np.zeros((0, 1, 4))})
    assert (none["classLabel"].shape, none["classLabel_probs"].shape) == ((0,), (0, 3))


def test_a_classifier_names_its_outputs_as_it_likes(save_program):
    config = ct.ClassifierConfig(["a", "b", "c"], predicted_feature_name="mood", predicted_probabilities_output="p")
    path = save_program(probabilities, INPUT, classifier_config=config, outputs=[ct.TensorType(name="p")])
    assert load_model(path).predict({"x": np.float32([[2, 0, 0, 0]])})["mood"] == "a"


def test_a_pipeline_that_ends_in_a_classifier_package(save_program, tmp_path):
    first = save_program(lambda x: x * 2, INPUT, outputs=[ct.TensorType(name="middle")], name="first.mlpackage")
    second = save_program(
        probabilities,
        [ct.TensorType(name="middle", shape=(1, 4))],
        classifier_config=ct.ClassifierConfig(["a", "b", "c"]),
        name="second.mlpackage",
    )
    spec = model_proto().Model(specificationVersion=7)
    spec.description.input.extend(read_spec(first).description.input)
    spec.description.output.extend(read_spec(second).description.output)
    spec.description.predictedFeatureName, spec.description.predictedProbabilitiesName = "classLabel", "classLabel_probs"
    spec.pipelineClassifier.pipeline.models.extend([read_spec(first), read_spec(second)])
    write_package(tmp_path / "pipeline.mlpackage", spec, second / PACKAGE_DATA / "weights" / "weight.bin")
    model = load_model(tmp_path / "pipeline.mlpackage")
    found = model.predict({"x": np.float32([[0, 1, 0, 0]])})
    assert (model.labels, found["classLabel"]) == (("a", "b", "c"), "b")
    assert found["classLabel_probs"].argmax() == 1


def test_as_many_classes_as_probabilities(save_program):
    path = save_program(probabilities, INPUT, classifier_config=ct.ClassifierConfig(["a", "b", "c"]))
    spec = read_spec(path)
    function = spec.mlProgram.functions["main"]
    operation = function.block_specializations[function.opset].operations[-1]
    del operation.inputs["classes"].arguments[0].value.immediateValue.list.values[2:]
    write_model(path / PACKAGE_DATA / "model.mlmodel", spec)
    with pytest.raises(RuntimeModelError, match=r"classify \(of classLabel\) does not fit .*2 classes"):
        load_model(path).predict({"x": np.zeros((1, 4))})


def network(labels):
    """A small updatable network classifier with an input `x` of 4."""
    datatypes, neural = ct.models.datatypes, ct.models.neural_network
    with quiet():
        builder = neural.NeuralNetworkBuilder([("x", datatypes.Array(4))], [("p", None)], mode="classifier")
        builder.add_inner_product("ip", MATRIX.numpy(), np.zeros(3), 4, 3, True, "x", "z")
        builder.add_softmax("s", "z", "p")
        builder.set_class_labels(list(labels), predicted_feature_name="label", prediction_blob="p")
        builder.make_updatable(["ip"])
        builder.set_categorical_cross_entropy_loss("loss", "p")
        builder.set_sgd_optimizer(neural.SgdParams(lr=0.5, batch=4))
        builder.set_epochs(5, [5])
    return builder.spec


def neighbours(default):
    with quiet():
        return ct.models.nearest_neighbors.KNearestNeighborsClassifierBuilder(
            input_name="x", output_name="label", number_of_dimensions=4, default_class_label=default, number_of_neighbors=1
        ).spec


@pytest.mark.parametrize("kind", LABELS)
def test_a_network_gives_its_label_and_probabilities(kind):
    model = executable(network(LABELS[kind]))
    found = model.predict({"x": np.float32([0, 0, 1, 0])})
    assert model.labels == LABELS[kind]
    assert found["label"] == LABELS[kind][2]
    np.testing.assert_allclose(found["p"], np.float32([1, 1, np.e]) / (2 + np.e), rtol=1e-5)


def test_a_network_may_give_its_label_alone():
    spec = network(LABELS["strings"])
    spec.description.predictedProbabilitiesName = ""
    del spec.description.output[0]
    assert [each.name for each in spec.description.output] == ["label"]
    assert executable(spec).predict({"x": np.float32([9, 0, 0, 0])}) == {"label": "健康"}


def test_a_network_with_another_output_is_refused():
    spec = network(LABELS["strings"])
    spec.description.output.add().CopyFrom(spec.description.input[0])
    spec.description.output[2].name = "z"
    with pytest.raises(UnsupportedOperationError, match="the output z of the classifier is neither its label nor"):
        executable(spec)


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("make", [network, lambda labels: neighbours(labels[0])], ids=["network", "neighbours"])
def test_heads_with_either_kind_of_labels_learn(kind, make):
    labels = LABELS[kind]
    spec = make(labels)
    points = np.float32([[0, 0, 0, 4], [0, 0, 0, 3], [4, 0, 0, 0]])
    taught = [labels[1], labels[1], labels[0]]
    rehearsal = rehearse_update(spec, points, taught, seeds=1)
    assert rehearsal.accuracies(points, taught).tolist() == [1.0]
    assert set(executable(rehearsal.updates[0].spec).labels) <= set(labels)
    assert len(CorrectionGate.around(spec, points, taught).corrections) == 2
    with pytest.raises(TrainingError, match=r"has no label ('其他'|5);|labels are (strings|integers), not"):
        rehearse_update(spec, points, ["其他" if kind == "integers" else 5] * 3)


def test_core_ml_itself_hands_out_probabilities_by_label(tmp_path, monkeypatch):
    """A stand-in for MLModel: the real one needs a Mac."""

    class MLModel:
        def __init__(self, path):
            pass

        def predict(self, inputs):
            return {"label": "学习", "p": {"工作": 0.1, "学习": 0.7, "健康": 0.2}}

    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr(ct.models, "MLModel", MLModel)
    write_model(tmp_path / "head.mlmodel", network(LABELS["strings"]))
    found = load_model(tmp_path / "head.mlmodel", native=True).predict({"x": np.zeros(4)})
    assert found["label"] == "学习"
    np.testing.assert_allclose(found["p"], [0.2, 0.7, 0.1], rtol=1e-6)
