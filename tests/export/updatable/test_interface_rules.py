"""Core ML's rules for what a model declares of itself: what is refused, and what is not.

Each verdict is that of Core ML's own source (coremltools, mlmodel/src/Validation and Comparison.cpp) unless it says otherwise.
"""

import pytest
from updatable_specs import array, assert_accepted, assert_refused, both_inputs, layers, named, network


def member(spec, position):
    return spec.pipelineClassifier.pipeline.models[position]


def from_the_future(spec):
    spec.specificationVersion = 11


def several_functions_in_a_network(spec):
    spec.specificationVersion = 9
    spec.description.defaultFunctionName = "main"


def no_input(spec):
    del spec.description.input[:]


def no_output(spec):
    del spec.description.output[:]


def input_without_a_name(spec):
    both_inputs(spec)[0].name = both_inputs(spec)[1].name = layers(spec)[0].input[0] = ""


def input_without_a_type(spec):
    for each in both_inputs(spec):
        each.ClearField("type")


def input_without_a_shape(spec):
    for each in both_inputs(spec):
        del array(each).shape[:]


def negative_shape(spec):
    for each in both_inputs(spec):
        array(each).shape[0] = -1


def half_precision_too_early(spec):
    for each in both_inputs(spec):
        array(each).dataType = 65552


def int8_too_early(spec):
    for each in both_inputs(spec):
        array(each).dataType = 131080


def unknown_number_type(spec):
    for each in both_inputs(spec):
        array(each).dataType = 0


def default_of_another_number_type(spec):
    for each in both_inputs(spec):
        array(each).intDefaultValue = 1


def dictionary_without_keys(spec):
    spec.description.output[0].type.dictionaryType.Clear()


def default_not_enumerated(spec):
    for each in both_inputs(spec):
        array(each).enumeratedShapes.shapes.add().shape.append(3)


def nothing_enumerated(spec):
    for each in both_inputs(spec):
        array(each).enumeratedShapes.shapes.add()


def default_out_of_range(spec):
    for each in both_inputs(spec):
        array(each).shapeRange.sizeRanges.add(lowerBound=1, upperBound=2)


def range_that_ends_before_it_begins(spec):
    for each in both_inputs(spec):
        array(each).shapeRange.sizeRanges.add(lowerBound=9, upperBound=2)


def ranges_of_another_rank(spec):
    for each in both_inputs(spec):
        array(each).shapeRange.sizeRanges.add(lowerBound=1, upperBound=-1)
        array(each).shapeRange.sizeRanges.add(lowerBound=1, upperBound=-1)


def the_only_input_is_optional(spec):
    spec.description.input[0].type.isOptional = True


def optional_output(spec):
    spec.description.output[0].type.isOptional = True


def default_value_too_early(spec):
    other = spec.description.input.add()
    other.CopyFrom(spec.description.input[0])
    other.name, other.type.isOptional = "other", True
    array(other).floatDefaultValue = 1


def no_labels(spec):
    network(spec).ClearField("ClassLabels")


def empty_labels(spec):
    del network(spec).stringClassLabels.vector[:]


def labels_of_another_type_than_their_output(spec):
    network(spec).int64ClassLabels.vector.extend([1, 2, 3, 4, 5])


def no_predicted_name(spec):
    spec.description.predictedFeatureName = ""


def probabilities_under_an_unknown_name(spec):
    spec.description.predictedProbabilitiesName = "mood"


def probabilities_that_are_a_label(spec):
    spec.description.output[0].type.stringType.SetInParent()


def optional_neighbours(spec):
    spec.description.input[0].type.isOptional = True


def neighbours_predict_what_is_no_output(spec):
    spec.description.predictedFeatureName = "mood"


def numbers_for_neighbours_with_words(spec):
    spec.description.output[0].type.int64Type.SetInParent()


def member_takes_another_rank(spec):
    for each in both_inputs(member(spec, 1)):
        array(each).shapeRange.sizeRanges.add(lowerBound=1, upperBound=-1)
        array(each).shapeRange.sizeRanges.add(lowerBound=1, upperBound=-1)


def pipeline_gives_other_keys(spec):
    for each in spec.description.output:
        if each.type.HasField("dictionaryType"):
            each.type.dictionaryType.int64KeyType.SetInParent()


