import Foundation

/// What a number of ratings says.
public enum Evidence {
    /// Evidence for a preference at which it counts as shown: at most one comparison in 20 without a preference ever reaches it.
    public static let threshold = 20.0

    /// Returns the e-value 2ⁿ / ((n + 1) · C(n, w)) against “no preference”, for w wins and n - w losses.
    ///
    /// It may be looked at after each rating: the probability that it ever reaches 1/α is at most α (Ville, 1939; Robbins, 1970).
    public static func value(wins: Int, losses: Int) -> Double {
        let count = wins + losses
        return exp(Double(count) * log(2) - log(Double(count + 1)) - logChoices(count, wins))
    }

    /// Returns the two-sided mid-p value of McNemar's exact test, for a number of ratings that was fixed beforehand
    /// (Fagerland et al., 2013).
    public static func midP(wins: Int, losses: Int) -> Double {
        let (count, fewer) = (wins + losses, min(wins, losses))
        func probability(_ number: Int) -> Double { exp(logChoices(count, number) - Double(count) * log(2)) }
        let exact = min(2 * (0...fewer).reduce(0) { $0 + probability($1) }, 1)
        return exact - probability(fewer)
    }

    /// Returns Wilson's 95 % confidence interval of a share (Wilson, 1927); 0 to 1 without any trial.
    public static func interval(successes: Int, of count: Int) -> ClosedRange<Double> {
        guard count > 0 else { return 0...1 }
        let quantile = 1.959963984540054
        let (share, number) = (Double(successes) / Double(count), Double(count))
        let centre = share + quantile * quantile / (2 * number)
        let spread = quantile * (share * (1 - share) / number + quantile * quantile / (4 * number * number)).squareRoot()
        let scale = 1 + quantile * quantile / number
        return max((centre - spread) / scale, 0)...min((centre + spread) / scale, 1)
    }

    private static func logChoices(_ count: Int, _ chosen: Int) -> Double {
        lgamma(Double(count + 1)) - lgamma(Double(chosen + 1)) - lgamma(Double(count - chosen + 1))
    }
}

/// How many hints were useful, held against the wanted share.
public struct UsefulShare: Sendable, Equatable {
    /// Hints that were rated useful.
    public let useful: Int
    /// Hints that were rated.
    public let rated: Int

    /// Counts ratings.
    public init(_ entries: some Sequence<FeedbackEntry>) {
        let ratings = entries.compactMap(\.rating)
        rated = ratings.count
        useful = ratings.filter { $0 == .useful }.count
    }

    /// The 95 % confidence interval of the share.
    public var interval: ClosedRange<Double> { Evidence.interval(successes: useful, of: rated) }

    /// Whether the share is above `wanted`; nil while that is open.
    public func exceeds(_ wanted: Double) -> Bool? {
        if interval.lowerBound > wanted { return true }
        return interval.upperBound < wanted ? false : nil
    }
}
