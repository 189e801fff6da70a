import Foundation
import GoalScreens

@testable import GoalKit

/// A bundle's model without Core ML: golden texts have the outputs that Python computed, others an embedding that their
/// characters decide, and the answers of the shipped heads.
struct GoldenModel: TextModel {
    private let known: [String: ModelOutput]
    private let heads: [String: UpdatableHead]
    private let bundle: GoalBundle

    init(_ bundle: GoalBundle) throws {
        self.bundle = bundle
        let golden = try bundle.golden()
        var known: [String: ModelOutput] = [:]
        for (row, text) in golden.texts.prefix(golden.embeddings.count).enumerated() {
            known[text] = ModelOutput(
                embedding: golden.embeddings[row], probabilities: golden.probabilities.mapValues { $0[row] })
        }
        self.known = known
        heads = try bundle.manifest.heads.reduce(into: [:]) { $0[$1.key] = try bundle.head(for: $1.key) }
    }

    func outputs(for texts: [String]) async throws -> [ModelOutput] {
        try Task.checkCancellation()
        return texts.map { text in
            if let output = known[text] { return output }
            var generator = SeededGenerator(seed: text.utf8.reduce(7) { $0 &* 31 &+ UInt64($1) })
            let embedding = (0..<bundle.manifest.embeddingSize).map { _ in Float.random(in: -1...1, using: &generator) }
            var probabilities: [String: [Float]] = [:]
            for task in bundle.manifest.tasks {
                let own = heads[task.name]?.probabilities(embedding).prefix(task.labels.count)
                probabilities[task.name] = own.map(Array.init) ?? [1] + Array(repeating: 0, count: task.labels.count - 1)
            }
            return ModelOutput(embedding: embedding, probabilities: probabilities)
        }
    }
}

/// An updater that gives what a test wants.
struct FakeUpdater: HeadUpdater {
    let name: String
    var losses = [1.0]
    var change: @Sendable (UpdatableHead) throws -> UpdatableHead = { $0 }

    func train(_ shipped: UpdatableHead, on embeddings: [[Float]], labels: [String]) async throws -> TrainedHead {
        TrainedHead(head: try change(shipped), losses: losses)
    }
}

extension Services {
    /// Services in memory, on the fixtures' bundle.
    static func golden(
        _ storage: FaultyStorage = FaultyStorage(), bundles: Int = 1, updaters: [any HeadUpdater] = [SwiftUpdater()]
    ) async throws -> Services {
        try await Services.open(
            bundles: Array(repeating: Fixtures.bundle, count: bundles), folder: URL(filePath: "/app"),
            loading: Loading(model: { try GoldenModel($0) }, updaters: updaters), storage: storage)
    }
}
