import Foundation

/// A comparison of two bundles on one phone, paired and blinded: both answer each goal, and the user is asked only where their
/// hints differ, without knowing which is whose (Radlinski et al., CIKM 2008; Chapelle et al., TOIS 30(1), 2012).
public struct Comparison: Sendable, Equatable, Codable {
    /// One of the two bundles.
    public enum Side: String, Sendable, Codable {
        case first, second

        /// The other one.
        public var other: Side { self == .first ? .second : .first }
    }

    /// What the user answered.
    public enum Choice: String, Sendable, Codable {
        case upper, lower, neither
    }

    /// Two hints for a goal, in the order in which they are shown.
    public struct Question: Sendable, Equatable {
        /// The goal.
        public let goal: String
        /// The hint shown above.
        public let upper: String
        /// The hint shown below.
        public let lower: String
        let above: Side
    }

    /// What is known so far.
    public struct Verdict: Sendable, Equatable {
        /// Ratings that preferred each side.
        public let wins: [Side: Int]
        /// Ratings that preferred neither.
        public let ties: Int
        /// The better side, once that is shown. It stays, whatever is rated later.
        public let better: Side?
        /// The present evidence for a preference, see `Evidence.value`.
        public let evidence: Double
    }

    /// The identities of the two bundles.
    public let identities: [String]

    private let seed: UInt64
    private var firstWins = 0
    private var secondWins = 0
    private var ties = 0
    private var better: Side?
    private var asked: Set<String> = []

    /// Starts a comparison of two bundles with these identities. Throws `ComparisonError` if they are the same.
    public init(_ first: String, _ second: String, seed: UInt64 = .random(in: .min ... .max)) throws {
        guard first != second else { throw ComparisonError.sameModel }
        identities = [first, second]
        self.seed = seed
    }

    /// Returns what to ask about a goal, or nil if both hints are the same or the goal was rated before.
    public func question(goal: String, first: String, second: String) -> Question? {
        guard first != second, !asked.contains(key(goal)) else { return nil }
        let above: Side = key(goal).utf8.first.map { $0 % 2 == 0 } == true ? .first : .second
        return Question(
            goal: goal, upper: above == .first ? first : second, lower: above == .first ? second : first, above: above)
    }

    /// Records an answer. A goal counts once.
    public mutating func record(_ choice: Choice, on question: Question) {
        guard asked.insert(key(question.goal)).inserted else { return }
        switch choice {
        case .neither: ties += 1
        case .upper, .lower:
            if (choice == .upper ? question.above : question.above.other) == .first { firstWins += 1 } else { secondWins += 1 }
        }
        if better == nil, evidence >= Evidence.threshold { better = firstWins > secondWins ? .first : .second }
    }

    /// What is known so far. It may be looked at after each rating.
    public var verdict: Verdict {
        Verdict(wins: [.first: firstWins, .second: secondWins], ties: ties, better: better, evidence: evidence)
    }

    private var evidence: Double { Evidence.value(wins: firstWins, losses: secondWins) }

    /// A digest of the goal, so that the comparison keeps no texts; its first digit decides the order.
    private func key(_ goal: String) -> String { SHA256Digest.hex(of: Data("\(seed)\n\(goal)".utf8)) }
}

/// Why two bundles cannot be compared.
public enum ComparisonError: LocalizedError, Equatable {
    /// Both are the same.
    case sameModel

    /// A sentence for the user.
    public var errorDescription: String? { "Both models are the same: there is nothing to compare." }
}
