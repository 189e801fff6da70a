import Foundation
import Testing

@testable import GoalKit

@Suite struct EvidenceTests {
    struct Case: Decodable {
        let wins: Int
        let losses: Int
        let value: Double
        let midP: Double
        let interval: [Double]
    }

    @Test func numbersAreThoseOfScipy() throws {
        let cases = try Fixtures.read([Case].self, from: "evidence.json")
        #expect(cases.count == 10)
        for each in cases {
            let value = Evidence.value(wins: each.wins, losses: each.losses)
            #expect(abs(value / each.value - 1) < 1e-9)
            #expect(abs(Evidence.midP(wins: each.wins, losses: each.losses) - each.midP) < 1e-9)
            let interval = Evidence.interval(successes: each.wins, of: each.wins + each.losses)
            #expect(abs(interval.lowerBound - each.interval[0]) < 1e-9 && abs(interval.upperBound - each.interval[1]) < 1e-9)
        }
    }

    @Test func eightUnanimousRatingsSuffice() {
        #expect(Evidence.value(wins: 7, losses: 0) < Evidence.threshold)
        #expect(Evidence.value(wins: 8, losses: 0) >= Evidence.threshold)
    }

    @Test func usefulHints() {
        func share(_ useful: Int, _ wrong: Int) -> UsefulShare {
            UsefulShare(
                (0..<useful).map { entry($0) } + (0..<wrong).map { entry($0, rating: .wrong) } + [entry(1, rating: nil)])
        }
        #expect(share(60, 5).exceeds(0.7) == true)
        #expect(share(8, 2).exceeds(0.7) == nil)
        #expect(share(10, 30).exceeds(0.7) == false)
        #expect(share(0, 0).exceeds(0.7) == nil)
        #expect(share(8, 2).rated == 10)
    }
}

@Suite struct ComparisonTests {
    func question(_ comparison: Comparison, _ number: Int) throws -> Comparison.Question {
        try #require(comparison.question(goal: "goal \(number)", first: "one", second: "two"))
    }

    /// Rates goals by a user who prefers the first model with a probability, and looks after each rating.
    func rated(_ count: Int, preference: Double, seed: UInt64) throws -> (comparison: Comparison, needed: Int?) {
        var generator = SeededGenerator(seed: seed)
        var comparison = try Comparison("a", "b", seed: seed)
        for number in 0..<count {
            let question = try question(comparison, number)
            let first = Double.random(in: 0..<1, using: &generator) < preference
            comparison.record((question.upper == "one") == first ? .upper : .lower, on: question)
            if comparison.verdict.better != nil { return (comparison, number + 1) }
        }
        return (comparison, nil)
    }

    @Test func onlyDifferentHintsAreAsked() throws {
        var comparison = try Comparison("a", "b", seed: 1)
        #expect(comparison.question(goal: "跑步", first: "one", second: "one") == nil)
        let asked = try #require(comparison.question(goal: "跑步", first: "one", second: "two"))
        #expect(Set([asked.upper, asked.lower]) == ["one", "two"])
        #expect(comparison.question(goal: "跑步", first: "one", second: "two") == asked)
        comparison.record(.neither, on: asked)
        comparison.record(.upper, on: asked)
        #expect(comparison.verdict.ties == 1 && comparison.verdict.wins == [.first: 0, .second: 0])
        #expect(comparison.question(goal: "跑步", first: "one", second: "two") == nil)
    }

    @Test func theOrderIsRandomAndDependsOnTheGoalOnly() throws {
        let comparison = try Comparison("a", "b", seed: 4)
        let above = try (0..<400).map { try question(comparison, $0).upper == "one" }
        #expect(try (0..<400).map { try question(comparison, $0).upper == "one" } == above)
        let count = above.filter { $0 }.count
        #expect(count > 150 && count < 250)
    }

    @Test func withoutAPreferenceAWinnerIsSeldomNamed() throws {
        let named = try (0..<300).filter { try rated(100, preference: 0.5, seed: UInt64($0)).needed != nil }.count
        #expect(named <= 15)
    }

    @Test func aClearPreferenceIsFoundSoon() throws {
        let needed = try (0..<100).compactMap { seed in
            let found = try rated(120, preference: 0.8, seed: UInt64(seed))
            return found.comparison.verdict.better == .first ? found.needed : nil
        }.sorted()
        #expect(needed.count >= 95)
        #expect((10...30).contains(needed[needed.count / 2]))
    }

    @Test func aVerdictStays() throws {
        var comparison = try rated(20, preference: 1, seed: 1).comparison
        #expect(comparison.verdict.better == .first && comparison.verdict.wins == [.first: 8, .second: 0])
        for number in 100..<108 {
            let question = try question(comparison, number)
            comparison.record(question.upper == "two" ? .upper : .lower, on: question)
        }
        #expect(comparison.verdict.evidence < 1 && comparison.verdict.better == .first)
    }

    @Test func itIsSavedWithoutTexts() throws {
        let comparison = try rated(5, preference: 0.5, seed: 1).comparison
        let data = try JSONEncoder().encode(comparison)
        #expect(try JSONDecoder().decode(Comparison.self, from: data) == comparison)
        #expect(!String(decoding: data, as: UTF8.self).contains("goal"))
    }

    @Test func aModelIsNotComparedWithItself() {
        #expect(message { _ = try Comparison("a", "a") } == "Both models are the same: there is nothing to compare.")
    }
}
