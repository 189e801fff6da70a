"""Damaged files of every kind of model: each is executed to the shapes it declares, or told in an error of goalkit.

First damages with a name, then seeded random ones: bytes, and fields of the protobuf messages.
"""

import json
import random
import shutil

import numpy as np
import pytest
import torch
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn import functional

from goalkit.errors import GoalkitError, RuntimeModelError
from goalkit.export import CorrectionGate, load_model, rehearse_update, validate_updatable
from goalkit.export.coreml import coremltools, model_proto, quiet
from goalkit.export.package import model_bytes, write_model
from goalkit.export.runtime.loading import executable, read_spec
from goalkit.export.updatable import find_violations

WEIGHT, BIAS = torch.arange(240.0).reshape(12, 20) / 100, torch.arange(12.0)
WIDTH = 20
POINTS = np.random.default_rng(0).normal(size=(3, WIDTH)).astype(np.float32)


@pytest.fixture(scope="module")
def program(convert_program, tmp_path_factory):
    """A package: linear, gelu and softmax of `x` [1, 20], in half precision."""

    def function(x):
        hidden = functional.gelu(functional.linear(x, WEIGHT, BIAS))
        return torch.softmax(torch.cat([hidden[:, :3], hidden[:, 4:]], 1).reshape(11), 0)

    ct, path = coremltools(), tmp_path_factory.mktemp("damaged") / "model.mlpackage"
    inputs, outputs = [ct.TensorType(name="x", shape=(1, WIDTH))], [ct.TensorType(name="y", dtype=np.float32)]
    convert_program(path, function, inputs, outputs=outputs, half=True)
    assert load_model(path).predict({"x": POINTS[:1]})["y"].shape == (11,)
    return path


@pytest.fixture(scope="module")
def classifier(convert_program, tmp_path_factory):
    """A package that takes 1 to 4 rows of `x` and, if wanted, `z`, and classifies their sum."""
    ct, path = coremltools(), tmp_path_factory.mktemp("damaged") / "classifier.mlpackage"
    inputs = [
        ct.TensorType(name="x", shape=ct.Shape((ct.RangeDim(1, 4, default=2), WIDTH))),
        ct.TensorType(name="z", shape=(1, WIDTH), default_value=np.ones((1, WIDTH), np.float32)),
    ]
    convert_program(
        path,
        lambda x, z: torch.softmax(functional.linear((x + z).reshape(x.shape[0], WIDTH), WEIGHT[:3], BIAS[:3]).mean(0), 0),
        inputs,
        examples=[torch.ones(2, WIDTH), torch.ones(1, WIDTH)],
        classifier_config=ct.ClassifierConfig(["a", "b", "c"]),
    )
    return path


@pytest.fixture(scope="module")
def head():
    """An updatable network: two inner products with a ReLU between."""
    ct = coremltools()
    neural = ct.models.neural_network
    with quiet():
        builder = neural.NeuralNetworkBuilder([("x", ct.models.datatypes.Array(WIDTH))], [("p", None)], mode="classifier")
        builder.add_inner_product("first", WEIGHT.numpy(), BIAS.numpy(), WIDTH, 12, True, "x", "h")
        builder.add_activation("relu", "RELU", "h", "u")
        builder.add_inner_product("last", WEIGHT.numpy()[:3, :12], BIAS.numpy()[:3], 12, 3, True, "u", "z")
        builder.add_softmax("softmax", "z", "p")
        builder.set_class_labels(["a", "b", "c"], predicted_feature_name="label", prediction_blob="p")
        builder.make_updatable(["last"])
        builder.set_categorical_cross_entropy_loss("loss", "p")
        builder.set_sgd_optimizer(neural.SgdParams(lr=0.01, batch=2))
        builder.set_epochs(1, [1, 2])
    assert find_violations(builder.spec) == []
    return builder.spec


@pytest.fixture(scope="module")
def neighbours():
    with quiet():
        builder = coremltools().models.nearest_neighbors.KNearestNeighborsClassifierBuilder(
            input_name="x", output_name="label", number_of_dimensions=WIDTH, default_class_label="a", number_of_neighbors=1
        )
        builder.add_samples(POINTS, ["a", "b", "b"])
    return builder.spec


@pytest.fixture(scope="module")
def pipeline(head):
    """The head behind a head: both take `x`."""
    spec = model_proto().Model(specificationVersion=4)
    spec.description.CopyFrom(head.description)
    spec.description.ClearField("trainingInput")
    for name in ("one", "two"):
        spec.pipelineClassifier.pipeline.names.append(name)
        member = spec.pipelineClassifier.pipeline.models.add()
        member.CopyFrom(head)
        member.isUpdatable = False
    return spec


