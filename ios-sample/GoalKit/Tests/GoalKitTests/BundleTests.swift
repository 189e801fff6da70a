import Foundation
import Testing

@testable import GoalKit

@Suite struct BundleTests {
    /// Opens a copy of the bundle after a change, and returns the message.
    static func messageAfter(_ change: (URL) throws -> Void) throws -> String {
        let copy = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: copy) }
        try FileManager.default.copyItem(at: Fixtures.bundle, to: copy)
        try change(copy)
        return message { _ = try GoalBundle(contentsOf: copy) }
    }

    static func edit(_ file: URL, _ old: String, _ new: String) throws {
        let text = try String(contentsOf: file, encoding: .utf8)
        #expect(text.contains(old))
        try text.replacingOccurrences(of: old, with: new).write(to: file, atomically: true, encoding: .utf8)
    }

    @Test func anExportedBundleIsOpened() throws {
        let bundle = try GoalBundle(contentsOf: Fixtures.bundle)
        let manifest = bundle.manifest
        #expect(manifest.tasks.map(\.name) == ["category", "difficulty", "completion"])
        #expect(manifest.tasks[0].labels == ["健康", "学习", "工作", "生活", "理财"])
        #expect(manifest.lengths == [48])
        #expect(manifest.embeddingSize == 384)
        #expect(manifest.inputs == ["input_ids", "attention_mask"])
        #expect(manifest.deploymentTarget == "iOS17")
        #expect(manifest.answers(for: "category") == manifest.tasks[0].labels)
        #expect(manifest.answers(for: "none") == [])
        let replay = try #require(bundle.replay)
        #expect(replay.texts.count > 10 && replay.labels["completion"]?.count == replay.texts.count)
        #expect(try bundle.head(for: "category").labels == manifest.tasks[0].labels + ["slot_1", "slot_2"])
        #expect(try bundle.head(for: "difficulty").training.epochs == 5)
        #expect(try bundle.golden().texts.count == 500)
        #expect(message { _ = try bundle.head(for: "completion") }.contains("cannot learn “completion”"))
    }

    @Test func aFolderWithoutABundle() {
        let found = message { _ = try GoalBundle(contentsOf: Fixtures.folder.appending(path: "nothing")) }
        #expect(found.contains("no model in “nothing”"))
    }

    @Test(arguments: [(4, "update the app"), (2, "export the model again")])
    func anotherSchemaIsRefused(schema: Int, advice: String) throws {
        let found = try Self.messageAfter {
            try Self.edit($0.appending(path: "manifest.json"), "\"schema\": 3", "\"schema\": \(schema)")
        }
        #expect(found.contains("format \(schema)") && found.contains(advice), "\(found)")
    }

    @Test(arguments: [
        ("\"embedding_size\": 384", "\"embedding_size\": 385"), ("\"schema\": 3", "\"schema\":  3"), ("简单", "容易"),
        ("\"measured\": {}", "\"measured\": {\"accuracy\": 1}"), ("\"lowercase\": true", "\"lowercase\": false"),
    ])
    func anAlteredManifestIsRefused(old: String, new: String) throws {
        let found = try Self.messageAfter { try Self.edit($0.appending(path: "manifest.json"), old, new) }
        #expect(found.contains("“manifest.json” is damaged or was changed"), "\(found)")
    }

    @Test func aManifestWithAnotherIdentityIsRefused() throws {
        let data = try Fixtures.data("GoalAnalyzer/manifest.json")
        let text = try #require(String(data: data, encoding: .utf8))
        let identity = try GoalBundle(contentsOf: Fixtures.bundle).manifest.identity
        var forged = text.replacingOccurrences(of: identity, with: String(repeating: "0", count: 64))
        let digest = try #require(ManifestText(Data(forged.utf8))).digest
        let old = try Manifest(contentsOf: data).digest
        forged = forged.replacingOccurrences(of: old, with: digest)
        #expect(try #require(ManifestText(Data(forged.utf8))).digest == digest)
        #expect(throws: BundleError.damaged("manifest.json")) { try Manifest(contentsOf: Data(forged.utf8)) }
    }

    @Test(arguments: [
        "vocab.txt", "hints.json", "GoalHead-category.mlmodel", "golden.json",
        "GoalAnalyzer.mlpackage/Data/com.apple.CoreML/weights/weight.bin",
    ])
    func oneChangedByteIsNoticed(name: String) throws {
        let found = try Self.messageAfter { folder in
            var data = try Data(contentsOf: folder.appending(path: name))
            data[data.count / 2] ^= 1
            try data.write(to: folder.appending(path: name))
        }
        #expect(found.contains("“\(name)” is damaged or was changed"), "\(found)")
    }

    @Test func missingAndForeignFilesAreNoticed() throws {
        let missing = try Self.messageAfter { try FileManager.default.removeItem(at: $0.appending(path: "golden.json")) }
        #expect(missing.contains("lacks its file “golden.json”"))
        let foreign = try Self.messageAfter { try Data().write(to: $0.appending(path: "GoalAnalyzer.mlpackage/notes.txt")) }
        #expect(foreign.contains("“GoalAnalyzer.mlpackage/notes.txt” does not belong"))
        #expect(try Self.messageAfter { try Data().write(to: $0.appending(path: ".DS_Store")) } == "no error")
    }

    @Test func mutatedManifestsAreRefusedWithoutACrash() throws {
        let data = try Fixtures.data("GoalAnalyzer/manifest.json")
        var generator = SeededGenerator(seed: 1)
        for _ in 0..<mutations(5) {
            let mutated = mutate(data, using: &generator)
            if mutated != data { #expect(throws: (any Error).self) { try Manifest(contentsOf: mutated) } }
        }
    }
}

