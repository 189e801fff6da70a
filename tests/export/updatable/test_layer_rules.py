"""Core ML's rules for the layers of a network and their weights: what is refused, and what is not.

Each verdict is that of Core ML's own source (coremltools, mlmodel/src/Validation and Comparison.cpp) unless it says otherwise.
"""

import pytest
from updatable_specs import array, assert_accepted, assert_refused, both_inputs, copied, inner, layers, named, network


def label_layer_unknown(spec):
    network(spec).labelProbabilityLayerName = "nobody"


def no_layers(spec):
    del layers(spec)[:]


def dangling_input(spec):
    layers(spec)[0].input[0] = "nobody"


def layers_out_of_order(spec):
    first = copied(layers(spec)[0])
    del layers(spec)[0]
    layers(spec).add().CopyFrom(first)


def made_twice(spec):
    again = layers(spec).add()
    again.CopyFrom(layers(spec)[0])
    again.name = "again"


def made_over_an_input(spec):
    again = layers(spec).add()
    again.CopyFrom(layers(spec)[0])
    again.name, again.output[0] = "again", "embedding"


def output_of_nobody(spec):
    spec.description.output.add().CopyFrom(spec.description.input[0])
    spec.description.output[2].name = "vector"


def weights_missing(spec):
    inner(spec).weights.ClearField("floatValue")


def a_weight_too_few(spec):
    del inner(spec).weights.floatValue[0]


def bias_too_long(spec):
    inner(spec).bias.floatValue.append(0)


def bias_missing(spec):
    inner(spec).bias.ClearField("floatValue")


def two_precisions(spec):
    inner(spec).bias.float16Value = b"\0\0" * len(inner(spec).bias.floatValue)
    inner(spec).bias.ClearField("floatValue")


def weights_in_two_forms(spec):
    inner(spec).weights.rawValue = b"\0"


def two_inputs_of_a_softmax(spec):
    layers(spec)[-1].input.append("embedding")


def layer_of_no_kind(spec):
    layers(spec)[1].ClearField("layer")


def activation_of_no_kind(spec):
    layers(spec)[1].activation.Clear()


def _convolution(spec, count):
    """The first layer as a convolution of 3 x 3, as is the default."""
    convolution = layers(spec)[0].convolution
    convolution.outputChannels, convolution.kernelChannels = 2, 4
    convolution.weights.floatValue.extend([0.0] * count)
    convolution.weights.isUpdatable = True
    convolution.valid.SetInParent()


def convolution_lacks_a_weight(spec):
    _convolution(spec, 2 * 4 * 9 - 1)


def convolution_without_padding(spec):
    _convolution(spec, 2 * 4 * 9)
    layers(spec)[0].convolution.ClearField("ConvolutionPaddingType")


def normalisation_without_mean(spec):
    normalisation = layers(spec)[1].batchnorm
    normalisation.channels = 2
    for weights in (normalisation.gamma, normalisation.beta, normalisation.variance):
        weights.floatValue.extend([1.0, 1.0])