def copied(spec):
    return type(spec).FromString(spec.SerializeToString())


def operations(spec):
    function = spec.mlProgram.functions["main"]
    return function.block_specializations[function.opset].operations


def operation(spec, kind):
    return next(each for each in operations(spec) if each.type == kind)


def constant(spec, name):
    return next(each for each in operations(spec) if each.type == "const" and each.outputs[0].name.startswith(name))


def takes_nothing_known(spec):
    operation(spec, "gelu").inputs["x"].arguments[0].name = "nobody"


def takes_its_own_result(spec):
    gelu = operation(spec, "gelu")
    gelu.inputs["x"].arguments[0].name = gelu.outputs[0].name


def reversed_order(spec):
    found = operations(spec)
    backwards = [copied(each) for each in reversed(found)]
    del found[:]
    found.extend(backwards)


def result_of_nobody(spec):
    operations(spec)[-1].outputs[0].name = "another"


def parameter_missing(spec):
    del operation(spec, "linear").inputs["weight"]


def parameter_unknown(spec):
    operation(spec, "softmax").inputs["temper"].CopyFrom(operation(spec, "softmax").inputs["axis"])


def binding_missing(spec):
    del operation(spec, "gelu").inputs["x"].arguments[:]


def no_results(spec):
    del operation(spec, "gelu").outputs[:]


def a_result_too_many(spec):
    operation(spec, "gelu").outputs.add().name = "second"


def operation_unknown(spec):
    operation(spec, "gelu").type = "gelato"


def no_main(spec):
    program = spec.mlProgram
    program.functions["other"].CopyFrom(program.functions["main"])
    del program.functions["main"]


def no_functions(spec):
    spec.mlProgram.functions.clear()


def opset_without_operations(spec):
    spec.mlProgram.functions["main"].opset = "CoreML99"


def no_operations(spec):
    del operations(spec)[:]


def weight_is_a_string(spec):
    value = operation(spec, "linear").inputs["weight"].arguments[0]
    value.value.type.tensorType.dataType = 2
    value.value.immediateValue.tensor.strings.values.append("much")


def weight_turned(spec):
    sizes = _weight(spec).type.tensorType.dimensions
    sizes[0].constant.size, sizes[1].constant.size = sizes[1].constant.size, sizes[0].constant.size


def weight_of_another_rank(spec):
    del _weight(spec).type.tensorType.dimensions[1:]


def weight_of_another_size(spec):
    _weight(spec).type.tensorType.dimensions[0].constant.size = 13


def weight_elsewhere(spec):
    _weight(spec).blobFileValue.offset += 64


def weight_in_no_file(spec):
    _weight(spec).blobFileValue.fileName = "@model_path/weights/none.bin"


def weight_of_an_unknown_type(spec):
    _weight(spec).type.tensorType.dataType = 0


def _weight(spec):
    return next(
        each.attributes["val"]
        for each in operations(spec)
        if each.type == "const" and each.attributes["val"].WhichOneof("value") == "blobFileValue"
    )


def input_of_another_name(spec):
    spec.description.input[0].name = "z"


def input_without_shape(spec):
    del spec.description.input[0].type.multiArrayType.shape[:]


def input_of_another_shape(spec):
    spec.description.input[0].type.multiArrayType.shape[1] = 19


def output_of_another_shape(spec):
    spec.description.output[0].type.multiArrayType.shape[0] = 12


def no_outputs_of_that_name(spec):
    spec.description.output[0].name = "z"


def no_type(spec):
    spec.ClearField("mlProgram")


