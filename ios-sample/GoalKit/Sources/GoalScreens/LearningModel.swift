import Foundation
import GoalKit
import Observation

/// What the model has learned from the user, task by task.
@MainActor @Observable public final class LearningModel {
    /// One task.
    public struct Row: Identifiable, Sendable, Equatable {
        /// The task.
        public let task: String
        /// The user's texts with a label of the task.
        public var taught = 0
        /// All versions, and the one in use.
        public var history = PersonalHeads.History()
        /// What was learned last, since the app began.
        public var report: HeadLearner.Report?
        /// Why nothing was learned.
        public var problem: String?

        /// The task.
        public var id: String { task }
        /// Whether there is enough to learn from.
        public var canLearn: Bool { taught >= HeadLearner.fewest }
    }

    /// The tasks that the model can learn.
    public private(set) var rows: [Row]
    /// Whether it is learning now.
    public private(set) var isLearning = false

    private let services: Services
    private let changed: @MainActor () async -> Void

    /// Creates the model; `changed` is called whenever the model answers otherwise than before.
    public init(_ services: Services, changed: @escaping @MainActor () async -> Void) {
        self.services = services
        self.changed = changed
        rows = services.learnable.map { Row(task: $0) }
    }

    /// Whether any task has enough to learn from.
    public var canLearn: Bool { !isLearning && rows.contains { $0.canLearn } }

    /// Reads the histories, and counts what there is to learn from.
    public func load() async {
        for place in rows.indices { await load(place) }
    }

    /// Learns all tasks that have enough to learn from.
    ///
    /// - Parameter asked: whether the user asked for it; after a training that ended the app, only this starts another.
    public func learn(asked: Bool) async {
        guard !isLearning else { return }
        isLearning = true
        defer { isLearning = false }
        for place in rows.indices {
            await load(place)
            guard rows[place].canLearn, !Task.isCancelled else { continue }
            await change(place) { task in
                let taught = await services.feedback.taught([task])
                rows[place].report = try await services.learner.learn(task, from: taught, asked: asked)
            }
        }
    }

    /// Uses an earlier version of a task again; 0 is the shipped one.
    public func rollBack(_ task: String, to number: Int) async {
        guard let place = rows.firstIndex(where: { $0.task == task }) else { return }
        await change(place) { try await services.heads.rollBack($0, to: number) }
    }

    /// Forgets all that was learned about a task.
    public func reset(_ task: String) async {
        guard let place = rows.firstIndex(where: { $0.task == task }) else { return }
        await change(place) { task in
            try await services.heads.reset(task)
            rows[place].report = nil
        }
    }

    private func change(_ place: Int, _ work: (String) async throws -> Void) async {
        let task = rows[place].task
        do {
            try await work(task)
            try await services.learner.restore(task, taught: services.feedback.taught([task]))
            rows[place].problem = nil
        } catch {
            rows[place].problem = error.localizedDescription
        }
        await load(place)
        await changed()
    }

    private func load(_ place: Int) async {
        let task = rows[place].task
        rows[place].taught = await services.feedback.taught([task]).count
        do {
            rows[place].history = try await services.heads.history(of: task)
        } catch {
            rows[place].history = PersonalHeads.History()
            rows[place].problem = error.localizedDescription
        }
    }
}
