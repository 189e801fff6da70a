import Foundation
import GoalKit
import Observation

/// The app: opens what it needs, then holds the models of its screens.
@MainActor @Observable public final class AppModel {
    /// The models of the screens.
    public struct Screens: Sendable {
        /// The list of goals.
        public let goals: GoalsModel
        /// What was learned.
        public let learning: LearningModel
        /// Two bundles compared.
        public let comparison: ComparisonModel
        /// Figures.
        public let measurements: MeasurementsModel
        /// What the app keeps.
        public let data: DataModel
    }

    /// How far it is.
    public enum State: Sendable {
        /// It opens.
        case opening
        /// It is open.
        case ready(Screens)
        /// It could not be opened, and why.
        case failed(String)
    }

    /// How far it is.
    public private(set) var state = State.opening
    private let open: @Sendable () async throws -> Services
    private var opening: Task<Screens, any Error>?

    /// Creates an app that is not open yet.
    public init(open: @escaping @Sendable () async throws -> Services) { self.open = open }

    /// Opens the app for its views, which show the state.
    public func start() async { _ = try? await screens() }

    /// Opens the app, or returns the screens if it is open. After a failure it tries again.
    public func screens() async throws -> Screens {
        if let opening { return try await opening.value }
        let task = Task { try await made() }
        opening = task
        do {
            let screens = try await task.value
            state = .ready(screens)
            return screens
        } catch {
            opening = nil
            state = .failed(error.localizedDescription)
            throw error
        }
    }

    /// Adds a goal, from wherever the user says it, and returns its hint.
    public func add(_ text: String) async throws -> String {
        let goals = try await screens().goals
        return try await goals.add(text)
    }

    private func made() async throws -> Screens {
        let services = try await open()
        let problem = await services.restore()
        let goals = GoalsModel(services)
        await goals.load()
        goals.problem = goals.problem ?? problem
        let learning = LearningModel(services) { await goals.refresh() }
        await learning.load()
        return Screens(
            goals: goals, learning: learning, comparison: ComparisonModel(services),
            measurements: MeasurementsModel(services, learning: learning),
            data: DataModel(services) {
                await goals.load()
                await learning.load()
            })
    }
}