@pytest.mark.parametrize(
    ("damages", "told"),
    [
        (takes_nothing_known, r"gelu \(of \w+\) takes nobody, which nothing before it makes: restore the file"),
        (takes_its_own_result, r"gelu \(of \w+\) takes \w+, which nothing before it makes: restore the file"),
        (reversed_order, r"takes \w+.*, which nothing before it makes: restore the file"),
        (result_of_nobody, "no operation makes the output y: restore the file or export again"),
        (parameter_missing, r"linear \(of \w+\) lacks weight: restore the file"),
        (parameter_unknown, r"does not know temper of the operation softmax \(of \w+\): extend its function"),
        (binding_missing, "cannot be executed as it stands .*: restore it or export again"),
        (no_results, "cannot be executed as it stands .*: restore it or export again"),
        (a_result_too_many, r"gelu \(of \w+\) does not fit"),
        (operation_unknown, r"does not know the operation gelato \(of \w+\): add a function"),
        (no_main, "there is no function 'main' in the package; it has other"),
        (no_functions, "there is no function 'main' in the package; it has none"),
        (opset_without_operations, r"'main' has no operations for its opset 'CoreML99', only for CoreML\d: restore the file"),
        (no_operations, "no operation makes the output y: restore the file"),
        (weight_is_a_string, r"linear \(of \w+\) does not fit"),
        (weight_turned, r"\w+ \(of \w+\) does not fit"),
        (weight_of_another_rank, "no whole weight at byte"),
        (weight_of_another_size, "no whole weight at byte"),
        (weight_elsewhere, "no whole weight at byte"),
        (weight_in_no_file, "none.bin cannot be read .*: restore the package"),
        (weight_of_an_unknown_type, "does not know constants of type UNUSED_TYPE"),
        (input_of_another_name, "the function 'main' takes x, the model declares z: restore the file"),
        (input_without_shape, "the input x declares no shape: restore the file"),
        (input_of_another_shape, r"x has the shape \[1, 20\], the model takes \[1, 19\]"),
        (output_of_another_shape, r"declares y as \[12\] and makes \[11\]: restore the file"),
        (no_outputs_of_that_name, "no operation makes the output z: restore the file"),
        (no_type, "does not execute models of type None"),
    ],
)
def test_a_damaged_program_is_told(program, tmp_path, damages, told):
    package = shutil.copytree(program, tmp_path / "copy.mlpackage")
    file = next((package / "Data").rglob("*.mlmodel"))
    spec = read_spec(package)
    damages(spec)
    write_model(file, spec)
    with pytest.raises(RuntimeModelError, match=told) as raised:
        load_model(package).predict({"x": POINTS[:1]})
    assert "\n" not in str(raised.value)
    with pytest.raises(RuntimeModelError, match=told):
        load_model(package).predict_many({"x": POINTS[:, None]})


def no_manifest(package):
    (package / "Manifest.json").unlink()


def manifest_cut(package):
    (package / "Manifest.json").write_bytes((package / "Manifest.json").read_bytes()[:40])


def manifest_of_another_kind(package):
    (package / "Manifest.json").write_text("[]")


def manifest_without_model(package):
    manifest = json.loads((package / "Manifest.json").read_text())
    manifest["rootModelIdentifier"] = "none"
    (package / "Manifest.json").write_text(json.dumps(manifest))


def model_missing(package):
    next(package.rglob("*.mlmodel")).unlink()


def model_empty(package):
    next(package.rglob("*.mlmodel")).write_bytes(b"")


def model_is_text(package):
    next(package.rglob("*.mlmodel")).write_text("not a model at all")


def weights_missing(package):
    next(package.rglob("weight.bin")).unlink()


def weights_empty(package):
    next(package.rglob("weight.bin")).write_bytes(b"")


def weights_cut(package):
    weights = next(package.rglob("weight.bin"))
    weights.write_bytes(weights.read_bytes()[:100])


def weights_are_a_folder(package):
    weights = next(package.rglob("weight.bin"))
    weights.unlink()
    weights.mkdir()


def nothing_left(package):
    shutil.rmtree(package)
    package.mkdir()


@pytest.mark.parametrize(
    ("damages", "told"),
    [
        (no_manifest, "has no Manifest.json: give a whole .mlpackage, not the folder around it nor a compiled .mlmodelc"),
        (manifest_cut, "Manifest.json cannot be executed as it stands .*: restore it or export again"),
        (manifest_of_another_kind, "Manifest.json cannot be executed as it stands .*: restore it or export again"),
        (manifest_without_model, "Manifest.json cannot be executed as it stands .*: restore it or export again"),
        (model_missing, "cannot be read .*: check the path or export again"),
        (model_empty, "is empty or not a Core ML model: restore it or export again"),
        (model_is_text, "restore it or export again"),
        (weights_missing, "weight.bin cannot be read .*: restore the package or export again"),
        (weights_empty, "weight.bin cannot be read .*: restore the package or export again"),
        (weights_cut, "weight.bin is truncated or damaged: .*; restore the package or export again"),
        (weights_are_a_folder, "weight.bin cannot be read .*: restore the package or export again"),
        (nothing_left, "has no Manifest.json"),
    ],
)
def test_a_damaged_package_is_told(program, tmp_path, damages, told):
    package = shutil.copytree(program, tmp_path / "copy.mlpackage")
    damages(package)
    with pytest.raises(RuntimeModelError, match=rf"copy.mlpackage.* ?{told}"):
        load_model(package)


