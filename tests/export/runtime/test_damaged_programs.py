"""Programs that are damaged in just one place are reported, in one line that says what to do."""

import shutil

import numpy as np
import pytest

from goalkit.errors import RuntimeModelError
from goalkit.export import load_model
from goalkit.export.package import write_model
from goalkit.export.runtime.loading import read_spec

POINTS = np.random.default_rng(0).normal(size=(3, 20)).astype(np.float32)


def copied(spec):
    return type(spec).FromString(spec.SerializeToString())


def operations(spec):
    function = spec.mlProgram.functions["main"]
    return function.block_specializations[function.opset].operations


def operation(spec, kind):
    return next(each for each in operations(spec) if each.type == kind)


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
    ("damages", "message"),
    [
        (takes_nothing_known, r"gelu \(of \w+\) takes nobody, which no earlier operation produces: restore the file"),
        (takes_its_own_result, r"gelu \(of \w+\) takes \w+, which no earlier operation produces: restore the file"),
        (reversed_order, r"takes \w+.*, which no earlier operation produces: restore the file"),
        (result_of_nobody, "no operation produces the output y: restore the file or export again"),
        (parameter_missing, r"linear \(of \w+\) is missing a required argument: 'weight': restore the file"),
        (parameter_unknown, r"this form of softmax \(of \w+\), which got an unexpected .* 'temper': extend its"),
        (binding_missing, r"cannot be executed \(.*: restore it or export again"),
        (no_results, r"cannot be executed \(.*: restore it or export again"),
        (a_result_too_many, r"gelu \(of \w+\) does not fit"),
        (operation_unknown, r"does not know the operation gelato \(of \w+\): add a function"),
        (no_main, "there is no function 'main' in the package; it has other"),
        (no_functions, "there is no function 'main' in the package; it has none"),
        (opset_without_operations, r"'main' has no operations for its opset 'CoreML99', only for CoreML\d: restore the file"),
        (no_operations, "no operation produces the output y: restore the file"),
        (weight_is_a_string, r"linear \(of \w+\) does not fit"),
        (weight_turned, r"\w+ \(of \w+\) does not fit"),
        (weight_of_another_rank, "no complete weight at byte"),
        (weight_of_another_size, "no complete weight at byte"),
        (weight_elsewhere, "no complete weight at byte"),
        (weight_in_no_file, "none.bin cannot be read .*: restore the package"),
        (weight_of_an_unknown_type, "does not know constants of type UNUSED_TYPE"),
        (input_of_another_name, "the function 'main' takes x, the model declares z: restore the file"),
        (input_without_shape, "the input x declares no shape: restore the file"),
        (input_of_another_shape, r"x has the shape \[1, 20\], the model takes \[1, 19\]"),
        (output_of_another_shape, r"declares y as \[12\] but returns \[11\]: restore the file"),
        (no_outputs_of_that_name, "no operation produces the output z: restore the file"),
        (no_type, "does not execute models of type None"),
    ],
)
def test_a_damaged_program_is_reported(small_program, tmp_path, damages, message):
    package = shutil.copytree(small_program, tmp_path / "copy.mlpackage")
    file = next((package / "Data").rglob("*.mlmodel"))
    spec = read_spec(package)
    damages(spec)
    write_model(file, spec)
    with pytest.raises(RuntimeModelError, match=message) as raised:
        load_model(package).predict({"x": POINTS[:1]})
    assert "\n" not in str(raised.value)
    with pytest.raises(RuntimeModelError, match=message):
        load_model(package).predict_many({"x": POINTS[:, None]})
