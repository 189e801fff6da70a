"""Each test model breaks just one rule, and must be refused for that one."""

import pytest
from updatable_specs import copied, inner, network

from goalkit import UpdatableHeadBuilder
from goalkit.errors import RuntimeModelError, UpdatableModelError
from goalkit.export import validate_updatable, write_updatable_pipeline
from goalkit.export.coreml import model_proto
from goalkit.export.package import write_model
from goalkit.export.runtime.loading import read_spec
from goalkit.export.updatable import find_violations


@pytest.fixture(scope="module")
def heads(run):
    return {
        "sgd": UpdatableHeadBuilder(task="category").build(run.model).spec,
        "adam": UpdatableHeadBuilder(task="category", optimizer="adam").build(run.model).spec,
        "hidden": UpdatableHeadBuilder(task="category", hidden_size=16).build(run.model).spec,
    }


@pytest.fixture(scope="module")
def pipeline(exported, tmp_path_factory):
    return read_spec(write_updatable_pipeline(exported, "category", tmp_path_factory.mktemp("pipeline") / "Goal.mlpackage"))


def update(spec):
    return spec.neuralNetworkClassifier.updateParams


def sgd(spec):
    return update(spec).optimizer.sgdOptimizer


def adam(spec):
    return update(spec).optimizer.adamOptimizer


def not_updatable(spec):
    spec.isUpdatable = False


def old_version(spec):
    spec.specificationVersion = 3


def another_type(spec):
    spec.identity.SetInParent()


def nothing_updatable(spec):
    network(spec).layers[0].isUpdatable = False


def softmax_updatable(spec):
    network(spec).layers[-1].isUpdatable = True


def weights_unmarked(spec):
    inner(spec).weights.isUpdatable = False


def bias_unmarked(spec):
    inner(spec).bias.isUpdatable = False


def weights_quantised(spec):
    inner(spec).weights.quantization.numberOfBits = 8


def weights_in_half_precision(spec):
    count = len(inner(spec).weights.floatValue)
    inner(spec).weights.ClearField("floatValue")
    inner(spec).weights.float16Value = b"\0\0" * count
    inner(spec).hasBias = False


def names_collide(spec):
    update(spec).lossLayers[0].name = network(spec).layers[0].name


def no_loss(spec):
    del update(spec).lossLayers[:]


def two_losses(spec):
    loss = update(spec).lossLayers.add()
    loss.CopyFrom(update(spec).lossLayers[0])
    loss.name = "another"


def unknown_loss(spec):
    update(spec).lossLayers[0].ClearField("categoricalCrossEntropyLossLayer")


def loss_on_logits(spec):
    update(spec).lossLayers[0].categoricalCrossEntropyLossLayer.input = "logits"


def squares_of_nothing(spec):
    target = update(spec).lossLayers[0].categoricalCrossEntropyLossLayer.target
    update(spec).lossLayers[0].meanSquaredErrorLossLayer.target = target
    update(spec).lossLayers[0].meanSquaredErrorLossLayer.input = "nowhere"


def target_from_within(spec):
    update(spec).lossLayers[0].categoricalCrossEntropyLossLayer.target = "logits"


def no_optimizer(spec):
    update(spec).ClearField("optimizer")


def sgd_without(name):
    return lambda spec: sgd(spec).ClearField(name)


def adam_without(name):
    return lambda spec: adam(spec).ClearField(name)


def no_epochs(spec):
    update(spec).ClearField("epochs")


def zero_epochs(spec):
    update(spec).epochs.defaultValue = 0


def epochs_outside_the_set(spec):
    update(spec).epochs.defaultValue = 7


def negative_choice(spec):
    sgd(spec).miniBatchSize.set.values.insert(0, -1)


def batch_outside_the_range(spec):
    sgd(spec).miniBatchSize.range.minValue, sgd(spec).miniBatchSize.range.maxValue = 10, 20


