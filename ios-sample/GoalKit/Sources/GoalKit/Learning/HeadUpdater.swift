/// What trains a shipped head: Core ML, or Swift.
public protocol HeadUpdater: Sendable {
    /// What it is called in histories and measurements.
    var name: String { get }

    /// Trains a head with the settings in its file. Throws if it did not learn; the shipped head is unchanged in any case.
    func train(_ shipped: UpdatableHead, on embeddings: [[Float]], labels: [String]) async throws -> TrainedHead
}

/// Trains in Swift: on systems without Core ML, and where its training fails.
public struct SwiftUpdater: HeadUpdater {
    /// See `HeadUpdater`.
    public let name = "Swift"

    /// Creates the updater.
    public init() {}

    /// See `HeadUpdater`.
    public func train(_ shipped: UpdatableHead, on embeddings: [[Float]], labels: [String]) async throws -> TrainedHead {
        try HeadTrainer(settings: shipped.training).train(shipped, on: embeddings, labels: labels)
    }
}
