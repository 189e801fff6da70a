import Foundation

/// A user's feedback on one prediction: a line of `feedback.jsonl`, in the format that `Dataset.from_feedback` reads.
public struct FeedbackEntry: Sendable, Equatable, Codable {
    /// What the user thought of a prediction.
    public enum Rating: String, Sendable, Codable {
        /// The predicted labels are right.
        case useful
        /// They are not.
        case wrong
    }

    /// The text of the prediction.
    public let text: String
    /// The predicted label of each task.
    public let predicted: [String: String]
    /// The labels that the user gave, for some or all tasks.
    public let label: [String: String]?
    /// What the user thought of the prediction.
    public let rating: Rating?
    /// When, to the second.
    public internal(set) var time: Date
    /// The identity of the bundle that made the prediction.
    public let bundle: String

    /// Creates an entry; it needs a rating or labels to be saved.
    public init(
        text: String, predicted: [String: String], label: [String: String]? = nil, rating: Rating? = nil, time: Date = .now,
        bundle: String
    ) {
        self.text = text
        self.predicted = predicted
        self.label = label
        self.rating = rating
        self.time = Date(timeIntervalSince1970: time.timeIntervalSince1970.rounded(.down))
        self.bundle = bundle
    }

    /// Texts that differ only in white space or Unicode's composed form are the same text.
    var key: [Unicode.Scalar] { CleaningStep.composition.apply(CleaningStep.space.apply(Array(text.unicodeScalars))) }

    /// The labels that this entry gives for `tasks`, or nil if it does not give all.
    func labels(for tasks: [String]) -> [String: String]? {
        var known = rating == .useful ? predicted : [:]
        known.merge(label ?? [:]) { $1 }
        let wanted = known.filter { tasks.contains($0.key) }
        return wanted.count == tasks.count ? wanted : nil
    }

    /// The entry as a line of JSON, with its line feed.
    func line() throws -> Data {
        let encoder = JSONEncoder()
        encoder.dateEncodingStrategy = .iso8601
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self) + Data("\n".utf8)
    }

    /// Reads a line of JSON. Returns nil if it is not an entry.
    init?(line: Data) {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        guard let entry = try? CheckedJSON.decode(Self.self, from: line, using: decoder), entry.problem == nil else {
            return nil
        }
        self = entry
    }

    /// Why Python would not read this entry, or nil if it would.
    var problem: FeedbackError? {
        if key.isEmpty { return .emptyText }
        if rating == nil, label == nil { return .empty }
        if bundle.allSatisfy(\.isWhitespace) { return .noBundle }
        return nil
    }
}

/// A text with the labels that feedback gives it.
public struct TaughtText: Sendable, Equatable {
    /// The text.
    public let text: String
    /// Its label per task.
    public let labels: [String: String]
}

extension Sequence<FeedbackEntry> {
    /// Returns the texts that have labels for all `tasks`, as `Dataset.from_feedback` does: only the latest entry on a text counts.
    public func taught(_ tasks: [String]) -> [TaughtText] {
        var latest: [[Unicode.Scalar]: (place: Int, entry: FeedbackEntry)] = [:]
        for (place, entry) in self.enumerated() {
            if let other = latest[entry.key], entry.time < other.entry.time { continue }
            latest[entry.key] = (place, entry)
        }
        return latest.values.sorted { $0.place < $1.place }.compactMap { found in
            found.entry.labels(for: tasks).map { TaughtText(text: found.entry.text, labels: $0) }
        }
    }
}
