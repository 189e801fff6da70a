import Foundation
import Testing

@testable import GoalKit

let answers = ["category": ["健康", "学习"], "difficulty": ["简单", "困难"]]
private let file = URL(filePath: "/app/feedback.jsonl")

func entry(_ number: Int, rating: FeedbackEntry.Rating? = .useful, label: [String: String]? = nil) -> FeedbackEntry {
    let predicted = ["category": "健康", "difficulty": "简单"]
    let time = Date(timeIntervalSince1970: Double(1_800_000_000 + number))
    return FeedbackEntry(text: "跑步\(number)公里", predicted: predicted, label: label, rating: rating, time: time, bundle: "4f3a")
}

@Suite struct FeedbackStoreTests {
    @Test func entriesAreKept() async throws {
        let storage = FaultyStorage()
        let store = try FeedbackStore(file: file, answers: answers, storage: storage)
        try await store.add(entry(1))
        try await store.add(entry(2, rating: .wrong, label: ["difficulty": "困难"]))
        let again = try FeedbackStore(file: file, answers: answers, storage: storage)
        #expect(await again.entries == [entry(1), entry(2, rating: .wrong, label: ["difficulty": "困难"])])
        #expect(await again.taught(["difficulty"]).map(\.labels) == [["difficulty": "简单"], ["difficulty": "困难"]])
    }

    @Test func theFormatIsThatOfTheDocumentation() async throws {
        let storage = FaultyStorage()
        let store = try FeedbackStore(file: file, answers: answers, storage: storage)
        try await store.add(entry(1, label: ["category": "学习"]))
        let line = try #require(storage.contents[file.path].flatMap { String(data: $0, encoding: .utf8) })
        let wanted =
            #"{"bundle":"4f3a","label":{"category":"学习"},"predicted":{"category":"健康","difficulty":"简单"},"#
            + #""rating":"useful","text":"跑步1公里","time":"2027-01-15T08:00:01Z"}"# + "\n"
        #expect(line == wanted)
    }

    @Test func aClockThatIsSetBackDoesNotReorderFeedback() async throws {
        let store = try FeedbackStore(file: file, answers: answers, storage: FaultyStorage())
        try await store.add(entry(9))
        try await store.add(entry(3))
        #expect(await store.entries[1].time == entry(9).time)
    }

    @Test func whatSaysNothingIsRefused() async throws {
        let storage = FaultyStorage()
        let store = try FeedbackStore(file: file, answers: answers, storage: storage)
        let blank = FeedbackEntry(text: " \u{3000}", predicted: [:], rating: .wrong, bundle: "4f3a")
        let nameless = FeedbackEntry(text: "a", predicted: [:], rating: .wrong, bundle: " ")
        await #expect(throws: FeedbackError.emptyText) { try await store.add(blank) }
        await #expect(throws: FeedbackError.empty) { try await store.add(entry(1, rating: nil)) }
        await #expect(throws: FeedbackError.noBundle) { try await store.add(nameless) }
        let unknown = FeedbackError.unknownLabel("理财", task: "category")
        await #expect(throws: unknown) { try await store.add(entry(1, label: ["category": "理财"])) }
        #expect(unknown.localizedDescription == "“理财” is not a label of category: choose another one.")
        #expect(storage.contents.isEmpty)
    }

    @Test func everythingIsDeleted() async throws {
        let storage = FaultyStorage()
        let store = try FeedbackStore(file: file, answers: answers, storage: storage)
        try await store.deleteEverything()
        try await store.add(entry(1))
        try await store.deleteEverything()
        #expect(storage.contents.isEmpty)
        #expect(await store.entries.isEmpty)
        try await store.add(entry(2))
        #expect(try await FeedbackStore(file: file, answers: answers, storage: storage).entries == [entry(2)])
    }

    @Test func aTornLastLineIsCutOffAtTheNextEntry() async throws {
        let whole = try entry(1).line()
        for size in 0..<whole.count {
            let storage = FaultyStorage(files: [file.path: whole + whole.prefix(size)])
            let store = try FeedbackStore(file: file, answers: answers, storage: storage)
            #expect(await store.entries == [entry(1)])
            try await store.add(entry(2))
            #expect(try storage.contents[file.path] == whole + entry(2).line())
        }
    }

    @Test func damagedLinesInsideStayInTheFile() async throws {
        let text = Data("{\"text\": 3}\n\n".utf8) + (try entry(1).line())
        let storage = FaultyStorage(files: [file.path: text])
        let store = try FeedbackStore(file: file, answers: answers, storage: storage)
        #expect(await store.damagedLines == 1)
        try await store.add(entry(2))
        #expect(try storage.contents[file.path] == text + entry(2).line())
    }