def test_a_package_keeps_its_model_where_its_manifest_says(program, tmp_path):
    package = shutil.copytree(program, tmp_path / "copy.mlpackage")
    file = next(package.rglob("*.mlmodel"))
    file.rename(file.with_name("renamed.mlmodel"))
    manifest = json.loads((package / "Manifest.json").read_text())
    manifest["itemInfoEntries"][manifest["rootModelIdentifier"]]["path"] = "com.apple.CoreML/renamed.mlmodel"
    (package / "Manifest.json").write_text(json.dumps(manifest))
    assert load_model(package).predict({"x": POINTS[:1]})["y"].shape == (11,)


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
    ("damages", "told"),
    [
        (dangling, r"the layer last takes nobody, not what is made before it \(u\)"),
        (no_layers, r"there are 3 labels for results of shape \[20\]: restore the file"),
        (widths_differ, "cannot be executed as it stands .*: restore it or export again"),
        (no_labels, "the output p is of type dictionary"),
        (a_label_too_many, r"there are 4 labels for results of shape \[3\]: restore the file"),
        (no_activation, "does not know the layer relu of kind activation"),
        (layer_without_a_kind, "does not know the layer relu of kind None"),
    ],
)
def test_a_damaged_network_is_told(head, tmp_path, damages, told):
    spec = copied(head)
    damages(spec)
    write_model(tmp_path / "head.mlmodel", spec)
    with pytest.raises(RuntimeModelError, match=told):
        load_model(tmp_path / "head.mlmodel").predict({"x": POINTS[0]})


@pytest.mark.parametrize("damages", [dangling, no_layers, widths_differ, no_labels, layer_without_a_kind])
def test_a_damaged_head_is_told_when_its_training_is_rehearsed(head, tmp_path, damages):
    spec = copied(head)
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
    ("damages", "told"),
    [
        (
            member_takes_what_nobody_makes,
            "member 1 of the pipeline takes nobody, which nothing before it makes: restore the file",
        ),
        (output_that_nobody_makes, "no member of the pipeline makes its output mood: restore the file"),
        (no_members, "the output p is of type dictionary"),
        (damaged_member, "the layer last takes nobody"),
    ],
)
def test_a_damaged_pipeline_is_told(pipeline, tmp_path, damages, told):
    spec = copied(pipeline)
    assert executable(spec).predict({"x": POINTS[0]})["p"].shape == (3,)
    damages(spec)
    write_model(tmp_path / "pipeline.mlmodel", spec)
    with pytest.raises(RuntimeModelError, match=rf"pipeline.mlmodel: {told}"):
        load_model(tmp_path / "pipeline.mlmodel")


def test_what_a_caller_gives_is_not_blamed_on_the_file(program, head, tmp_path):
    write_model(tmp_path / "head.mlmodel", head)
    model = load_model(program)
    for call in (
        lambda: model.predict({"x": [[1.0], [2.0, 3.0]]}),
        lambda: model.predict({"x": [["much"] * WIDTH]}),
        lambda: rehearse_update(tmp_path / "head.mlmodel", [["much"]], ["a"]),
        lambda: CorrectionGate.around(tmp_path / "head.mlmodel", [["much"]], ["a"]),
    ):
        with pytest.raises(ValueError, match=r"inhomogeneous|could not convert"):
            call()
    with pytest.raises(TypeError):
        load_model(5)


# -- random damages ----------------------------------------------------------------------------------------------------------


def use(path):
    """Do everything with a file that reads it, and hold what comes back to what the file declares."""
    told = []
    calls = (
        lambda: _executed(path),
        lambda: validate_updatable(path),
        lambda: rehearse_update(path, POINTS, ["a", "b", "b"], seeds=1),
        lambda: CorrectionGate.around(path, POINTS, ["a", "b", "b"]),
    )
    for call in calls:
        try:
            call()
        except GoalkitError as fault:
            told.append(str(fault))
    assert all("\n" not in each and len(each) > 20 for each in told)
    return len(calls) - len(told)


def _executed(path):
    model = load_model(path)
    given = {name: np.resize(POINTS, (2, *feature.shape)) for name, feature in model.inputs.items()}
    for outputs, shape in (
        (model.predict({name: array[0] for name, array in given.items()}), ()),
        (model.predict_many(given), (2,)),
    ):
        assert set(outputs) == set(model.outputs)
        for key, each in model.outputs.items():
            assert outputs[key].shape == (*shape, *each.shape) or not each.shape
            assert outputs[key].dtype.kind == np.dtype(each.dtype).kind


