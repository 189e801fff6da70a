import Foundation

/// A head that has learned, and its mean loss in each epoch.
public struct TrainedHead: Sendable {
    /// The head.
    public let head: UpdatableHead
    /// The mean loss per epoch.
    public let losses: [Double]
}

/// Trains a head as `goalkit.export.rehearse_update` does in Python, which rehearses `MLUpdateTask`.
public struct HeadTrainer: Sendable {
    /// The settings.
    public let settings: TrainingSettings

    /// Creates a trainer, with the settings in the head's own file or others that it allows.
    public init(settings: TrainingSettings) { self.settings = settings }

    /// Trains a head.
    ///
    /// - Parameters:
    ///   - head: the shipped head; always start from it.
    ///   - embeddings: N embeddings.
    ///   - labels: their N labels.
    /// - Throws: `HeadError`; the head is unchanged then.
    public func train(_ head: UpdatableHead, on embeddings: [[Float]], labels: [String]) throws -> TrainedHead {
        var generator = SeededGenerator(seed: settings.seed)
        let rows = Array(embeddings.indices)
        return try train(head, on: embeddings, labels: labels) { settings.shuffled ? rows.shuffled(using: &generator) : rows }
    }

    /// Trains a head on its examples in the order that `order` gives for each epoch.
    func train(
        _ head: UpdatableHead, on embeddings: [[Float]], labels: [String], order: () throws -> [Int]
    ) throws -> TrainedHead {
        let targets = try head.targets(embeddings, labels)
        var layers = head.layers
        var optimizer = HeadOptimizer(settings, layers: layers)
        var losses: [Double] = []
        for epoch in 1...settings.epochs {
            let rows = try order()
            var total = 0.0
            let starts = stride(from: 0, to: rows.count, by: settings.batchSize)
            for start in starts {
                let batch = rows[start..<min(start + settings.batchSize, rows.count)]
                var gradients = HeadGradients(layers)
                total += gradients.add(batch.map { (embeddings[$0], targets[$0]) }, layers)
                optimizer.step(&layers, gradients)
            }
            let finite = layers.compactMap(\.product).allSatisfy {
                $0.weight.allSatisfy(\.isFinite) && $0.bias.allSatisfy(\.isFinite)
            }
            guard total.isFinite, finite else { throw HeadError.diverged(epoch: epoch) }
            losses.append(total / Double(Array(starts).count))
        }
        var trained = head
        trained.layers = layers
        return TrainedHead(head: trained, losses: losses)
    }
}
