import Foundation
import Testing

@testable import GoalKit

@Suite struct GoalModelTests {
    let bundle: GoalBundle
    let model: GoalModel

    init() throws {
        bundle = try GoalBundle(contentsOf: Fixtures.bundle)
        model = GoalModel(bundle: bundle, model: try GoldenModel(bundle))
    }

    @Test func itAnswersAsPythonDoes() async throws {
        let golden = try bundle.golden()
        let texts = Array(golden.texts.prefix(golden.embeddings.count))
        for (row, prediction) in try await model.predictions(texts).enumerated() {
            #expect(prediction.text == texts[row])
            for task in bundle.manifest.tasks {
                #expect(prediction.answers[task.name]?.labels == task.labels)
                #expect(prediction.answers[task.name]?.probabilities == golden.probabilities[task.name]?[row])
            }
        }
    }

    @Test func aTextThatIsStillBeingTypedIsNotPredicted() async throws {
        let task = Task { try await model.livePrediction("每天跑步", after: .seconds(60)) == nil }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test func aTextThatRestsGetsAHint() async throws {
        let text = try #require(bundle.golden().texts.first)
        let found = try #require(try await model.livePrediction(text, after: .zero))
        #expect(found.prediction.text == text)
        #expect(found.hint == bundle.hints.choose(found.prediction))
        #expect(try await model.livePrediction(" \n", after: .zero) == nil)
    }

    @Test func aModelWithoutATaskIsRefused() async throws {
        struct Silent: TextModel {
            var probabilities: [String: [Float]] = [:]
            func outputs(for texts: [String]) async throws -> [ModelOutput] {
                texts.map { _ in ModelOutput(embedding: [], probabilities: probabilities) }
            }
        }
        await #expect(throws: TextModelError.missingOutput("category")) {
            try await GoalModel(bundle: bundle, model: Silent()).predictions(["跑步"])
        }
        await #expect(throws: TextModelError.unusableOutput("category")) {
            try await GoalModel(bundle: bundle, model: Silent(probabilities: ["category": [1]])).predictions(["跑步"])
        }
    }
}
