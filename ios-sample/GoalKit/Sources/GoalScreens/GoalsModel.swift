import Foundation
import GoalKit
import Observation

/// The list of goals: what the model says about each, and what the user says about that.
@MainActor @Observable public final class GoalsModel {
    /// What is shown under a goal.
    public struct Answer: Sendable, Equatable {
        /// What the model says.
        public let prediction: Prediction
        /// The sentence.
        public let hint: Hint
    }

    /// The goals, newest first.
    public private(set) var goals: [Goal] = []
    /// What is being typed.
    public var draft = ""
    /// What the model says about what is being typed; nil while it is not known.
    public private(set) var live: Answer?
    /// The message of the last thing that went wrong.
    public var problem: String?
    /// Whether there is one; false forgets it.
    public var hasProblem: Bool {
        get { problem != nil }
        set { if !newValue { problem = nil } }
    }
    /// The tasks, with the labels that a user may give.
    public let tasks: [(name: String, labels: [String])]

    private let services: Services
    private var answers: [Goal.ID: Answer] = [:]
    private var corrections: [String: [String: String]] = [:]
    private var ratings: [String: FeedbackEntry.Rating] = [:]

    /// Creates an empty list.
    public init(_ services: Services) {
        self.services = services
        let manifest = services.model.bundle.manifest
        tasks = manifest.tasks.map { ($0.name, manifest.answers(for: $0.name)) }
    }

    /// Reads goals and feedback.
    public func load() async {
        await reporting {
            goals = try services.goals.read()
            (corrections, ratings) = ([:], [:])
            for entry in await services.feedback.entries { remember(entry) }
            try await answer()
        }
    }

    /// Asks the model again, because it has learned.
    public func refresh() async { await reporting { try await answer() } }

    /// Follows the typing: call it in a task that ends when the draft changes.
    public func follow(_ text: String) async {
        do {
            let found = try await services.model.livePrediction(text)
            live = found.map { Answer(prediction: $0.prediction, hint: $0.hint) }
        } catch is CancellationError {
            return  // the text has changed, and another task follows it
        } catch {
            problem = error.localizedDescription
        }
    }

    /// Adds what was typed.
    public func addDraft() async {
        await reporting {
            try await add(draft)
            draft = ""
        }
    }

    /// Adds a goal, and returns its hint.
    @discardableResult
    public func add(_ text: String) async throws -> String {
        let text = text.trimmingCharacters(in: .whitespacesAndNewlines)
        guard !text.isEmpty else { throw FeedbackError.emptyText }
        let goal = Goal(text: text)
        let prediction = try await services.model.predictions([text])
        try services.goals.write([goal] + goals)
        goals.insert(goal, at: 0)
        answers[goal.id] = prediction.first.map(shown)
        return answers[goal.id]?.hint.text ?? ""
    }

    /// Removes goals. What the user said about them stays in the feedback.
    public func remove(at places: IndexSet) {
        let kept = goals.enumerated().filter { !places.contains($0.offset) }.map(\.element)
        do {
            try services.goals.write(kept)
            goals = kept
        } catch {
            problem = error.localizedDescription
        }
    }

    /// What is shown under a goal.
    public func answer(to goal: Goal) -> Answer? { answers[goal.id] }

    /// The label of a goal: the user's, else the model's.
    public func label(of goal: Goal, task: String) -> String? {
        corrections[goal.text]?[task] ?? answers[goal.id]?.prediction.labels[task]
    }

    /// What the user thought of a hint.
    public func rating(of goal: Goal) -> FeedbackEntry.Rating? { ratings[goal.text] }

    /// Saves the user's label of a goal.
    public func correct(_ goal: Goal, task: String, label: String) async {
        await save(goal, labels: [task: label], rating: ratings[goal.text])
    }

    /// Saves what the user thinks of a hint.
    public func rate(_ goal: Goal, _ rating: FeedbackEntry.Rating) async { await save(goal, labels: [:], rating: rating) }

    /// The latest entry on a text counts alone, so it repeats what the user said before.
    private func save(_ goal: Goal, labels: [String: String], rating: FeedbackEntry.Rating?) async {
        guard let prediction = answers[goal.id]?.prediction else { return }
        let known = (corrections[goal.text] ?? [:]).merging(labels) { $1 }
        let entry = FeedbackEntry(
            text: goal.text, predicted: prediction.labels, label: known.isEmpty ? nil : known, rating: rating,
            bundle: services.model.bundle.manifest.identity)
        await reporting {
            try await services.feedback.add(entry)
            remember(entry)
        }
    }

    private func remember(_ entry: FeedbackEntry) {
        corrections[entry.text] = entry.label
        ratings[entry.text] = entry.rating
    }

    private func answer() async throws {
        let predictions = try await services.model.predictions(goals.map(\.text))
        answers = Dictionary(uniqueKeysWithValues: zip(goals.map(\.id), predictions.map(shown)))
    }

    private func shown(_ prediction: Prediction) -> Answer {
        Answer(prediction: prediction, hint: services.model.bundle.hints.choose(prediction))
    }

    private func reporting(_ work: () async throws -> Void) async {
        do {
            try await work()
        } catch {
            problem = error.localizedDescription
        }
    }
}
