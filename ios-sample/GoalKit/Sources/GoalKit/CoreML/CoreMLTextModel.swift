#if canImport(CoreML)
    @preconcurrency import CoreML
    import Foundation

    /// A bundle's package, run by Core ML.
    ///
    /// The actor lets Core ML answer one call after another. Texts are padded to the bundle's longest length.
    public actor CoreMLTextModel: TextModel {
        private let model: MLModel
        private let bundle: GoalBundle

        private static let batch = 32

        /// Loads a package that Core ML has compiled.
        public init(_ bundle: GoalBundle, compiled: URL, units: MLComputeUnits = .all) throws {
            self.bundle = bundle
            let configuration = MLModelConfiguration()
            configuration.computeUnits = units
            model = try MLModel(contentsOf: compiled, configuration: configuration)
        }

        /// Loads a bundle's package, which is compiled if need be.
        ///
        /// A compiled form that does not load, perhaps because the app was ended while it was written, is made once more.
        public static func load(
            _ bundle: GoalBundle, from cache: CompiledModels, units: MLComputeUnits = .all
        ) async throws -> CoreMLTextModel {
            let identity = bundle.manifest.identity
            let url = try await cache.compiled(bundle.package, sha256: identity)
            if let model = try? CoreMLTextModel(bundle, compiled: url, units: units) { return model }
            await cache.remove(sha256: identity)
            let again = try await cache.compiled(bundle.package, sha256: identity)
            return try CoreMLTextModel(bundle, compiled: again, units: units)
        }

        /// See `TextModel`.
        public func outputs(for texts: [String]) async throws -> [ModelOutput] {
            var outputs: [ModelOutput] = []
            for start in stride(from: 0, to: texts.count, by: Self.batch) {
                try Task.checkCancellation()
                outputs += try batch(texts[start..<min(start + Self.batch, texts.count)])
                await Task.yield()  // lets a text that is being typed go between two batches
            }
            return outputs
        }

        private func batch(_ texts: ArraySlice<String>) throws -> [ModelOutput] {
            if texts.count == 1, let text = texts.first { return [try output(model.prediction(from: input(text)))] }
            let results = try model.predictions(fromBatch: MLArrayBatchProvider(array: texts.map(input)))
            return try (0..<results.count).map { try output(results.features(at: $0)) }
        }

        private func input(_ text: String) throws -> any MLFeatureProvider {
            let encoded = bundle.tokenizer.encode(text, length: bundle.manifest.sequenceLength)
            let shape = [1, bundle.manifest.sequenceLength]
            return try MLDictionaryFeatureProvider(dictionary: [
                "input_ids": MLFeatureValue(shapedArray: MLShapedArray<Int32>(scalars: encoded.ids, shape: shape)),
                "attention_mask": MLFeatureValue(shapedArray: MLShapedArray<Int32>(scalars: encoded.mask, shape: shape)),
            ])
        }

        private func output(_ features: any MLFeatureProvider) throws -> ModelOutput {
            var probabilities: [String: [Float]] = [:]
            for task in bundle.manifest.tasks {
                probabilities[task.name] = try numbers("\(task.name)_probabilities", features, count: task.labels.count)
            }
            let embedding = try numbers("embedding", features, count: bundle.manifest.embeddingSize)
            return ModelOutput(embedding: embedding, probabilities: probabilities)
        }

        private func numbers(_ name: String, _ features: any MLFeatureProvider, count: Int) throws -> [Float] {
            guard let array = features.featureValue(for: name)?.multiArrayValue else {
                throw TextModelError.missingOutput(name)
            }
            let numbers = MLShapedArray<Float>(converting: array).scalars
            guard numbers.count == count, numbers.allSatisfy(\.isFinite) else { throw TextModelError.unusableOutput(name) }
            return numbers
        }
    }
#endif
