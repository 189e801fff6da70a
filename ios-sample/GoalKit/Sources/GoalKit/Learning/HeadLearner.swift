import Foundation

/// Lets heads learn from a user's corrections, and publishes only what passes every check.
///
/// It always starts from the shipped head, so that nothing adds up over many trainings; notes that it has begun, because Core
/// ML may end the app; demands a finite loss, and that the replay examples are answered as well as before; and reads back what
/// it has published.
public actor HeadLearner {
    /// What was learned.
    public struct Report: Sendable, Equatable {
        /// The published version.
        public let version: PersonalHeads.Version
        /// What trained it, see `HeadUpdater.name`.
        public let updater: String
        /// The mean loss per epoch.
        public let losses: [Double]
        /// The number of the user's examples that the shipped head answers.
        public let before: Int
        /// The number of those that the new head answers.
        public let after: Int
        /// The time that training took.
        public let duration: Duration
    }

    /// Fewer examples of the user's than this teach nothing.
    public static let fewest = 3
    /// The share of replay examples that a head may answer worse than the shipped one.
    static let tolerance = 0.05

    private let model: GoalModel
    private let heads: PersonalHeads
    private let updaters: [any HeadUpdater]
    private var embeddings: [String: [Float]] = [:]
    private var busy = false

    /// Creates a learner.
    ///
    /// - Parameters:
    ///   - model: embeds, and uses what was learned.
    ///   - heads: where heads are published; of the same bundle.
    ///   - updaters: what trains, each tried if the one before fails.
    public init(model: GoalModel, heads: PersonalHeads, updaters: [any HeadUpdater] = [SwiftUpdater()]) {
        self.model = model
        self.heads = heads
        self.updaters = updaters
    }

    /// Uses the head that was learned before, if there is one.
    ///
    /// - Throws: `PersonalHeadError` if it is damaged. The shipped head answers then.
    public func restore(_ task: String, taught: [TaughtText]) async throws {
        await model.use(nil, for: task)
        guard let data = try await heads.current(for: task) else { return }
        let shipped = try model.bundle.head(for: task)
        let examples = try await examples(task, taught, shipped)
        await model.use(try personal(UpdatableHead(contentsOf: data), task, examples, shipped), for: task)
    }

    /// Learns a task from the user's texts.
    ///
    /// - Parameters:
    ///   - task: has a head in the bundle.
    ///   - taught: texts with a label of the task.
    ///   - asked: whether the user asked for it. After a training that ended the app, only this starts another.
    /// - Throws: `LearningError`, `HeadError`, `BundleError` or `PersonalHeadError`; the heads are as before then.
    public func learn(_ task: String, from taught: [TaughtText], asked: Bool) async throws -> Report {
        guard !busy else { throw LearningError.busy }
        busy = true
        defer { busy = false }
        let shipped = try model.bundle.head(for: task)
        guard taught.count >= Self.fewest else { throw LearningError.tooFew(taught.count) }
        let interrupted = try await heads.wasInterrupted(task)
        guard asked || !interrupted else { throw LearningError.interrupted }
        let own = try await examples(task, taught, shipped)
        let replayed = try await replay(task)

        let clock = ContinuousClock()
        let start = clock.now
        try await heads.beginTraining(task)
        let (trained, updater): (TrainedHead, String)
        do {
            (trained, updater) = try await train(shipped, own.joined(replayed), without: interrupted ? 1 : 0)
        } catch {
            try await heads.endTraining(task)
            throw error
        }
        try await heads.endTraining(task)
        let duration = clock.now - start

        guard replayed.share(of: trained.head) >= replayed.share(of: shipped) - Self.tolerance else {
            throw LearningError.forgets
        }
        let version = try await publish(trained.head, task, own)
        await model.use(try personal(trained.head, task, own, shipped), for: task)
        return Report(
            version: version, updater: updater, losses: trained.losses, before: own.count(of: shipped),
            after: own.count(of: trained.head), duration: duration)
    }

    /// Trains with the first updater that succeeds. After a training that ended the app, the one that did so is left out.
    private func train(
        _ shipped: UpdatableHead, _ examples: Examples, without skipped: Int
    ) async throws -> (TrainedHead, String) {
        var problem: any Error = HeadError.noExamples
        for updater in updaters.dropFirst(min(skipped, updaters.count - 1)) {
            do {
                let trained = try await updater.train(shipped, on: examples.embeddings, labels: examples.labels)
                guard let loss = trained.losses.last, loss.isFinite else {
                    throw HeadError.diverged(epoch: trained.losses.count)
                }
                return (trained, updater.name)
            } catch {
                problem = error
            }
        }
        throw problem
    }

    /// Publishes a head, reads it back, and goes back to the version before if it answers otherwise.
    private func publish(_ head: UpdatableHead, _ task: String, _ own: Examples) async throws -> PersonalHeads.Version {
        let used = try await heads.history(of: task).current
        let version = try await heads.publish(head.data(), for: task, examples: own.labels.count)
        let saved = try await heads.current(for: task).map { try UpdatableHead(contentsOf: $0) }
        guard let saved, own.embeddings.allSatisfy({ saved.probabilities($0) == head.probabilities($0) }) else {
            try await heads.rollBack(task, to: used)
            throw PersonalHeadError.damaged(task)
        }
        return version
    }

    private func personal(
        _ head: UpdatableHead, _ task: String, _ own: Examples, _ shipped: UpdatableHead
    ) throws -> PersonalHead {
        PersonalHead(
            head: head, gate: try CorrectionGate(around: shipped, embeddings: own.embeddings, labels: own.labels),
            names: model.bundle.manifest.names(of: head.labels, for: task))
    }

    /// The user's examples, with the head's own labels in place of the names of spare slots.
    private func examples(_ task: String, _ taught: [TaughtText], _ head: UpdatableHead) async throws -> Examples {
        let names = model.bundle.manifest.names(of: head.labels, for: task)
        let labels = try taught.map { text in
            let name = text.labels[task] ?? ""
            guard let place = names.firstIndex(of: name) else { throw HeadError.unknownLabel(name) }
            return head.labels[place]
        }
        return Examples(embeddings: try await embedded(taught.map(\.text)), labels: labels)
    }

    private func replay(_ task: String) async throws -> Examples {
        guard let replay = model.bundle.replay, let labels = replay.labels[task] else {
            return Examples(embeddings: [], labels: [])
        }
        return Examples(embeddings: try await embedded(replay.texts), labels: labels)
    }

    /// Embeds each text once: embeddings belong to one bundle, as this learner does.
    private func embedded(_ texts: [String]) async throws -> [[Float]] {
        let new = Array(Set(texts).subtracting(embeddings.keys))
        for (text, embedding) in zip(new, try await model.embeddings(new)) { embeddings[text] = embedding }
        return texts.compactMap { embeddings[$0] }
    }
}

