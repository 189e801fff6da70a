import Foundation
import GoalKit

/// Everything behind the screens, for one bundle.
public struct Services: Sendable {
    /// How models come to be: Core ML in the app, golden texts in tests.
    public struct Loading: Sendable {
        /// Loads a bundle's model.
        public var model: @Sendable (GoalBundle) async throws -> any TextModel
        /// Says which units a bundle's model runs on, if that is known.
        public var units: @Sendable (GoalBundle) async throws -> Measurements.Units?
        /// What trains heads, each tried if the one before fails.
        public var updaters: [any HeadUpdater]

        /// Creates it.
        public init(
            model: @escaping @Sendable (GoalBundle) async throws -> any TextModel,
            units: @escaping @Sendable (GoalBundle) async throws -> Measurements.Units? = { _ in nil },
            updaters: [any HeadUpdater] = [SwiftUpdater()]
        ) {
            (self.model, self.units, self.updaters) = (model, units, updaters)
        }
    }

    /// The model that answers.
    public let model: GoalModel
    /// The user's feedback.
    public let feedback: FeedbackStore
    /// What was learned.
    public let heads: PersonalHeads
    /// Learns.
    public let learner: HeadLearner
    /// The user's goals.
    public let goals: GoalFile
    /// The file of the comparison.
    public let comparisonFile: URL
    /// The folders of the shipped bundles, the one in use first.
    public let bundles: [URL]
    /// How models are loaded.
    public let loading: Loading
    /// The app's footprint in MB before the model was loaded; nil where that is unknown.
    public let footprintBefore: Double?
    /// Where files are.
    public let storage: any FileStorage

    /// Opens the first bundle, and the user's files.
    ///
    /// - Parameters:
    ///   - bundles: folders of bundles, at least one.
    ///   - folder: where the user's files are.
    ///   - loading: how models are loaded.
    ///   - storage: how files are read and written.
    /// - Throws: an error with a sentence for the user.
    public static func open(
        bundles: [URL], folder: URL, loading: Loading, storage: any FileStorage = DiskStorage()
    ) async throws -> Services {
        guard let first = bundles.first else { throw BundleError.missing("Bundles") }
        let before = Footprint.now()?.present
        let bundle = try GoalBundle(contentsOf: first)
        let manifest = bundle.manifest
        let answers = manifest.tasks.map { ($0.name, manifest.answers(for: $0.name)) }
        let feedback = try FeedbackStore(
            file: folder.appending(path: "feedback.jsonl"), answers: Dictionary(uniqueKeysWithValues: answers), storage: storage
        )
        let heads = try PersonalHeads(folder: folder.appending(path: "heads"), identity: manifest.identity, storage: storage)
        let model = GoalModel(bundle: bundle, model: try await loading.model(bundle))
        return Services(
            model: model, feedback: feedback, heads: heads,
            learner: HeadLearner(model: model, heads: heads, updaters: loading.updaters),
            goals: GoalFile(file: folder.appending(path: "goals.json"), storage: storage),
            comparisonFile: folder.appending(path: "comparison.json"), bundles: bundles, loading: loading,
            footprintBefore: before, storage: storage)
    }

    /// The tasks that the bundle can learn, in the order of its answers.
    public var learnable: [String] {
        let manifest = model.bundle.manifest
        return manifest.tasks.map(\.name).filter { manifest.heads[$0] != nil }
    }

    /// Uses what was learned before. Returns the message of what is damaged; the shipped heads answer there.
    public func restore() async -> String? {
        var problem: String?
        for task in learnable {
            do {
                try await learner.restore(task, taught: feedback.taught([task]))
            } catch {
                problem = error.localizedDescription
            }
        }
        return problem
    }
}
