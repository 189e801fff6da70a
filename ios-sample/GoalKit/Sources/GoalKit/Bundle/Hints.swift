/// What the model says about a goal.
public struct Prediction: Sendable, Equatable {
    /// One task's answer.
    public struct Answer: Sendable, Equatable {
        /// The labels of the task.
        public let labels: [String]
        /// Their probabilities.
        public let probabilities: [Float]

        /// Creates an answer from as many probabilities as labels.
        public init(labels: [String], probabilities: [Float]) {
            self.labels = labels
            self.probabilities = probabilities
        }

        /// The most probable label, the first of several, and its probability.
        public var best: (label: String, probability: Float) {
            zip(labels, probabilities).reduce(("", -.infinity)) { $1.1 > $0.1 ? $1 : $0 }
        }
    }

    /// The text.
    public let text: String
    /// The answer to each task.
    public let answers: [String: Answer]

    /// Creates a prediction.
    public init(text: String, answers: [String: Answer]) {
        self.text = text
        self.answers = answers
    }

    /// The most probable label of each task.
    public var labels: [String: String] { answers.mapValues(\.best.label) }
}

/// The sentence under a goal.
public struct Hint: Sendable, Equatable {
    /// The sentence.
    public let text: String
    /// Whether it asks, because the model is unsure.
    public let asks: Bool
}

/// Sentences by predicted labels: `hints.json`.
public struct Hints: Sendable, Equatable, Decodable {
    /// The tasks whose labels choose a sentence, in the order in which the labels are joined to a key.
    public let tasks: [String]
    /// The model asks if the probability of any of those labels is below this.
    public let confidence: Double
    /// The sentence per combination of labels, joined with `/`.
    public let templates: [String: String]
    /// What the model asks.
    public let fallback: String

    /// Returns the sentence for a goal, or the question if the model is unsure.
    public func choose(_ prediction: Prediction) -> Hint {
        let best = tasks.compactMap { prediction.answers[$0]?.best }
        let sure = !tasks.isEmpty && best.count == tasks.count && best.allSatisfy { Double($0.probability) >= confidence }
        guard sure, let sentence = templates[best.map(\.label).joined(separator: "/")] else {
            return Hint(text: fallback, asks: true)
        }
        return Hint(text: sentence, asks: false)
    }

    /// Whether there is a sentence for every combination of labels, and no other.
    func fit(_ known: [GoalTask]) -> Bool {
        var keys = tasks.isEmpty ? [] : [""]
        for name in tasks {
            guard let labels = known.first(where: { $0.name == name })?.labels else { return false }
            keys = keys.flatMap { key in labels.map { key.isEmpty ? $0 : "\(key)/\($0)" } }
        }
        return Set(keys) == Set(templates.keys)
    }
}
