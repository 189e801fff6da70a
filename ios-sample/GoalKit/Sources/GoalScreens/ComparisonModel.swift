import Foundation
import GoalKit
import Observation

/// Two bundles, compared blindly on the user's own goals.
@MainActor @Observable public final class ComparisonModel {
    /// What to ask now; nil if there is nothing to ask.
    public private(set) var question: Comparison.Question?
    /// What is known so far.
    public private(set) var verdict: Comparison.Verdict?
    /// Whether the models are at work.
    public private(set) var isBusy = false
    /// Why there is no comparison.
    public private(set) var problem: String?

    private let services: Services
    private var comparison: Comparison?
    private var other: GoalModel?
    private var questions: [Comparison.Question] = []

    /// Creates the model.
    public init(_ services: Services) { self.services = services }

    /// Whether there are two bundles.
    public var isPossible: Bool { services.bundles.count > 1 }

    /// The names of the bundles' folders; a verdict names them, a question never does.
    public func name(of side: Comparison.Side) -> String {
        let place = side == .first ? 0 : 1
        return services.bundles.indices.contains(place) ? services.bundles[place].lastPathComponent : ""
    }

    /// Lets both models answer the user's goals, and asks where they differ. Both answer as shipped.
    public func start() async {
        guard isPossible, !isBusy else { return }
        isBusy = true
        defer { isBusy = false }
        do {
            let first = services.model
            let second = try await secondModel()
            let comparison = try saved(first.bundle.manifest.identity, second.bundle.manifest.identity)
            let texts = try services.goals.read().map(\.text)
            let (one, two) = (
                try await first.predictions(texts, asShipped: true), try await second.predictions(texts)
            )
            questions = zip(texts, zip(one, two)).compactMap { text, answers in
                comparison.question(
                    goal: text, first: first.bundle.hints.choose(answers.0).text,
                    second: second.bundle.hints.choose(answers.1).text)
            }
            show(comparison)
            problem = nil
        } catch {
            problem = error.localizedDescription
        }
    }

    /// Saves an answer, and asks the next question.
    public func choose(_ choice: Comparison.Choice) {
        guard let asked = question, var comparison else { return }
        comparison.record(choice, on: asked)
        do {
            try services.storage.replace(services.comparisonFile, with: JSONEncoder().encode(comparison))
            questions.removeFirst()
            show(comparison)
        } catch {
            problem = error.localizedDescription
        }
    }

    private func show(_ comparison: Comparison) {
        self.comparison = comparison
        question = questions.first
        verdict = comparison.verdict
    }

    private func secondModel() async throws -> GoalModel {
        if let other { return other }
        let bundle = try GoalBundle(contentsOf: services.bundles[1])
        let model = GoalModel(bundle: bundle, model: try await services.loading.model(bundle))
        other = model
        return model
    }

    /// Goes on with the saved comparison if it is of the same bundles.
    private func saved(_ first: String, _ second: String) throws -> Comparison {
        if let data = try services.storage.read(services.comparisonFile),
            let saved = try? JSONDecoder().decode(Comparison.self, from: data), saved.identities == [first, second]
        {
            return saved
        }
        return try Comparison(first, second)
    }
}
