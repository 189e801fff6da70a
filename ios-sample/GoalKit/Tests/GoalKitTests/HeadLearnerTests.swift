import Foundation
import GoalScreens
import Testing

@testable import GoalKit

private struct Failure: Error {}

@Suite struct HeadLearnerTests {
    /// Golden texts, with another label than the model gives each.
    static func corrections(_ services: Services, count: Int = 6) async throws -> [TaughtText] {
        let labels = services.model.bundle.manifest.tasks[0].labels
        let texts = Array(try services.model.bundle.golden().texts.prefix(count))
        return try await services.model.predictions(texts).map { prediction in
            let wrong = labels.first { $0 != prediction.labels["category"] } ?? ""
            return TaughtText(text: prediction.text, labels: ["category": wrong])
        }
    }

    /// A head that always answers its last label, a spare slot, which is always wrong.
    static func stubborn(_ head: UpdatableHead) throws -> UpdatableHead {
        let layers = head.layers.compactMap(\.product).filter(\.updatable)
        return try head.with(
            Dictionary(
                uniqueKeysWithValues: layers.map { layer in
                    let bias = (0..<layer.outputs).map { $0 == layer.outputs - 1 ? Float(100) : 0 }
                    return (layer.name, LearnedLayer(weight: layer.weight.map { _ in 0 }, bias: bias))
                }))
    }

    @Test func itLearnsCorrectionsAndUsesThem() async throws {
        let storage = FaultyStorage()
        let services = try await Services.golden(storage)
        let taught = try await Self.corrections(services)
        let report = try await services.learner.learn("category", from: taught, asked: false)
        #expect(report.updater == "Swift" && report.version.number == 1 && report.version.examples == 6)
        #expect(report.before == 0 && report.after >= report.before)
        let finite = report.losses.allSatisfy(\.isFinite)
        #expect(finite && !report.losses.isEmpty)
        #expect(try await services.heads.wasInterrupted("category") == false)
        let after = try await services.model.predictions(taught.map(\.text))
        #expect(after[0].answers["category"]?.labels == services.model.bundle.manifest.tasks[0].labels)
        #expect(try await services.model.predictions(taught.map(\.text), asShipped: true) != after)

        let again = try await Services.golden(storage.survivor)
        try await again.learner.restore("category", taught: taught)
        #expect(try await again.model.predictions(taught.map(\.text)) == after)
        try await again.heads.rollBack("category", to: 0)
        try await again.learner.restore("category", taught: taught)
        #expect(
            try await again.model.predictions(taught.map(\.text))
                == again.model.predictions(taught.map(\.text), asShipped: true))
    }

    @Test func theNextUpdaterStepsInWhereOneFails() async throws {
        let broken = FakeUpdater(name: "broken") { _ in throw Failure() }
        let silent = FakeUpdater(name: "no loss", losses: [])
        let infinite = FakeUpdater(name: "infinite", losses: [1, .infinity])
        let services = try await Services.golden(updaters: [broken, silent, infinite, SwiftUpdater()])
        let report = try await services.learner.learn("category", from: Self.corrections(services), asked: true)
        #expect(report.updater == "Swift")
    }

    @Test func aHeadThatForgetsIsNotPublished() async throws {
        let services = try await Services.golden(
            updaters: [FakeUpdater(name: "stubborn") { try HeadLearnerTests.stubborn($0) }])
        let taught = try await Self.corrections(services)
        await #expect(throws: LearningError.forgets) {
            _ = try await services.learner.learn("category", from: taught, asked: true)
        }
        #expect(try await services.heads.current(for: "category") == nil)
        #expect(try await services.heads.wasInterrupted("category") == false)
    }

    @Test func afterAnEndOfTheAppOnlyTheUserStartsAnotherTraining() async throws {
        let storage = FaultyStorage()
        let services = try await Services.golden(storage, updaters: [FakeUpdater(name: "first"), SwiftUpdater()])
        let taught = try await Self.corrections(services)
        try await services.heads.beginTraining("category")
        await #expect(throws: LearningError.interrupted) {
            _ = try await services.learner.learn("category", from: taught, asked: false)
        }
        // what ended the app is left out
        #expect(try await services.learner.learn("category", from: taught, asked: true).updater == "Swift")
        #expect(try await services.learner.learn("category", from: taught, asked: false).updater == "first")
    }

    @Test func badExamplesAreRefused() async throws {
        let services = try await Services.golden()
        let taught = try await Self.corrections(services)
        await #expect(throws: LearningError.tooFew(1)) {
            _ = try await services.learner.learn("category", from: Array(taught.prefix(1)), asked: true)
        }
        let unknown = taught.map { TaughtText(text: $0.text, labels: ["category": "旅行"]) }
        await #expect(throws: HeadError.unknownLabel("旅行")) {
            _ = try await services.learner.learn("category", from: unknown, asked: true)
        }
        await #expect(throws: BundleError.noHead("completion")) {
            _ = try await services.learner.learn("completion", from: taught, asked: true)
        }
    }

    @Test func aFullDiskLeavesTheModelAsItWas() async throws {
        let services = try await Services.golden(FaultyStorage(failing: 1...99, kind: .full))
        let taught = try await Self.corrections(services)
        await #expect(throws: PersonalHeadError.unsaved("no space left")) {
            _ = try await services.learner.learn("category", from: taught, asked: true)
        }
        #expect(try await services.heads.current(for: "category") == nil)
    }

    @Test func layersOfAnotherSizeAreRefused() throws {
        let head = try GoalBundle(contentsOf: Fixtures.bundle).head(for: "category")
        #expect(head.updatableLayers.count == 1)
        let layer = try #require(head.layers.compactMap(\.product).first)
        #expect(try head.with([layer.name: LearnedLayer(weight: layer.weight, bias: layer.bias)]).layers == head.layers)
        for (weight, bias) in [([1], layer.bias), (layer.weight, [1]), (layer.weight, layer.bias.map { _ in .nan })] {
            #expect(throws: HeadError.damaged) { try head.with([layer.name: LearnedLayer(weight: weight, bias: bias)]) }
        }
        #expect(throws: HeadError.damaged) { try head.with([:]) }
    }

    @Test func spareSlotsAnswerByTheirNames() throws {
        let bundle = try GoalBundle(contentsOf: Fixtures.bundle)
        let labels = try bundle.head(for: "category").labels
        #expect(bundle.manifest.names(of: labels, for: "category") == bundle.manifest.tasks[0].labels + [nil, nil])
    }
}