/// N embeddings with their labels.
private struct Examples {
    let embeddings: [[Float]]
    let labels: [String]

    func joined(_ other: Examples) -> Examples {
        Examples(embeddings: embeddings + other.embeddings, labels: labels + other.labels)
    }

    /// How many of them a head answers.
    func count(of head: UpdatableHead) -> Int { zip(embeddings, labels).filter { head.label($0) == $1 }.count }

    /// The share that a head answers; 1 without examples.
    func share(of head: UpdatableHead) -> Double { labels.isEmpty ? 1 : Double(count(of: head)) / Double(labels.count) }
}

/// Why nothing was learned. The model is as before in any case.
public enum LearningError: LocalizedError, Equatable {
    /// There are too few examples.
    case tooFew(Int)
    /// The app was ended during the last training.
    case interrupted
    /// Another training is running.
    case busy
    /// The head would answer other goals worse.
    case forgets
    /// Core ML ended its training in another state than completed.
    case unfinished
    /// What Core ML has learned answers otherwise when it is read back.
    case answersDiffer

    /// A sentence for the user.
    public var errorDescription: String? {
        switch self {
        case .tooFew(let count):
            "There are \(count) corrections: learning needs at least \(HeadLearner.fewest). The model is as before."
        case .interrupted: "The last training did not end well, so none starts by itself: tap “Learn now” to try again."
        case .busy: "The model is learning already: wait until it is done."
        case .forgets: "Learning would make other goals worse, so the model stays as before: correct more goals and try again."
        case .unfinished: "Core ML did not finish its training: the model is as before."
        case .answersDiffer: "What Core ML has learned cannot be read back unchanged: the model is as before."
        }
    }
}
