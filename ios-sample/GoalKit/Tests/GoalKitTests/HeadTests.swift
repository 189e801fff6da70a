import Foundation
import Testing

@testable import GoalKit

struct HeadCase: Decodable {
    let file: Data
    let labels: [String]
    let taught: [String]
    let parameters: [String: Double]
    let orders: [[Int]]
    let losses: [Double]
    let before: [[Float]]
    let after: [[Float]]
    let weights: [[Float]]

    static let all = Result { try Fixtures.read([HeadCase].self, from: "heads.json") }
    static let embeddings = Result { try Fixtures.read(Golden.self, from: "GoalAnalyzer/golden.json").embeddings }

    var settings: [TrainingSettings.Name: Double] {
        Dictionary(
            uniqueKeysWithValues: parameters.compactMap { pair in
                TrainingSettings.Name(rawValue: pair.key).map { ($0, pair.value) }
            })
    }

    func trained() throws -> TrainedHead {
        let head = try UpdatableHead(contentsOf: file)
        var remaining = orders.makeIterator()
        let points = try Array(Self.embeddings.get().prefix(taught.count))
        return try HeadTrainer(settings: head.training.with(settings)).train(head, on: points, labels: taught) {
            remaining.next() ?? []
        }
    }
}

func largestError(_ one: [[Float]], _ other: [[Float]]) -> Float {
    guard one.map(\.count) == other.map(\.count) else { return .infinity }
    return zip(one.joined(), other.joined()).map { abs($0 - $1) }.max() ?? 0
}

@Suite struct UpdatableHeadTests {
    @Test(arguments: 0..<6) func probabilitiesAreThoseOfPython(number: Int) throws {
        let each = try HeadCase.all.get()[number]
        let head = try UpdatableHead(contentsOf: each.file)
        let embeddings = try HeadCase.embeddings.get()
        #expect(head.labels == each.labels)
        #expect(head.embeddingSize == 384)
        let error = largestError(embeddings.map(head.probabilities), each.before)
        print("head \(number): forward \(error)")
        #expect(error <= 1e-6)
    }

    @Test(arguments: 0..<6) func trainingGivesTheHeadOfPython(number: Int) throws {
        let each = try HeadCase.all.get()[number]
        let trained = try each.trained()
        let weights = trained.head.layers.compactMap(\.product).flatMap { [$0.weight, $0.bias] }
        let error = largestError(weights, each.weights)
        print("head \(number): trained \(error)")
        #expect(error <= 1e-5)
        #expect(largestError(try HeadCase.embeddings.get().map(trained.head.probabilities), each.after) <= 1e-5)
        #expect(trained.losses.count == each.losses.count)
        for (loss, wanted) in zip(trained.losses, each.losses) { #expect(abs(loss - wanted) <= 1e-5) }
        #expect(largestError(each.before, each.after) > 0.001)
    }

    @Test(arguments: 0..<6) func aHeadIsWrittenAsItWasRead(number: Int) throws {
        let each = try HeadCase.all.get()[number]
        #expect(try UpdatableHead(contentsOf: each.file).data() == each.file)
        let trained = try each.trained().head
        let again = try UpdatableHead(contentsOf: trained.data())
        #expect(again.layers == trained.layers)
        #expect(try trained.data().count == each.file.count)
    }

    @Test func shuffledTrainingDependsOnTheSeedOnly() throws {
        let each = try HeadCase.all.get()[0]
        let head = try UpdatableHead(contentsOf: each.file)
        let points = Array(try HeadCase.embeddings.get().prefix(22))
        let trainer = HeadTrainer(settings: try head.training.with([.epochs: 2]))
        let once = try trainer.train(head, on: points, labels: each.taught)
        let twice = try trainer.train(head, on: points, labels: each.taught)
        #expect(once.head.layers == twice.head.layers)
        #expect(once.head.layers != head.layers)
    }

    @Test func settingsAreThoseOfTheFile() throws {
        let sgd = try UpdatableHead(contentsOf: HeadCase.all.get()[0].file).training
        #expect(sgd.optimizer == .sgd && sgd.epochs == 10 && sgd.batchSize == 8 && sgd.shuffled)
        #expect(sgd[.learningRate] == 0.01 && sgd[.momentum] == 0.9 && sgd[.beta1] == 0)
        let adam = try UpdatableHead(contentsOf: HeadCase.all.get()[3].file).training
        #expect(adam.optimizer == .adam && adam[.beta1] == 0.9 && adam[.beta2] == 0.999 && adam[.eps] == 1e-8)
        #expect(try UpdatableHead(contentsOf: HeadCase.all.get()[4].file).training.seed == 3)
    }

    @Test(arguments: [
        (TrainingSettings.Name.learningRate, 2.0), (.learningRate, .nan), (.epochs, 3), (.miniBatchSize, 0), (.beta1, 0.5),
        (.momentum, 1),
    ])
    func settingsThatTheFileForbidsAreRefused(name: TrainingSettings.Name, value: Double) throws {
        let settings = try UpdatableHead(contentsOf: HeadCase.all.get()[0].file).training
        #expect(throws: HeadError.self) { try settings.with([name: value]) }
    }

    @Test func badExamplesAreRefused() throws {
        let head = try UpdatableHead(contentsOf: HeadCase.all.get()[0].file)
        let trainer = HeadTrainer(settings: head.training)
        let point = try HeadCase.embeddings.get()[0]
        var broken = point
        broken[5] = .nan
        func error(_ points: [[Float]], _ labels: [String]) -> String {
            message { _ = try trainer.train(head, on: points, labels: labels) }
        }
        #expect(error([], []).contains("nothing to learn from"))
        #expect(error([point], []).contains("1 examples and 0 labels"))
        #expect(error([point], ["运动"]).contains("no label “运动”"))
        #expect(error([[1]], ["健康"]).contains("1 numbers each instead of 384"))
        #expect(error([point, broken], ["健康", "健康"]).contains("Example 2"))
        #expect(error([point], ["健康"]) == "no error")
    }

    @Test func divergenceLeavesTheHeadAsItIs() throws {
        let head = try UpdatableHead(contentsOf: HeadCase.all.get()[0].file)
        let trainer = HeadTrainer(settings: try head.training.with([.learningRate: 1]))
        let points = try HeadCase.embeddings.get().prefix(4).map { point in point.map { $0 * 1e30 } }
        let found = message { _ = try trainer.train(head, on: points, labels: ["健康", "学习", "工作", "生活"]) }
        #expect(found.contains("Learning went wrong in round "))
    }

    @Test func damagedFilesAreRefused() throws {
        let file = try HeadCase.all.get()[4].file
        for size in stride(from: 0, to: file.count, by: 97) {
            #expect(throws: HeadError.self, "cut at \(size)") { try UpdatableHead(contentsOf: file.prefix(size)) }
        }
        var generator = SeededGenerator(seed: 5)
        for _ in 0..<mutations(10) {
            if let head = try? UpdatableHead(contentsOf: mutate(file, using: &generator)) {
                #expect(head.probabilities(Array(repeating: 0, count: head.embeddingSize)).count == head.labels.count)
            }
        }
    }
}

@Suite struct ProtobufTests {
    @Test func theDocumentationsExamples() throws {
        let message = try ProtobufMessage([0x08, 0x96, 0x01, 0x12, 0x07] + Array("testing".utf8) + [0x22, 0x02, 0x01, 0x02])
        #expect(try message.integer(1) == 150)
        #expect(try message.strings(2) == ["testing"])
        #expect(try message.integers(4) == [1, 2])
        #expect(try message.integer(3) == 0 && message.message(7) == nil)
        #expect(message.serialized.count == 16)
    }