/// A thousand mutations, or as many as `GOALKIT_MUTATIONS` says, in so many tests.
func mutations(_ share: Int) -> Int {
    (ProcessInfo.processInfo.environment["GOALKIT_MUTATIONS"].flatMap(Int.init) ?? 2_000) / share
}

/// Changes, drops, doubles or inserts a few bytes.
func mutate(_ data: Data, using generator: inout SeededGenerator) -> Data {
    var bytes = Array(data)
    for _ in 0...Int.random(in: 0..<3, using: &generator) where !bytes.isEmpty {
        let place = Int.random(in: 0..<bytes.count, using: &generator)
        let end = min(place + Int.random(in: 1..<40, using: &generator), bytes.count)
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: bytes[place] = UInt8.random(in: .min ... .max, using: &generator)
        case 1: bytes.removeSubrange(place..<end)
        case 2: bytes.insert(contentsOf: bytes[place..<end], at: place)
        default:
            bytes.insert(contentsOf: Array("{\"[]}0-e9,:\u{0}\n\\ud8dc".utf8).shuffled(using: &generator).prefix(3), at: place)
        }
    }
    return Data(bytes)
}

@Suite struct DigestTests {
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ])
    func theVectorsOfTheStandard(text: String, digest: String) {
        #expect(SHA256Digest.portable(Array(text.utf8)) == digest)
    }

    @Test func aMillionLetters() {
        let digest = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
        #expect(SHA256Digest.portable(Array(repeating: UInt8(ascii: "a"), count: 1_000_000)) == digest)
    }
}

@Suite struct HintsTests {
    struct Case: Decodable {
        let probabilities: [String: [String: Float]]
        let labels: [String: String]
        let hint: String
    }

    @Test func everyGoldenTextAndEveryCombinationHasTheSentenceOfPython() throws {
        let bundle = try GoalBundle(contentsOf: Fixtures.bundle)
        let cases = try Fixtures.read([Case].self, from: "hints.json")
        #expect(cases.count == 500 + 3 * 45)
        var asked = 0
        for each in cases {
            let answers = bundle.manifest.tasks.map { task in
                (
                    task.name,
                    Prediction.Answer(
                        labels: task.labels, probabilities: task.labels.map { each.probabilities[task.name]?[$0] ?? -1 })
                )
            }
            let prediction = Prediction(text: "", answers: Dictionary(uniqueKeysWithValues: answers))
            let hint = bundle.hints.choose(prediction)
            #expect(prediction.labels == each.labels)
            #expect(hint.text == each.hint)
            #expect(hint.asks == (each.hint == bundle.hints.fallback))
            asked += hint.asks ? 1 : 0
        }
        #expect(asked > 45 && asked < 450)
    }

    @Test func withoutTasksItAlwaysAsks() throws {
        let hints = try JSONDecoder().decode(
            Hints.self, from: Data(#"{"tasks": [], "confidence": 0.5, "templates": {}, "fallback": "?"}"#.utf8))
        #expect(hints.choose(Prediction(text: "", answers: [:])) == Hint(text: "?", asks: true))
        #expect(hints.fit([]))
    }

    @Test func everyCombinationNeedsASentence() throws {
        let tasks = [GoalTask(name: "size", labels: ["s", "l"])]
        func fits(_ templates: String) throws -> Bool {
            let text = #"{"tasks": ["size"], "confidence": 0.5, "templates": \#(templates), "fallback": "?"}"#
            return try JSONDecoder().decode(Hints.self, from: Data(text.utf8)).fit(tasks)
        }
        #expect(try fits(#"{"s": "1", "l": "2"}"#))
        #expect(try fits(#"{"s": "1"}"#) == false)
        #expect(try fits(#"{"s": "1", "l": "2", "x": "3"}"#) == false)
    }
}
