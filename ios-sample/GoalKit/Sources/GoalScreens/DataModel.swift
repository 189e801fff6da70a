import Foundation
import GoalKit
import Observation

/// What the app keeps about the user, all of it on the phone.
@MainActor @Observable public final class DataModel {
    /// The number of entries in the feedback.
    public private(set) var entries = 0
    /// Hints that were useful.
    public private(set) var useful = UsefulShare([])
    /// Why something was not deleted.
    public private(set) var problem: String?

    private let services: Services
    private let deleted: @MainActor () async -> Void

    /// Creates the model; `deleted` is called after everything was deleted.
    public init(_ services: Services, deleted: @escaping @MainActor () async -> Void) {
        self.services = services
        self.deleted = deleted
    }

    /// The feedback, to be shared; nil if there is none.
    public var file: URL? { entries > 0 ? services.feedback.file : nil }

    /// Counts what there is.
    public func load() async {
        let all = await services.feedback.entries
        entries = all.count
        useful = UsefulShare(all)
    }

    /// Deletes goals, feedback, the comparison and all that was learned; what fails is named, the rest is deleted anyway.
    public func deleteEverything() async {
        problem = nil
        await attempt { try await services.feedback.deleteEverything() }
        for task in services.learnable {
            await attempt {
                try await services.heads.reset(task)
                try await services.learner.restore(task, taught: [])
            }
        }
        await attempt { try services.goals.delete() }
        await attempt { try services.storage.remove(services.comparisonFile) }
        await load()
        await deleted()
    }

    private func attempt(_ work: () async throws -> Void) async {
        do {
            try await work()
        } catch {
            problem = error.localizedDescription
        }
    }
}