def rate_outside_the_range(spec):
    sgd(spec).learningRate.defaultValue = 2


def beta_outside_the_range(spec):
    adam(spec).beta1.defaultValue = 1.5


def seed_outside_the_range(spec):
    update(spec).seed.range.minValue, update(spec).seed.range.maxValue = 5, 3


def one_training_input(spec):
    del spec.description.trainingInput[1:]


def nothing_shared(spec):
    spec.description.trainingInput[0].type.multiArrayType.shape[0] += 1


def target_missing(spec):
    spec.description.trainingInput[1].name = "something"


def target_of_another_type(spec):
    spec.description.trainingInput[1].type.int64Type.SetInParent()


def gelu_in_the_way(spec):
    network(spec).layers[1].activation.ELU.alpha = 1


@pytest.mark.parametrize(
    ("kind", "breaks", "rule"),
    [
        ("sgd", not_updatable, "is-updatable"),
        ("sgd", old_version, "specification-version"),
        ("sgd", another_type, "model-type"),
        ("sgd", nothing_updatable, "updatable-layers"),
        ("sgd", softmax_updatable, "updatable-layers"),
        ("sgd", weights_unmarked, "updatable-weights"),
        ("sgd", bias_unmarked, "updatable-weights"),
        ("sgd", weights_quantised, "updatable-weights"),
        ("sgd", weights_in_half_precision, "updatable-weights"),
        ("sgd", names_collide, "unique-names"),
        ("sgd", no_loss, "one-loss"),
        ("sgd", two_losses, "one-loss"),
        ("sgd", unknown_loss, "one-loss"),
        ("sgd", loss_on_logits, "loss-input"),
        ("sgd", squares_of_nothing, "loss-input"),
        ("sgd", target_from_within, "loss-target"),
        ("sgd", no_optimizer, "optimizer"),
        ("sgd", sgd_without("learningRate"), "optimizer"),
        ("sgd", sgd_without("miniBatchSize"), "optimizer"),
        *(("adam", adam_without(each), "optimizer") for each in ("learningRate", "miniBatchSize", "beta1", "beta2", "eps")),
        ("sgd", no_epochs, "epochs"),
        ("sgd", zero_epochs, "parameter-values"),
        ("sgd", epochs_outside_the_set, "parameter-values"),
        ("sgd", negative_choice, "parameter-values"),
        ("sgd", batch_outside_the_range, "parameter-values"),
        ("sgd", rate_outside_the_range, "parameter-values"),
        ("adam", beta_outside_the_range, "parameter-values"),
        ("sgd", seed_outside_the_range, "parameter-values"),
        ("sgd", one_training_input, "training-inputs"),
        ("sgd", nothing_shared, "training-inputs"),
        ("sgd", target_missing, "training-inputs"),
        ("sgd", target_of_another_type, "training-inputs"),
        ("hidden", gelu_in_the_way, "back-propagation"),
    ],
)
def test_a_broken_network_is_refused_for_its_rule(heads, tmp_path, kind, breaks, rule):
    spec = copied(heads[kind])
    assert find_violations(spec) == []
    breaks(spec)
    assert [each.rule for each in find_violations(spec)] == [rule]
    write_model(tmp_path / "broken.mlmodel", spec)
    with pytest.raises(UpdatableModelError, match=rf"broken.mlmodel cannot be updated on a device: {rule}: .*; correct"):
        validate_updatable(tmp_path / "broken.mlmodel")


def member(spec, position):
    return spec.pipelineClassifier.pipeline.models[position]


def pipeline_too_old(spec):
    spec.specificationVersion = 6


def program_too_old(spec):
    member(spec, 0).specificationVersion = 5


def pipeline_not_updatable(spec):
    spec.isUpdatable = False


def head_not_updatable(spec):
    member(spec, 1).isUpdatable = False


def another_updatable(spec):
    middle = spec.pipelineClassifier.pipeline.models.add()
    middle.CopyFrom(member(spec, 1))
    spec.pipelineClassifier.pipeline.names.append("third")