    @Test(
        arguments: [[0x08], [0x0A, 0x05, 0x01], [0x03], [0x00, 0x01], [0x0D, 0x01], Array(repeating: 0xFF, count: 12)]
            as [[UInt8]])
    func damageIsNoticed(bytes: [UInt8]) {
        #expect(throws: HeadError.damaged) { try ProtobufMessage(bytes) }
    }
}

@Suite struct CorrectionGateTests {
    struct Case: Decodable {
        let threshold: Double
        let nearest: Int
        let corrections: [[Float]]
        let asked: [[Float]]
        let opens: [Bool]
    }

    @Test func itOpensWhereItOpensInPython() throws {
        let cases = try Fixtures.read([Case].self, from: "gate.json")
        #expect(cases.count == 60)
        for each in cases {
            let gate = try CorrectionGate(corrections: each.corrections, threshold: each.threshold, nearest: each.nearest)
            #expect(each.asked.map(gate.opens) == each.opens)
        }
        let opened = cases.flatMap(\.opens).filter { $0 }.count
        #expect(opened > 300 && opened < 1_500)
    }

    @Test func itIsMadeOfWhatTheShippedHeadHasWrong() throws {
        let head = try UpdatableHead(contentsOf: HeadCase.all.get()[0].file)
        let points = Array(try HeadCase.embeddings.get().prefix(20))
        var labels = points.map(head.label)
        #expect(try CorrectionGate(around: head, embeddings: points, labels: labels).count == 0)
        labels[3] = labels[3] == "健康" ? "学习" : "健康"
        let gate = try CorrectionGate(around: head, embeddings: points, labels: labels, threshold: 0.9999, nearest: 1)
        #expect(gate.count == 1 && gate.opens(points[3]) && !gate.opens(points[4]))
    }

    @Test func badSettingsAreRefused() {
        #expect(throws: HeadError.forbidden("threshold", value: 2)) { try CorrectionGate(corrections: [], threshold: 2) }
        #expect(throws: HeadError.forbidden("nearest", value: 0)) { try CorrectionGate(corrections: [], nearest: 0) }
    }
}