    @Test(arguments: [0, 0.5, 0.99]) func aFullDiskLosesNothing(part: Double) async throws {
        let storage = FaultyStorage(failing: 3...5, part: part, kind: .full)
        let store = try FeedbackStore(file: file, answers: answers, storage: storage)
        var saved: [FeedbackEntry] = []
        var messages: Set<String> = []
        for number in 0..<9 {
            do {
                try await store.add(entry(number))
                saved.append(entry(number))
            } catch {
                messages.insert(error.localizedDescription)
            }
        }
        #expect(saved.count < 9 && saved.count > 5)
        #expect(
            messages == [
                "Your feedback was not saved (no space left): free some space and try again. Earlier feedback is safe."
            ])
        #expect(await store.entries == saved)
        #expect(try storage.contents[file.path] == saved.reduce(Data()) { try $0 + $1.line() })
    }

    /// Random histories, each interrupted at every change, before, amid and after it.
    @Test(arguments: 0..<6) func nothingIsLostWhereverTheAppEnds(seed: UInt64) async throws {
        var points = 0
        for part in [0, 0.4, 0.97, 1] {
            for point in 1... {
                let storage = FaultyStorage(failing: point...point, part: part)
                let (saved, pending) = try await interrupted(storage, seed: seed)
                guard storage.failed else { break }
                points += 1
                let survivor = storage.survivor
                let store = try FeedbackStore(file: file, answers: answers, storage: survivor)
                let found = await store.entries
                #expect(found == saved || found == pending, "change \(point), part \(part)")
                try await store.add(entry(99))
                let text = try #require(survivor.contents[file.path])
                #expect(try text == (found + [entry(99)]).reduce(Data()) { try $0 + $1.line() })
            }
        }
        #expect(points > 40)
    }

    /// Adds and deletes until the storage fails. Returns what was saved then, and what was being saved.
    func interrupted(_ storage: FaultyStorage, seed: UInt64) async throws -> (saved: [FeedbackEntry], pending: [FeedbackEntry])
    {
        var generator = SeededGenerator(seed: seed)
        let store = try FeedbackStore(file: file, answers: answers, storage: storage)
        var saved: [FeedbackEntry] = []
        for number in 0..<14 {
            let deletes = Int.random(in: 0..<7, using: &generator) == 0
            let pending = deletes ? [] : saved + [entry(number)]
            do {
                if deletes { try await store.deleteEverything() } else { try await store.add(entry(number)) }
            } catch {
                return (saved, pending)
            }
            saved = pending
        }
        return (saved, saved)
    }

    @Test func mutatedFilesAreReadWithoutACrash() async throws {
        let data = try (0..<4).reduce(Data()) { try $0 + entry($1).line() }
        var generator = SeededGenerator(seed: 2)
        for _ in 0..<mutations(2) {
            let storage = FaultyStorage(files: [file.path: mutate(data, using: &generator)])
            let store = try FeedbackStore(file: file, answers: answers, storage: storage)
            try await store.add(entry(9))
            #expect(await store.entries.last?.text == entry(9).text)
            _ = await store.taught(["category"])
        }
    }

    @Test func onDisk() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: "data/feedback.jsonl")
        let store = try FeedbackStore(file: file, answers: answers)
        for number in 0..<3 { try await store.add(entry(number)) }
        try DiskStorage().append(Data("{\"te".utf8), to: file)
        let again = try FeedbackStore(file: file, answers: answers)
        try await again.add(entry(3))
        #expect(try Data(contentsOf: file) == (0..<4).reduce(Data()) { try $0 + entry($1).line() })
        try await again.deleteEverything()
        #expect(try DiskStorage().read(file) == nil)
        #expect(try DiskStorage().names(in: folder) == ["data"])
    }

    @Test func aFileThatCannotBeReadIsReported() {
        let found = message { _ = try FeedbackStore(file: URL(filePath: "/dev/null/feedback.jsonl"), answers: answers) }
        #expect(found.contains("Your feedback cannot be read"))
    }
}

@Suite struct TaughtTextTests {
    struct Case: Decodable {
        let lines: [String]
        let tasks: [String]
        let taught: [Taught]
    }

    struct Taught: Decodable {
        let text: String
        let labels: [String: String]
    }

    @Test func historiesTeachWhatTheyTeachInPython() throws {
        let cases = try Fixtures.read([Case].self, from: "feedback.json")
        #expect(cases.count == 200)
        for each in cases {
            let entries = each.lines.compactMap { FeedbackEntry(line: Data($0.utf8)) }
            #expect(entries.count == each.lines.count)
            let found = entries.taught(each.tasks)
            #expect(found.map { Array($0.text.unicodeScalars) } == each.taught.map { Array($0.text.unicodeScalars) })
            #expect(found.map(\.labels) == each.taught.map(\.labels))
        }
    }
}