def input_unknown(spec):
    member(spec, 1).description.input[0].name = "vector"
    member(spec, 1).description.trainingInput[0].name = "vector"


def input_of_another_shape(spec):
    shape = member(spec, 0).description.output[0].type.multiArrayType.shape
    shape[0] += 1


def output_unknown(spec):
    spec.description.output.add(name="mood").type.stringType.SetInParent()


def output_of_another_type(spec):
    spec.description.output[0].type.int64Type.SetInParent()


def a_name_too_few(spec):
    del spec.pipelineClassifier.pipeline.names[1:]


def one_name_twice(spec):
    spec.pipelineClassifier.pipeline.names[1] = spec.pipelineClassifier.pipeline.names[0]


def nothing_to_train_with(spec):
    del spec.description.trainingInput[:2]


def nothing_to_learn(spec):
    del spec.description.trainingInput[2:]


def program_updatable(spec):
    member(spec, 0).isUpdatable = True


@pytest.mark.parametrize(
    ("breaks", "rules"),
    [
        (pipeline_too_old, {"specification-version"}),
        (program_too_old, {"specification-version"}),
        (pipeline_not_updatable, {"is-updatable", "pipeline-updatable-member"}),
        (head_not_updatable, {"pipeline-updatable-member"}),
        (another_updatable, {"pipeline-updatable-member"}),
        (program_updatable, {"pipeline-updatable-member", "model-type"}),
        (input_unknown, {"pipeline-features", "blobs"}),
        (input_of_another_shape, {"pipeline-features"}),
        (output_unknown, {"pipeline-features"}),
        (output_of_another_type, {"pipeline-features"}),
        (a_name_too_few, {"pipeline-names"}),
        (one_name_twice, {"pipeline-names"}),
        (nothing_to_train_with, {"pipeline-training-inputs"}),
        (nothing_to_learn, {"pipeline-training-inputs"}),
    ],
)
def test_a_broken_pipeline_is_refused_for_its_rule(pipeline, breaks, rules):
    assert find_violations(pipeline) == []
    spec = copied(pipeline)
    breaks(spec)
    assert {each.rule for each in find_violations(spec)} == rules


def test_violations_of_a_member_say_where_it_is(pipeline):
    spec = copied(pipeline)
    no_epochs(member(spec, 1))
    (violation,) = find_violations(spec)
    assert violation.message == "member 1 of the pipeline: the number of epochs is missing"


def test_an_empty_pipeline_is_refused():
    spec = model_proto().Model(specificationVersion=4, isUpdatable=True)
    spec.pipeline.SetInParent()
    assert {each.rule for each in find_violations(spec)} == {"features", "pipeline-features", "pipeline-training-inputs"}


def test_several_functions_leave_the_top_level_empty(heads):
    spec = copied(heads["sgd"])
    spec.specificationVersion = 9
    spec.description.functions.add().name = "main"
    messages = " ".join(each.message for each in find_violations(spec) if each.rule == "multi-function")
    for field in ("input", "output", "trainingInput", "predictedFeatureName", "predictedProbabilitiesName"):
        assert f"may not set {field} " in messages
    spec.specificationVersion = 8
    assert any("several functions need specificationVersion 9" in each.message for each in find_violations(spec))


def test_files_that_are_no_models_are_reported(tmp_path, exported):
    with pytest.raises(RuntimeModelError, match="cannot be read"):
        validate_updatable(tmp_path / "nowhere.mlmodel")
    whole = (exported.path / "GoalHead-category.mlmodel").read_bytes()
    (tmp_path / "cut.mlmodel").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RuntimeModelError, match="truncated or damaged"):
        validate_updatable(tmp_path / "cut.mlmodel")
    with pytest.raises(UpdatableModelError, match="model-type|is-updatable"):
        validate_updatable(exported.path / "GoalAnalyzer.mlpackage")