def mutated(message, choose):
    """Change one field somewhere in a protobuf message: drop it, double it, or put a near or far value in its place."""
    while True:
        fields = message.ListFields()
        if not fields:
            message.ParseFromString(b"") if choose.random() < 0.5 else message.SetInParent()
            return
        field, value = choose.choice(fields)
        if choose.random() < 0.1:
            message.ClearField(field.name)
            return
        if _is_map(field):
            key = choose.choice(sorted(value))
            if choose.random() < 0.1 or not hasattr(value[key], "ListFields"):
                del value[key]
                return
            message = value[key]
        elif field.is_repeated:
            place = choose.randrange(len(value))
            action = choose.random()
            if action < 0.1:
                del value[place]
                return
            if action < 0.2:
                value.append(value[place])
                return
            if field.type != FieldDescriptor.TYPE_MESSAGE:
                value[place] = _other(field, value[place], choose)
                return
            message = value[place]
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            message = value
        else:
            setattr(message, field.name, _other(field, value, choose))
            return


def _is_map(field):
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _other(field, value, choose):
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return choose.choice(["", "x", "y", "p", "label", "z" + value, value[:-1]])
    if isinstance(value, bytes):
        return choose.choice([b"", value[:-1], value + b"\0", value[::-1]])
    if field.type == FieldDescriptor.TYPE_ENUM:
        return choose.choice([each.number for each in field.enum_type.values])
    if isinstance(value, float):
        return choose.choice([0.0, -value, 1e30, float("nan"), float("inf")])
    unsigned = field.type in (FieldDescriptor.TYPE_UINT64, FieldDescriptor.TYPE_UINT32)
    return max(0 if unsigned else -9, choose.choice([0, 1, 2, 7, value - 1, value + 1, 2 * value, -value]))


def damaged(examples):
    return settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


KINDS = ["program", "classifier", "head", "neighbours", "pipeline"]


@pytest.fixture(scope="module")
def rewritten(program, classifier, head, neighbours, pipeline, tmp_path_factory):
    """Write other bytes in place of a whole model's."""
    folder = tmp_path_factory.mktemp("rewritten")
    specs = {"head": head, "neighbours": neighbours, "pipeline": pipeline}
    for kind, package in (("program", program), ("classifier", classifier)):
        shutil.copytree(package, folder / kind)
        specs[kind] = read_spec(package)

    def write(kind, data):
        path = folder / kind
        (next(path.rglob("*.mlmodel")) if path.is_dir() else path).write_bytes(data)
        return path

    return specs, write


@pytest.mark.parametrize("kind", KINDS)
@damaged(80)
@given(seed=st.integers(0, 2**32))
def test_changed_fields_are_executed_or_told(rewritten, kind, seed):
    specs, write = rewritten
    choose, spec = random.Random(seed), copied(specs[kind])
    for _ in range(choose.choice([1, 1, 1, 3])):
        mutated(spec, choose)
    use(write(kind, model_bytes(spec)))


@pytest.mark.parametrize("kind", KINDS)
@damaged(80)
@given(seed=st.integers(0, 2**32))
def test_changed_bytes_are_executed_or_told(rewritten, kind, seed):
    specs, write = rewritten
    choose, data = random.Random(seed), bytearray(model_bytes(specs[kind]))
    action, place = choose.randrange(3), choose.randrange(len(data))
    if action == 0:
        del data[place:]
    elif action == 1:
        del data[place : place + choose.randrange(1, 40)]
    else:
        for _ in range(choose.choice([1, 1, 8])):
            data[choose.randrange(len(data))] ^= 1 << choose.randrange(8)
    use(write(kind, bytes(data)))


@damaged(30)
@given(seed=st.integers(0, 2**32))
def test_changed_weight_files_are_executed_or_told(rewritten, program, seed):
    specs, write = rewritten
    choose, data = random.Random(seed), bytearray(next(program.rglob("weight.bin")).read_bytes())
    path = write("program", model_bytes(specs["program"]))
    if choose.random() < 0.3:
        del data[choose.randrange(len(data)) :]
    for _ in range(min(len(data), 4)):
        data[choose.randrange(len(data))] ^= 1 << choose.randrange(8)
    next(path.rglob("weight.bin")).write_bytes(data)
    use(path)


@pytest.mark.parametrize(
    ("kind", "works"), [("program", 1), ("classifier", 1), ("head", 4), ("neighbours", 4), ("pipeline", 2)]
)
def test_undamaged_files_are_executed(rewritten, program, kind, works):
    """The checks above would pass on anything if the files they start from did not work."""
    specs, write = rewritten
    path = write(kind, model_bytes(specs[kind]))
    if kind == "program":
        shutil.copyfile(next(program.rglob("weight.bin")), next(path.rglob("weight.bin")))
    assert use(path) == works
