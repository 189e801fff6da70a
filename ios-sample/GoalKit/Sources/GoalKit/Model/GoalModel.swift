import Foundation

/// A bundle that answers: the shipped model, and near a user's corrections the heads that have learned from them.
public actor GoalModel {
    /// The bundle.
    public nonisolated let bundle: GoalBundle
    private let model: any TextModel
    private var personal: [String: PersonalHead] = [:]

    /// Creates a model that answers as shipped.
    public init(bundle: GoalBundle, model: any TextModel) {
        self.bundle = bundle
        self.model = model
    }

    /// Lets a head answer for its task from now on; nil is the shipped one.
    public func use(_ head: PersonalHead?, for task: String) { personal[task] = head }

    /// Predicts a batch of texts.
    ///
    /// - Parameters:
    ///   - texts: any number.
    ///   - shipped: whether the shipped model answers alone.
    /// - Throws: `TextModelError`, or `CancellationError`.
    public func predictions(_ texts: [String], asShipped shipped: Bool = false) async throws -> [Prediction] {
        let outputs = try await model.outputs(for: texts)
        return try zip(texts, outputs).map { text, output in
            var answers: [String: Prediction.Answer] = [:]
            for task in bundle.manifest.tasks {
                answers[task.name] = try answer(task, output, by: shipped ? nil : personal[task.name])
            }
            return Prediction(text: text, answers: answers)
        }
    }

    /// Predicts a text while it is being typed: cancel the task that waits for this whenever the text changes.
    ///
    /// - Parameters:
    ///   - text: what has been typed so far.
    ///   - delay: how long to wait for the next key before anything is computed.
    /// - Returns: nil for a text without words.
    /// - Throws: `CancellationError` if the text changed; `TextModelError`.
    public func livePrediction(
        _ text: String, after delay: Duration = .milliseconds(250)
    ) async throws -> (prediction: Prediction, hint: Hint)? {
        try await Task.sleep(for: delay)
        guard !text.allSatisfy(\.isWhitespace), let prediction = try await predictions([text]).first else { return nil }
        try Task.checkCancellation()
        return (prediction, bundle.hints.choose(prediction))
    }

    /// Returns the embeddings of texts, as heads take them.
    public func embeddings(_ texts: [String]) async throws -> [[Float]] {
        try await model.outputs(for: texts).map(\.embedding)
    }

    private func answer(_ task: GoalTask, _ output: ModelOutput, by head: PersonalHead?) throws -> Prediction.Answer {
        if let head, head.gate.opens(output.embedding) {
            return head.answer(output.embedding)
        }
        guard let probabilities = output.probabilities[task.name] else { throw TextModelError.missingOutput(task.name) }
        guard probabilities.count == task.labels.count, probabilities.allSatisfy(\.isFinite) else {
            throw TextModelError.unusableOutput(task.name)
        }
        return Prediction.Answer(labels: task.labels, probabilities: probabilities)
    }
}

/// A head that has learned, the gate that limits its reach, and the labels that its outputs stand for.
public struct PersonalHead: Sendable {
    let head: UpdatableHead
    let gate: CorrectionGate
    /// The user's label of each output; nil for a spare slot without a name, which never answers.
    let names: [String?]

    func answer(_ embedding: [Float]) -> Prediction.Answer {
        let named = zip(names, head.probabilities(embedding)).compactMap { name, probability in name.map { ($0, probability) } }
        return Prediction.Answer(labels: named.map(\.0), probabilities: named.map(\.1))
    }
}

extension Manifest {
    /// Returns the name of each of a head's labels; nil for a spare slot without one.
    func names(of labels: [String], for task: String) -> [String?] {
        let slots = spareSlots[task] ?? [:]
        return labels.map { label in
            guard let name = slots[label] else { return label }
            return name.isEmpty ? nil : name
        }
    }
}
