import Foundation
import Testing

@testable import GoalKit

private let folder = URL(filePath: "/app/heads")
private func head(_ number: Int) -> Data { Data("head \(number)".utf8) }

@Suite struct PersonalHeadsTests {
    @Test func headsArePublishedAndRolledBack() async throws {
        let storage = FaultyStorage()
        let heads = try PersonalHeads(folder: folder, identity: "one", storage: storage)
        #expect(try await heads.current(for: "category") == nil)
        for number in 1...3 { try await heads.publish(head(number), for: "category", examples: number) }
        #expect(try await heads.current(for: "category") == head(3))
        #expect(try await heads.current(for: "difficulty") == nil)
        try await heads.rollBack("category", to: 1)
        let again = try PersonalHeads(folder: folder, identity: "one", storage: storage)
        #expect(try await again.current(for: "category") == head(1))
        #expect(try await again.publish(head(4), for: "category", examples: 9).number == 4)
        #expect(try await again.history(of: "category").versions.map(\.examples) == [1, 2, 3, 9])
        try await again.rollBack("category", to: 0)
        #expect(try await again.current(for: "category") == nil)
        let error = PersonalHeadError.noVersion(7, task: "category")
        await #expect(throws: error) { try await again.rollBack("category", to: 7) }
        try await again.reset("category")
        #expect(storage.contents.isEmpty)
    }

    @Test func anotherBundleDropsTheHeadsOfTheOld() async throws {
        let storage = FaultyStorage()
        try await PersonalHeads(folder: folder, identity: "one", storage: storage).publish(
            head(1), for: "category", examples: 1)
        let heads = try PersonalHeads(folder: folder, identity: "two", storage: storage)
        #expect(try await heads.current(for: "category") == nil)
        #expect(storage.contents.isEmpty)
    }

    @Test func oldVersionsAreDropped() async throws {
        let storage = FaultyStorage()
        let heads = try PersonalHeads(folder: folder, identity: "one", storage: storage)
        for number in 1...13 { try await heads.publish(head(number), for: "category", examples: 1) }
        #expect(try await heads.history(of: "category").versions.map(\.number) == Array(4...13))
        #expect(storage.contents.count == 11)
    }

    @Test func damageIsNoticed() async throws {
        let storage = FaultyStorage()
        let heads = try PersonalHeads(folder: folder, identity: "one", storage: storage)
        for number in 1...2 { try await heads.publish(head(number), for: "category", examples: 1) }
        try storage.replace(folder.appending(path: "one/category/2.mlmodel"), with: head(9))
        await #expect(throws: PersonalHeadError.damaged("category")) { try await heads.current(for: "category") }
        try await heads.rollBack("category", to: 1)
        #expect(try await heads.current(for: "category") == head(1))
        try storage.replace(folder.appending(path: "one/category/history.json"), with: Data("{".utf8))
        await #expect(throws: PersonalHeadError.damagedHistory("category")) { try await heads.current(for: "category") }
        try await heads.reset("category")
        #expect(try await heads.current(for: "category") == nil)
    }

    @Test func anInterruptedTrainingIsRemembered() async throws {
        let storage = FaultyStorage()
        let heads = try PersonalHeads(folder: folder, identity: "one", storage: storage)
        try await heads.beginTraining("category")
        let again = try PersonalHeads(folder: folder, identity: "one", storage: storage.survivor)
        #expect(try await again.wasInterrupted("category"))
        try await heads.endTraining("category")
        #expect(try await heads.wasInterrupted("category") == false)
    }

    @Test func aFullDiskChangesNothing() async throws {
        let storage = FaultyStorage(failing: 3...9, kind: .full)
        let heads = try PersonalHeads(folder: folder, identity: "one", storage: storage)
        try await heads.publish(head(1), for: "category", examples: 1)
        let error = PersonalHeadError.unsaved("no space left")
        await #expect(throws: error) { try await heads.publish(head(2), for: "category", examples: 1) }
        #expect(error.localizedDescription.contains("The model is as before"))
        #expect(try await heads.current(for: "category") == head(1))
    }

    /// Random histories, each interrupted at every change, before and after it.
    @Test(arguments: 0..<6) func theOldOrTheNewHeadIsInUseWhereverTheAppEnds(seed: UInt64) async throws {
        var points = 0
        for part in [0, 0.5, 1] {
            for point in 1... {
                let storage = FaultyStorage(failing: point...point, part: part)
                let (old, new) = try await interrupted(storage, seed: seed)
                guard storage.failed else { break }
                points += 1
                let heads = try PersonalHeads(folder: folder, identity: "one", storage: storage.survivor)
                let found = try await heads.current(for: "category")
                #expect(found == old || found == new, "change \(point), part \(part)")
                for version in try await heads.history(of: "category").versions {
                    try await heads.rollBack("category", to: version.number)
                    _ = try await heads.current(for: "category")
                }
                try await heads.publish(head(99), for: "category", examples: 1)
                #expect(try await heads.current(for: "category") == head(99))
            }
        }
        #expect(points > 40)
    }

    /// Publishes, rolls back and resets until the storage fails. Returns the heads in use before and after the last action.
    func interrupted(_ storage: FaultyStorage, seed: UInt64) async throws -> (old: Data?, new: Data?) {
        var generator = SeededGenerator(seed: seed)
        let heads = try PersonalHeads(folder: folder, identity: "one", storage: storage)
        var used: Data?
        for number in 1...14 {
            var wanted = used
            do {
                switch Int.random(in: 0..<6, using: &generator) {
                case 0:
                    wanted = nil
                    try await heads.reset("category")
                case 1:
                    let versions = try await heads.history(of: "category").versions
                    guard let first = versions.first else { continue }
                    wanted = try storage.read(folder.appending(path: "one/category/\(first.number).mlmodel"))
                    try await heads.rollBack("category", to: first.number)
                default:
                    wanted = head(number)
                    try await heads.publish(head(number), for: "category", examples: number)
                }
            } catch {
                return (used, wanted)
            }
            used = wanted
        }
        return (used, used)
    }
}