def quantised_hidden_layer(spec, bits=8, **linear):
    """The first of two inner products, quantised and no longer updatable."""
    layer = layers(spec)[0]
    layer.isUpdatable = inner(spec).weights.isUpdatable = inner(spec).bias.isUpdatable = False
    count = len(inner(spec).weights.floatValue)
    inner(spec).weights.Clear()
    inner(spec).weights.rawValue = bytes(-(-bits * count // 8))
    inner(spec).weights.quantization.numberOfBits = bits
    for name, values in (linear or {"scale": [1.0]}).items():
        getattr(inner(spec).weights.quantization.linearQuantization, name).extend(values)


def a_byte_too_few(spec):
    quantised_hidden_layer(spec)
    inner(spec).weights.rawValue = inner(spec).weights.rawValue[:-1]


def nine_bits(spec):
    quantised_hidden_layer(spec, 9)


def two_scales_for_sixteen_rows(spec):
    quantised_hidden_layer(spec, scale=[1.0, 2.0])


def an_offset_too_many(spec):
    quantised_hidden_layer(spec, scale=[1.0], bias=[1.0, 2.0])


def a_short_table(spec):
    quantised_hidden_layer(spec, 4)
    inner(spec).weights.quantization.lookupTableQuantization.floatValue.extend([0.0] * 15)


def no_form_of_quantisation(spec):
    quantised_hidden_layer(spec)
    inner(spec).weights.quantization.ClearField("linearQuantization")


def new_layer_on_arrays_of_rank_5(spec):
    layer = layers(spec).add(name="new", input=["logits"], output=["shares"])
    layer.softmaxND.axis = -1


def image_mapping_alone(spec):
    network(spec).imageInputShapeMapping = 1


def rank_2_as_rank_5(spec):
    for each in both_inputs(spec):
        array(each).shape.insert(0, 1)


def softmax_of_a_vector(spec):
    network(spec).arrayInputShapeMapping = 1
    layers(spec)[-1].inputTensor.add(rank=1)


def ranks_that_disagree(spec):
    network(spec).arrayInputShapeMapping = 1
    layers(spec)[0].inputTensor.add(rank=2)


def ranks_and_sizes_that_disagree(spec):
    network(spec).arrayInputShapeMapping = 1
    layers(spec)[0].inputTensor.add(rank=1, dimValue=[1, 2])


REFUSED = [
    ("head", label_layer_unknown, {"blobs"}),
    ("head", no_layers, {"blobs", "updatable-layers", "loss-input"}),
    ("head", dangling_input, {"blobs"}),
    ("head", layers_out_of_order, {"blobs"}),
    ("head", made_twice, {"blobs"}),
    ("head", made_over_an_input, {"blobs"}),
    ("head", output_of_nobody, {"blobs"}),
    ("head", weights_missing, {"layer-contents"}),  # goalkit's own: Core ML's validator lets it pass
    ("head", bias_missing, {"layer-contents"}),  # goalkit's own, too
    ("head", a_weight_too_few, {"layer-contents"}),
    ("head", bias_too_long, {"layer-contents"}),
    ("head", two_precisions, {"layer-contents", "updatable-weights"}),
    ("head", weights_in_two_forms, {"layer-contents"}),
    ("head", two_inputs_of_a_softmax, {"layer-contents"}),
    ("hidden", layer_of_no_kind, {"layer-contents", "shape-mapping", "back-propagation"}),
    ("hidden", activation_of_no_kind, {"layer-contents", "back-propagation"}),
    ("head", convolution_lacks_a_weight, {"layer-contents"}),
    ("head", convolution_without_padding, {"layer-contents"}),
    ("hidden", normalisation_without_mean, {"layer-contents"}),
    ("hidden", a_byte_too_few, {"layer-contents"}),
    ("hidden", nine_bits, {"layer-contents"}),
    ("hidden", two_scales_for_sixteen_rows, {"layer-contents"}),
    ("hidden", an_offset_too_many, {"layer-contents"}),
    ("hidden", a_short_table, {"layer-contents"}),
    ("hidden", no_form_of_quantisation, {"layer-contents"}),
    ("head", new_layer_on_arrays_of_rank_5, {"shape-mapping"}),
    ("head", image_mapping_alone, {"shape-mapping"}),
    ("head", rank_2_as_rank_5, {"shape-mapping"}),
    ("head", softmax_of_a_vector, {"ranks"}),
    ("head", ranks_that_disagree, {"ranks"}),
    ("head", ranks_and_sizes_that_disagree, {"ranks"}),
]


def label_layer_not_named(spec):
    network(spec).labelProbabilityLayerName = ""


def four_bits_a_row(spec):
    quantised_hidden_layer(spec, 4, scale=[1.0] * 16, bias=[0.0] * 16)


def convolution_of_the_default_size(spec):
    _convolution(spec, 2 * 4 * 9)


def copied_over(spec):
    layers(spec).add(name="copy", input=["logits"], output=["logits"]).copy.SetInParent()
    network(spec).arrayInputShapeMapping = 1


def exact_ranks_that_fit(spec):
    network(spec).arrayInputShapeMapping = 1
    for each in both_inputs(spec):
        array(each).shape[:] = [1, 1, array(each).shape[0]]
    for layer in layers(spec):
        layer.inputTensor.add(rank=3, dimValue=[1, 1, 5])
        layer.outputTensor.add(rank=3)


ACCEPTED = [
    ("head", label_layer_not_named),
    ("head", convolution_of_the_default_size),
    ("head", copied_over),
    ("head", exact_ranks_that_fit),
    ("hidden", quantised_hidden_layer),
    ("hidden", four_bits_a_row),
]


@pytest.mark.parametrize(("kind", "breaks", "rules"), REFUSED, ids=named(REFUSED))
def test_a_model_is_refused_for_the_rules_it_breaks(updatable_models, tmp_path, kind, breaks, rules):
    assert_refused(updatable_models[kind], tmp_path, breaks, rules)


@pytest.mark.parametrize(("kind", "changes"), ACCEPTED, ids=named(ACCEPTED))
def test_what_core_ml_allows_is_not_refused(updatable_models, kind, changes):
    assert_accepted(updatable_models[kind], changes)
