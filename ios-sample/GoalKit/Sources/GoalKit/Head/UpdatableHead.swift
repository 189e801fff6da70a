import Foundation

/// A task's head from its `.mlmodel` file: what maps an embedding to the probabilities of labels, and can learn.
///
/// It is computed here as Core ML computes it: for systems without Core ML, and where training with it fails.
public struct UpdatableHead: Sendable {
    /// The labels in the order of their probabilities, spare slots last.
    public let labels: [String]
    /// How it learns.
    public let training: TrainingSettings

    var layers: [HeadLayer]
    private let file: ProtobufMessage

    /// Numbers that the protocol buffers of Core ML give to fields (`Model.proto`, `NeuralNetwork.proto`).
    private enum Field {
        static let classifier = 403
        static let (layers, update, stringLabels) = (1, 10, 100)
        static let (name, input, output, updatable, activation, product, softmax) = (1, 2, 3, 10, 130, 140, 175)
        static let (inputs, outputs, hasBias, weights, bias, quantized) = (1, 2, 10, 20, 21, 22)
        static let relu = 10
        static let floats = 1
    }

    /// Reads the contents of an `.mlmodel` file.
    ///
    /// - Throws: `HeadError`, if it is damaged or has other parts than a head that goalkit exports.
    public init(contentsOf data: Data) throws {
        file = try ProtobufMessage(Array(data))
        guard let network = try file.message(Field.classifier) else { throw HeadError.unsupported("another kind of model") }
        labels = try network.message(Field.stringLabels)?.strings(1) ?? []
        guard let update = try network.message(Field.update) else { throw HeadError.unsupported("no settings for training") }
        training = try TrainingSettings(update)
        var blob: [String]?
        layers = try network.messages(Field.layers).map { message in
            let name = try message.strings(Field.name).last ?? ""
            let entered = try message.strings(Field.input)
            guard blob == nil || blob == entered else { throw HeadError.unsupported("a branch at \(name)") }
            blob = try message.strings(Field.output)
            return try Self.layer(message, name: name)
        }
        try checkShape()
    }

    /// Numbers in an embedding.
    public var embeddingSize: Int { layers.lazy.compactMap(\.product).first?.inputs ?? 0 }

    /// Returns the probability of each label for an embedding.
    public func probabilities(_ embedding: [Float]) -> [Float] {
        layers.reduce(embedding) { $1.forward($0) }
    }

    /// Returns the most probable label for an embedding, the first of several.
    public func label(_ embedding: [Float]) -> String {
        Prediction.Answer(labels: labels, probabilities: probabilities(embedding)).best.label
    }

    /// The names of the layers that learn, first to last.
    var updatableLayers: [String] { layers.compactMap(\.product).filter(\.updatable).map(\.name) }

    /// Returns this head with the weights and biases that other code, such as Core ML, has learned.
    ///
    /// - Throws: `HeadError.damaged` if a layer that learns is missing, or has another size or a number that is not finite.
    func with(_ learned: [String: LearnedLayer]) throws -> UpdatableHead {
        var head = self
        head.layers = try layers.map { layer in
            guard var product = layer.product, product.updatable else { return layer }
            guard let new = learned[product.name], new.weight.count == product.weight.count,
                new.bias.count == product.bias.count, (new.weight + new.bias).allSatisfy(\.isFinite)
            else { throw HeadError.damaged }
            (product.weight, product.bias) = (new.weight, new.bias)
            return .product(product)
        }
        return head
    }

    /// The contents of an `.mlmodel` file with the present weights.
    public func data() throws -> Data {
        var file = file
        guard var network = try file.message(Field.classifier) else { throw HeadError.damaged }
        let written = try zip(network.messages(Field.layers), layers).map { message, layer -> [UInt8] in
            guard let product = layer.product, product.updatable, let saved = try message.message(Field.product) else {
                return message.serialized
            }
            var (message, parameters) = (message, saved)
            parameters.replace(Field.weights, with: [try Self.written(product.weight, saved.message(Field.weights))])
            if try saved.integer(Field.hasBias) == 1 {
                parameters.replace(Field.bias, with: [try Self.written(product.bias, saved.message(Field.bias))])
            }
            message.replace(Field.product, with: [parameters.serialized])
            return message.serialized
        }
        network.replace(Field.layers, with: written)
        file.replace(Field.classifier, with: [network.serialized])
        return Data(file.serialized)
    }

    /// Checks N embeddings with their labels, and returns the position of each label. Throws `HeadError`.
    func targets(_ embeddings: [[Float]], _ labels: [String]) throws -> [Int] {
        guard !embeddings.isEmpty else { throw HeadError.noExamples }
        guard embeddings.count == labels.count else {
            throw HeadError.countsDiffer(examples: embeddings.count, labels: labels.count)
        }
        for (number, embedding) in embeddings.enumerated() {
            guard embedding.count == embeddingSize else { throw HeadError.wrongSize(embedding.count, wanted: embeddingSize) }
            guard embedding.allSatisfy(\.isFinite) else { throw HeadError.notFinite(example: number) }
        }
        return try labels.map { label in
            guard let target = self.labels.firstIndex(of: label) else { throw HeadError.unknownLabel(label) }
            return target
        }
    }

    private func checkShape() throws {
        var width: Int?
        for layer in layers.compactMap(\.product) {
            guard width == nil || width == layer.inputs else { throw HeadError.damaged }
            width = layer.outputs
        }
        guard width == labels.count, labels.count > 1, Set(labels).count == labels.count else { throw HeadError.damaged }
        guard case .softmax = layers.last, case .product = layers.first else { throw HeadError.unsupported("other layers") }
        for layer in layers.dropLast() {
            if case .softmax = layer { throw HeadError.unsupported("a softmax inside") }
        }
    }

    private static func layer(_ message: ProtobufMessage, name: String) throws -> HeadLayer {
        if let product = try message.message(Field.product) {
            let (rows, columns) = (try product.integer(Field.outputs), try product.integer(Field.inputs))
            guard try product.integer(Field.quantized) == 0 else { throw HeadError.unsupported("quantised inputs of \(name)") }
            let hasBias = try product.integer(Field.hasBias) == 1
            let weight = try product.message(Field.weights)?.floats(Field.floats) ?? []
            let bias = hasBias ? try product.message(Field.bias)?.floats(Field.floats) ?? [] : []
            guard (1...100_000).contains(rows), (1...100_000).contains(columns), weight.count == rows * columns,
                !hasBias || bias.count == rows, (weight + bias).allSatisfy(\.isFinite)
            else { throw HeadError.damaged }
            return .product(
                InnerProduct(
                    name: name, weight: weight, bias: hasBias ? bias : Array(repeating: 0, count: rows), inputs: columns,
                    updatable: try message.integer(Field.updatable) == 1))
        }
        if try message.message(Field.softmax) != nil { return .softmax }
        if try message.message(Field.activation)?.message(Field.relu) != nil { return .relu }
        throw HeadError.unsupported("layer \(name)")
    }

    private static func written(_ numbers: [Float], _ saved: ProtobufMessage?) throws -> [UInt8] {
        guard var saved else { throw HeadError.damaged }
        saved.replace(
            Field.floats,
            with: [numbers.flatMap { number in (0..<4).map { UInt8(truncatingIfNeeded: number.bitPattern >> (8 * $0)) } }])
        return saved.serialized
    }
}

/// What a layer has learned: its weights, row by row, and its biases.
struct LearnedLayer: Sendable, Equatable {
    let weight: [Float]
    let bias: [Float]
}
