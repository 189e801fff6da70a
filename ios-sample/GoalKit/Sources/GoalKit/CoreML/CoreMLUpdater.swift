#if canImport(CoreML)
    @preconcurrency import CoreML
    import Foundation
    import os

    /// Trains heads with `MLUpdateTask`.
    ///
    /// It copies what Core ML has learned into the shipped head's own file, and demands that both answer alike: so one format
    /// serves Core ML, Swift and Python. Core ML may end the app instead of throwing: `HeadLearner` notes when training begins.
    public struct CoreMLUpdater: HeadUpdater {
        /// See `HeadUpdater`.
        public let name = "Core ML"
        private let compiled: CompiledModels

        /// Core ML computes in half precision on some units.
        private static let tolerance: Float = 0.01

        /// Creates an updater.
        public init(compiled: CompiledModels) { self.compiled = compiled }

        /// See `HeadUpdater`.
        public func train(_ shipped: UpdatableHead, on embeddings: [[Float]], labels: [String]) async throws -> TrainedHead {
            _ = try shipped.targets(embeddings, labels)
            let url = try await compiled.compiled(shipped.data())
            let outcome = try await update(url, shipped, embeddings, labels)
            let head = try shipped.with(outcome.layers)
            for (embedding, expected) in zip(embeddings, outcome.probabilities) {
                let found = head.probabilities(embedding)
                let alike = zip(found, expected).allSatisfy { abs($0 - $1) <= Self.tolerance }
                guard alike else { throw LearningError.answersDiffer }
            }
            return TrainedHead(head: head, losses: outcome.losses)
        }

        /// Runs one update. Core ML calls the handlers on threads of its own, and the last one once.
        private func update(
            _ url: URL, _ shipped: UpdatableHead, _ embeddings: [[Float]], _ labels: [String]
        ) async throws -> Outcome {
            let losses = OSAllocatedUnfairLock<[Double]>(initialState: [])
            return try await withCheckedThrowingContinuation { continuation in
                let handlers = MLUpdateProgressHandlers(
                    forEvents: .epochEnd,
                    progressHandler: { context in
                        let loss = (context.metrics[.lossValue] as? NSNumber)?.doubleValue ?? .nan
                        losses.withLock { $0.append(loss) }
                    },
                    completionHandler: { context in
                        continuation.resume(
                            with: Result {
                                try Outcome(context, losses: losses.withLock { $0 }, shipped: shipped, embeddings: embeddings)
                            })
                    })
                do {
                    let configuration = MLModelConfiguration()
                    configuration.computeUnits = .cpuOnly  // is exact, and fast for a head
                    try MLUpdateTask(
                        forModelAt: url, trainingData: Self.batch(embeddings, labels), configuration: configuration,
                        progressHandlers: handlers
                    ).resume()
                } catch {
                    continuation.resume(throwing: error)  // the task did not begin: no handler is called
                }
            }
        }

        private static func batch(_ embeddings: [[Float]], _ labels: [String]) throws -> any MLBatchProvider {
            MLArrayBatchProvider(
                array: try zip(embeddings, labels).map { embedding, label in
                    try MLDictionaryFeatureProvider(dictionary: [
                        "embedding": feature(embedding), "label": MLFeatureValue(string: label),
                    ])
                })
        }

        /// An embedding has rank 1: with another rank Core ML has given no model and no error (coremltools issue 913).
        fileprivate static func feature(_ embedding: [Float]) -> MLFeatureValue {
            MLFeatureValue(shapedArray: MLShapedArray<Float>(scalars: embedding, shape: [embedding.count]))
        }
    }

    /// What an update gave, copied out of Core ML's objects, which stay on their thread.
    private struct Outcome: Sendable {
        let layers: [String: LearnedLayer]
        let losses: [Double]
        /// What the updated model answers, an example per row.
        let probabilities: [[Float]]

        init(_ context: MLUpdateContext, losses: [Double], shipped: UpdatableHead, embeddings: [[Float]]) throws {
            if let error = context.task.error { throw error }
            guard context.task.state == .completed else { throw LearningError.unfinished }
            let model = context.model
            func numbers(_ key: MLParameterKey) throws -> [Float] {
                guard let array = try model.parameterValue(for: key) as? MLMultiArray else { throw HeadError.damaged }
                return MLShapedArray<Float>(converting: array).scalars
            }
            var layers: [String: LearnedLayer] = [:]
            for name in shipped.updatableLayers {
                layers[name] = LearnedLayer(
                    weight: try numbers(.weights.scoped(to: name)), bias: try numbers(.biases.scoped(to: name)))
            }
            (self.layers, self.losses) = (layers, losses)
            guard let output = model.modelDescription.predictedProbabilitiesName else { throw HeadError.damaged }
            probabilities = try embeddings.map { embedding in
                let input = try MLDictionaryFeatureProvider(dictionary: ["embedding": CoreMLUpdater.feature(embedding)])
                let found = try model.prediction(from: input).featureValue(for: output)?.dictionaryValue ?? [:]
                return try shipped.labels.map { label in
                    guard let number = found[label] else { throw HeadError.damaged }
                    return number.floatValue
                }
            }
        }
    }
#endif