REFUSED = [
    ("head", from_the_future, {"specification-version"}),
    ("head", several_functions_in_a_network, {"multi-function"}),
    ("head", no_input, {"features", "blobs", "training-inputs"}),
    ("head", no_output, {"features", "classifier", "training-inputs"}),
    ("head", input_without_a_name, {"features"}),
    ("head", input_without_a_type, {"features", "shape-mapping"}),
    ("head", input_without_a_shape, {"features"}),
    ("head", negative_shape, {"features"}),
    ("head", half_precision_too_early, {"features"}),
    ("head", int8_too_early, {"features"}),
    ("head", unknown_number_type, {"features"}),
    ("head", default_of_another_number_type, {"features"}),
    ("head", dictionary_without_keys, {"features"}),
    ("head", default_not_enumerated, {"features"}),
    ("head", nothing_enumerated, {"features"}),
    ("head", default_out_of_range, {"features"}),
    ("head", range_that_ends_before_it_begins, {"features"}),
    ("head", ranges_of_another_rank, {"features"}),
    ("head", the_only_input_is_optional, {"optional-features"}),
    ("head", optional_output, {"optional-features"}),
    ("head", default_value_too_early, {"optional-features"}),
    ("head", no_labels, {"classifier"}),
    ("head", empty_labels, {"classifier"}),
    ("head", labels_of_another_type_than_their_output, {"classifier"}),
    ("head", no_predicted_name, {"classifier", "blobs", "training-inputs"}),
    ("head", probabilities_under_an_unknown_name, {"classifier"}),
    ("head", probabilities_that_are_a_label, {"classifier"}),
    ("neighbours", optional_neighbours, {"optional-features"}),
    ("neighbours", neighbours_predict_what_is_no_output, {"classifier"}),
    ("neighbours", numbers_for_neighbours_with_words, {"classifier"}),
    ("pipeline", member_takes_another_rank, {"features", "pipeline-features"}),
    ("pipeline", pipeline_gives_other_keys, {"pipeline-features"}),
]


def input_with_a_range(spec):
    array(spec.description.input[0]).shapeRange.sizeRanges.add(lowerBound=1, upperBound=-1)


def training_input_with_enumerated_shapes(spec):
    feature = array(spec.description.trainingInput[0])
    feature.enumeratedShapes.shapes.add().shape.extend(feature.shape)


def another_input_that_is_optional(spec):
    other = spec.description.input.add()
    other.CopyFrom(spec.description.input[0])
    other.name, other.type.isOptional = "other", True
    given = spec.description.trainingInput.add()
    given.CopyFrom(other)
    given.type.isOptional = False


def optional_with_a_default(spec):
    another_input_that_is_optional(spec)
    spec.specificationVersion = 5
    array(spec.description.input[1]).floatDefaultValue = 0.5


def wrong_number_after_the_default(spec):
    values = network(spec).updateParams.epochs.set.values
    del values[:]
    values.extend([network(spec).updateParams.epochs.defaultValue, 0])


def negative_batch_after_the_default(spec):
    network(spec).updateParams.optimizer.sgdOptimizer.miniBatchSize.set.values.append(-1)


def half_precision_in_time(spec):
    spec.specificationVersion = 7
    half_precision_too_early(spec)


def another_description(spec):
    spec.description.trainingInput[0].shortDescription = "what is taught"


def probabilities_not_given(spec):
    spec.description.predictedProbabilitiesName = ""
    (place,) = (place for place, each in enumerate(spec.description.output) if each.name == "probabilities")
    del spec.description.output[place]


def neighbours_without_probabilities(spec):
    spec.description.predictedProbabilitiesName = ""


def member_takes_any_size(spec):
    for each in both_inputs(member(spec, 1)):
        array(each).shapeRange.sizeRanges.add(lowerBound=1, upperBound=-1)


def member_calls_optional_what_is_given(spec):
    member(spec, 0).description.input[0].type.isOptional = True


ACCEPTED = [
    ("head", input_with_a_range),
    ("head", training_input_with_enumerated_shapes),
    ("head", another_input_that_is_optional),
    ("head", optional_with_a_default),
    ("head", wrong_number_after_the_default),
    ("head", negative_batch_after_the_default),
    ("head", half_precision_in_time),
    ("head", another_description),
    ("head", probabilities_not_given),
    ("neighbours", neighbours_without_probabilities),
    ("pipeline", member_takes_any_size),
    ("pipeline", member_calls_optional_what_is_given),
]


@pytest.mark.parametrize(("kind", "breaks", "rules"), REFUSED, ids=named(REFUSED))
def test_a_model_is_refused_for_the_rules_it_breaks(updatable_models, tmp_path, kind, breaks, rules):
    assert_refused(updatable_models[kind], tmp_path, breaks, rules)


@pytest.mark.parametrize(("kind", "changes"), ACCEPTED, ids=named(ACCEPTED))
def test_what_core_ml_allows_is_not_refused(updatable_models, kind, changes):
    assert_accepted(updatable_models[kind], changes)
