"""Core ML's rules for neural networks that are updated on the device (UpdatableNeuralNetworkValidator.cpp)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from goalkit.export.updatable.comparison import same_type
from goalkit.export.updatable.layer_rules import kind_of, network_of
from goalkit.export.updatable.parameters import integer_errors, number_errors

TRAINABLE = ("convolution", "innerProduct", "uniDirectionalLSTM")
BACK_PROPAGABLE = (*TRAINABLE, "flatten", "pooling", "batchnorm")
BACK_PROPAGABLE_ACTIVATIONS = ("ReLU", "sigmoid", "tanh")
LOSSES = ("categoricalCrossEntropyLossLayer", "meanSquaredErrorLossLayer")
OPTIMIZER_NUMBERS = {"sgdOptimizer": ("learningRate",), "adamOptimizer": ("learningRate", "beta1", "beta2", "eps")}


def _loss(spec: Any) -> Any | None:
    """Return the loss of a network, as the message of its kind; None unless there is exactly one, of a known kind."""
    losses = network_of(spec).updateParams.lossLayers
    kind = losses[0].WhichOneof("LossLayerType") if len(losses) == 1 else None
    return getattr(losses[0], kind) if kind in LOSSES else None


def _producers(spec: Any) -> dict[str, Any]:
    return {blob: layer for layer in network_of(spec).layers for blob in layer.output}


def _updatable_layers(spec: Any) -> Iterator[str]:
    updatable = [layer for layer in network_of(spec).layers if layer.isUpdatable]
    if not updatable:
        yield "no layer is marked as updatable"
    for layer in updatable:
        if kind_of(layer) not in TRAINABLE:
            yield f"layer {layer.name} of kind {kind_of(layer)} cannot be trained, only {', '.join(TRAINABLE)}"


def _updatable_weights(spec: Any) -> Iterator[str]:
    for layer in network_of(spec).layers:
        if not layer.isUpdatable or kind_of(layer) not in ("convolution", "innerProduct"):
            continue
        message = getattr(layer, kind_of(layer))
        for name, weights in [("weights", message.weights), *([("bias", message.bias)] if message.hasBias else [])]:
            if weights.HasField("quantization"):
                yield f"{name} of layer {layer.name} are quantised; training needs them in float32"
            elif weights.float16Value:
                yield f"{name} of layer {layer.name} are in half precision; training needs them in float32"
            elif not weights.isUpdatable:
                yield f"{name} of layer {layer.name} are not marked as updatable"


def _unique_names(spec: Any) -> Iterator[str]:
    network = network_of(spec)
    names = [layer.name for layer in [*network.layers, *network.updateParams.lossLayers]]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"two layers or losses are called {name}"


def _one_loss(spec: Any) -> Iterator[str]:
    losses = network_of(spec).updateParams.lossLayers
    if len(losses) != 1:
        yield f"there are {len(losses)} losses, but there must be exactly one"
    elif _loss(spec) is None:
        yield f"loss {losses[0].name} is neither categorical cross entropy nor mean squared error"


def _loss_input(spec: Any) -> Iterator[str]:
    loss = _loss(spec)
    if loss is None:
        return
    producer = _producers(spec).get(loss.input)
    cross_entropy = network_of(spec).updateParams.lossLayers[0].HasField(LOSSES[0])
    if cross_entropy and (producer is None or kind_of(producer) != "softmax" or producer.output[0] != loss.input):
        yield f"the input {loss.input} of the cross entropy is not the output of a softmax"
    elif producer is None:
        yield f"no layer computes the input {loss.input} of the loss"


def _loss_target(spec: Any) -> Iterator[str]:
    loss = _loss(spec)
    if loss is not None and loss.target in _producers(spec):
        yield f"the target {loss.target} of the loss is computed by the network itself"


def _optimizer(spec: Any) -> Iterator[str]:
    optimizer = network_of(spec).updateParams.optimizer
    kind = optimizer.WhichOneof("OptimizerType")
    if kind is None:
        yield "there is no optimizer; it must be SGD or Adam"
        return
    message = getattr(optimizer, kind)
    for name in (*OPTIMIZER_NUMBERS[kind], "miniBatchSize"):
        if not message.HasField(name):
            yield f"{kind} lacks {name}"


def _epochs(spec: Any) -> Iterator[str]:
    if not network_of(spec).updateParams.HasField("epochs"):
        yield "the number of epochs is missing"


def _parameter_values(spec: Any) -> Iterator[str]:
    update = network_of(spec).updateParams
    if update.HasField("epochs"):
        yield from integer_errors("epochs", update.epochs)
    if update.HasField("seed"):
        yield from integer_errors("seed", update.seed, positive=False)
    kind = update.optimizer.WhichOneof("OptimizerType")
    if kind is not None:
        optimizer = getattr(update.optimizer, kind)
        for name in OPTIMIZER_NUMBERS[kind]:
            yield from number_errors(name, getattr(optimizer, name))
        if optimizer.HasField("miniBatchSize"):
            yield from integer_errors("miniBatchSize", optimizer.miniBatchSize)


def _training_inputs(spec: Any) -> Iterator[str]:
    description, loss = spec.description, _loss(spec)
    given = list(description.trainingInput)
    if len(given) < 2:
        yield "trainingInput needs at least two features, an input and the target"
        return
    inputs = {each.name: each.type for each in description.input}
    extra = [each for each in given if each.name not in inputs or not same_type(each.type, inputs[each.name])]
    if len(extra) == len(given):
        yield "trainingInput contains none of the inputs that are used for prediction"
        return
    targets = {loss.target} if loss is not None else set()
    outputs = {output.name: output.type for output in description.output}
    for each in extra:
        if spec.HasField("neuralNetworkClassifier") and each.name == description.predictedFeatureName in outputs:
            if not same_type(each.type, outputs[each.name]):
                yield f"trainingInput {each.name} does not have the type of the predicted label"
            targets.add(each.name)
    if loss is not None and not targets & {each.name for each in extra}:
        yield f"trainingInput lacks the target: {description.predictedFeatureName or loss.target}"


def _back_propagation(spec: Any) -> Iterator[str]:
    """Backwards from the loss, no updatable layer comes after a layer that gradients do not pass."""
    loss = _loss(spec)
    if loss is None:
        return
    producers, blocking, seen = _producers(spec), "", set()
    queue = deque([[loss.input]])
    below_cross_entropy = network_of(spec).updateParams.lossLayers[0].HasField(LOSSES[0])
    while queue:
        for blob in queue.popleft():
            layer = producers.get(blob)
            if layer is None or layer.name in seen:
                continue
            seen.add(layer.name)
            queue.append(list(layer.input))
            if layer.isUpdatable and blocking:
                yield f"gradients do not pass layer {blocking}, which is between the loss and the updatable layer {layer.name}"
                return
            if not _passes_gradients(layer) and not (below_cross_entropy and kind_of(layer) == "softmax"):
                blocking = layer.name
        below_cross_entropy = False


def _passes_gradients(layer: Any) -> bool:
    if kind_of(layer) == "activation":
        return layer.activation.WhichOneof("NonlinearityType") in BACK_PROPAGABLE_ACTIVATIONS
    return kind_of(layer) in BACK_PROPAGABLE


NETWORK_RULES: dict[str, Callable[[Any], Iterator[str]]] = {
    "updatable-layers": _updatable_layers,
    "updatable-weights": _updatable_weights,
    "unique-names": _unique_names,
    "one-loss": _one_loss,
    "loss-input": _loss_input,
    "loss-target": _loss_target,
    "optimizer": _optimizer,
    "epochs": _epochs,
    "parameter-values": _parameter_values,
    "training-inputs": _training_inputs,
    "back-propagation": _back_propagation,
}
