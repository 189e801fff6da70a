import Foundation

/// What a bundle's model gives for a text.
public struct ModelOutput: Sendable, Equatable {
    /// The embedding, which heads take.
    public let embedding: [Float]
    /// The probabilities of each task's labels.
    public let probabilities: [String: [Float]]

    /// Creates an output.
    public init(embedding: [Float], probabilities: [String: [Float]]) {
        self.embedding = embedding
        self.probabilities = probabilities
    }
}

/// A bundle's model as shipped: Core ML on a phone, golden texts in tests.
public protocol TextModel: Sendable {
    /// Returns an output per text. Throws `CancellationError` if the task was cancelled in between.
    func outputs(for texts: [String]) async throws -> [ModelOutput]
}

/// Why a model cannot predict.
public enum TextModelError: LocalizedError, Equatable {
    /// The model does not have an output that the manifest promises.
    case missingOutput(String)
    /// An output has another size, or a number that is infinite or not a number.
    case unusableOutput(String)

    /// A sentence for the user.
    public var errorDescription: String? {
        switch self {
        case .missingOutput(let name): "The model does not give “\(name)”: install the model again."
        case .unusableOutput(let name): "The model's “\(name)” cannot be used on this phone: report it, with the model's name."
        }
    }
}
