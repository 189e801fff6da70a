import Foundation
import GoalScreens
import Testing

@testable import GoalKit

@MainActor @Suite struct ScreensTests {
    let storage = FaultyStorage()

    func screens(_ storage: FaultyStorage) async throws -> AppModel.Screens {
        try await AppModel { try await Services.golden(storage, bundles: 1) }.screens()
    }

    @Test func goalsAreKeptWithTheirAnswers() async throws {
        let goals = try await screens(storage).goals
        goals.draft = "  每天跑步5公里 "
        await goals.addDraft()
        let goal = try #require(goals.goals.first)
        #expect(goal.text == "每天跑步5公里" && goals.draft.isEmpty && goals.problem == nil)
        #expect(goals.answer(to: goal)?.hint.text.isEmpty == false)
        let again = try await screens(storage.survivor).goals
        #expect(again.goals == goals.goals && again.answer(to: goal) == goals.answer(to: goal))
        again.remove(at: [0])
        #expect(again.goals.isEmpty)
    }

    @Test func anEmptyGoalIsNotAdded() async throws {
        let goals = try await screens(storage).goals
        goals.draft = " "
        await goals.addDraft()
        #expect(goals.goals.isEmpty && goals.hasProblem)
        goals.hasProblem = false
        #expect(goals.problem == nil)
    }

    @Test func aCorrectionAndARatingStayTogether() async throws {
        let goals = try await screens(storage).goals
        try await goals.add("读书")
        let goal = try #require(goals.goals.first)
        await goals.correct(goal, task: "category", label: "工作")
        await goals.correct(goal, task: "difficulty", label: "困难")
        await goals.rate(goal, .wrong)
        let again = try await screens(storage.survivor).goals
        #expect(again.label(of: goal, task: "category") == "工作" && again.label(of: goal, task: "difficulty") == "困难")
        #expect(again.rating(of: goal) == .wrong && again.problem == nil)
        await goals.correct(goal, task: "category", label: "旅行")
        #expect(goals.problem?.contains("旅行") == true && goals.label(of: goal, task: "category") == "工作")
    }

    @Test func theModelLearnsFromTheScreen() async throws {
        let services = try await Services.golden(storage)
        for taught in try await HeadLearnerTests.corrections(services) {
            try await services.feedback.add(
                FeedbackEntry(text: taught.text, predicted: [:], label: taught.labels, bundle: "one"))
        }
        var changes = 0
        let learning = LearningModel(services) { changes += 1 }
        await learning.load()
        #expect(learning.canLearn && learning.rows.map(\.task) == ["category", "difficulty"])
        await learning.learn(asked: true)
        let row = learning.rows[0]
        #expect(row.problem == nil && row.history.current == 1 && row.report?.before == 0 && changes == 1)
        #expect(learning.rows[1].report == nil && !learning.rows[1].canLearn)
        await learning.rollBack("category", to: 0)
        #expect(learning.rows[0].history.current == 0)
        await learning.reset("category")
        #expect(learning.rows[0].history.versions.isEmpty && changes == 3)
    }

    @Test func everythingIsDeleted() async throws {
        let screens = try await screens(storage)
        try await screens.goals.add("读书")
        await screens.goals.rate(try #require(screens.goals.goals.first), .useful)
        await screens.data.load()
        #expect(screens.data.entries == 1 && screens.data.file != nil && screens.data.useful.useful == 1)
        await screens.data.deleteEverything()
        #expect(screens.data.problem == nil && screens.data.file == nil && screens.goals.goals.isEmpty)
        #expect(storage.contents.isEmpty)
    }

    @Test func theFiguresAreWritten() async throws {
        let services = try await Services.golden(storage)
        let model = MeasurementsModel(services, learning: LearningModel(services) {}, runs: 5)
        await model.measure()
        #expect(model.problem == nil && model.measurements?.latency?.runs == 5)
        let file = try #require(model.file)
        #expect(try storage.read(file) == model.measurements?.json())
    }

    @Test func aModelIsNotComparedWithItself() async throws {
        let comparison = ComparisonModel(try await Services.golden(storage, bundles: 2))
        #expect(comparison.isPossible)
        await comparison.start()
        #expect(comparison.problem == ComparisonError.sameModel.localizedDescription && comparison.question == nil)
    }

    @Test func aMissingModelIsExplainedAndTriedAgain() async throws {
        let model = AppModel { throw BundleError.missing("Bundles") }
        for _ in 0..<2 { await model.start() }
        guard case .failed(let message) = model.state else { return #expect(Bool(false)) }
        #expect(message.contains("no model in “Bundles”"))
    }
}
