/// Limits the reach of an update: the updated head answers near the user's corrections, the shipped head elsewhere.
///
/// It equals `goalkit.export.CorrectionGate` in Python. It opens for embeddings whose mean cosine similarity to the nearest
/// corrections reaches a threshold.
public struct CorrectionGate: Sendable, Equatable {
    /// The smallest mean cosine at which it opens.
    public let threshold: Float
    /// How many corrections to average over; all, if there are fewer.
    public let nearest: Int

    private let directions: [[Float]]

    /// Creates a gate.
    ///
    /// - Parameters:
    ///   - corrections: embeddings of texts that the shipped head got wrong. With none, it never opens.
    ///   - threshold: -1 to 1.
    ///   - nearest: at least 1.
    /// - Throws: `HeadError.forbidden`.
    public init(corrections: [[Float]], threshold: Double = 0.2, nearest: Int = 3) throws {
        guard (-1...1).contains(threshold) else { throw HeadError.forbidden("threshold", value: threshold) }
        guard nearest >= 1 else { throw HeadError.forbidden("nearest", value: Double(nearest)) }
        self.threshold = Float(threshold)
        self.nearest = nearest
        directions = corrections.map(Self.direction)
    }

    /// Creates a gate from those of a user's N examples that the shipped head gets wrong. Throws `HeadError`.
    public init(
        around shipped: UpdatableHead, embeddings: [[Float]], labels: [String], threshold: Double = 0.2, nearest: Int = 3
    ) throws {
        _ = try shipped.targets(embeddings, labels)
        let wrong = zip(embeddings, labels).filter { shipped.label($0) != $1 }.map(\.0)
        try self.init(corrections: wrong, threshold: threshold, nearest: nearest)
    }

    /// The number of corrections.
    public var count: Int { directions.count }

    /// Whether the updated head answers for an embedding.
    public func opens(_ embedding: [Float]) -> Bool {
        guard !directions.isEmpty else { return false }
        let asked = Self.direction(embedding)
        let cosines = directions.map { Self.dot($0, asked) }.sorted(by: >).prefix(nearest)
        return cosines.reduce(0, +) / Float(cosines.count) >= threshold
    }

    private static func direction(_ vector: [Float]) -> [Float] {
        let length = max(dot(vector, vector).squareRoot(), .leastNormalMagnitude)
        return vector.map { $0 / length }
    }

    private static func dot(_ one: [Float], _ other: [Float]) -> Float {
        Float(zip(one, other).reduce(0.0) { $0 + Double($1.0) * Double($1.1) })
    }
}
