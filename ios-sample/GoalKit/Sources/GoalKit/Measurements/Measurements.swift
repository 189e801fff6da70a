import Foundation

/// What was measured on a phone, as the JSON that the app shares. A value that was not measured is left out.
///
/// | key | what it is |
/// |---|---|
/// | `schema` | 1 |
/// | `bundle` | the identity of the bundle |
/// | `device`, `system` | such as `iPhone16,1` and `Version 18.1 (Build 22B83)` |
/// | `time` | when, ISO 8601 in UTC |
/// | `latency` | `median` and `percentile95` in milliseconds over `runs` predictions of one text each, after `warm_up` others |
/// | `memory` | `before` and `peak` in MB (10⁶ bytes) of the app's footprint, before the model was loaded and at its highest since the app began |
/// | `update` | `seconds` that a head learned from `examples`, by `updater` |
/// | `units` | the share of the estimated cost on `cpu`, `gpu` and `neural_engine` |
/// | `useful` | `rated` hints, of which `useful`; `low` and `high` are Wilson's 95 % interval of the share |
/// | `budgets` | per budget its `name`, `limit`, `value` and `passed`: `latency` < 50 ms, by its 95th percentile; `memory` < 50 MB, by its peak; `update` < 5 s; `useful` > 0.7, by the interval |
public struct Measurements: Sendable, Equatable, Codable {
    /// Time per prediction in milliseconds.
    public struct Latency: Sendable, Equatable, Codable {
        /// Half are faster.
        public let median: Double
        /// 95 of 100 are faster.
        public let percentile95: Double
        /// The number of predictions.
        public let runs: Int
        /// The number of predictions before these.
        public let warmUp: Int
    }

    /// The app's footprint in MB.
    public struct Memory: Sendable, Equatable, Codable {
        /// Before the model was loaded.
        public let before: Double
        /// The highest since the app began.
        public let peak: Double

        /// Creates a value.
        public init(before: Double, peak: Double) { (self.before, self.peak) = (before, peak) }
    }

    /// One training of a head.
    public struct Update: Sendable, Equatable, Codable {
        /// How long it took.
        public let seconds: Double
        /// The user's examples.
        public let examples: Int
        /// What trained.
        public let updater: String

        /// Takes the figures from a report.
        public init(_ report: HeadLearner.Report) {
            (seconds, examples, updater) = (report.duration / .seconds(1), report.version.examples, report.updater)
        }
    }

    /// Shares of the estimated cost.
    public struct Units: Sendable, Equatable, Codable {
        /// Of the processor.
        public let cpu: Double
        /// Of the graphics processor.
        public let gpu: Double
        /// Of the Neural Engine.
        public let neuralEngine: Double
    }

    /// Ratings of hints.
    public struct Useful: Sendable, Equatable, Codable {
        /// Hints that were rated useful.
        public let useful: Int
        /// Hints that were rated.
        public let rated: Int
        /// The lower end of the interval.
        public let low: Double
        /// The upper end of the interval.
        public let high: Double

        /// Takes the figures from a share.
        public init(_ share: UsefulShare) {
            (useful, rated) = (share.useful, share.rated)
            (low, high) = (share.interval.lowerBound, share.interval.upperBound)
        }
    }

    /// The version of this format.
    public private(set) var schema = 1
    /// The identity of the bundle.
    public let bundle: String
    /// The model of the device.
    public let device: String
    /// The system and its version.
    public let system: String
    /// When.
    public let time: Date
    /// Time per prediction.
    public var latency: Latency? { didSet { budgets = judged } }
    /// Memory.
    public var memory: Memory? { didSet { budgets = judged } }
    /// The time of an update.
    public var update: Update? { didSet { budgets = judged } }
    /// Where the model runs.
    public var units: Units?
    /// Ratings.
    public var useful: Useful? { didSet { budgets = judged } }
    /// The budgets, in the order of the table above.
    public private(set) var budgets: [Budget] = []

    /// Starts measurements of a bundle.
    public init(bundle: String, device: String, system: String, time: Date = .now) {
        (self.bundle, self.device, self.system) = (bundle, device, system)
        self.time = Date(timeIntervalSince1970: time.timeIntervalSince1970.rounded(.down))
        budgets = judged
    }

    /// The measurements as JSON.
    public func json() throws -> Data {
        let encoder = JSONEncoder()
        encoder.dateEncodingStrategy = .iso8601
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self)
    }

    private var judged: [Budget] {
        [
            Budget(.latency, value: latency?.percentile95), Budget(.memory, value: memory?.peak),
            Budget(.update, value: update?.seconds), Budget(useful),
        ]
    }
}

/// One of the roadmap's four demands.
public struct Budget: Sendable, Equatable, Codable {
    /// What it is about.
    public enum Name: String, Sendable, Codable {
        case latency, memory, update, useful

        /// 50 ms, 50 MB, 5 s, and 70 %.
        public var limit: Double {
            switch self {
            case .latency, .memory: 50
            case .update: 5
            case .useful: 0.7
            }
        }
    }

    /// What it is about.
    public let name: Name
    /// The bound.
    public let limit: Double
    /// What was measured; nil if it was not.
    public let value: Double?
    /// Whether it holds; nil while that is open.
    public let passed: Bool?

    init(_ name: Name, value: Double?) {
        (self.name, limit, self.value) = (name, name.limit, value)
        passed = value.map { $0 < name.limit }
    }

    /// The share of useful hints: it holds once the whole interval is above the bound.
    init(_ useful: Measurements.Useful?) {
        (name, limit) = (.useful, Name.useful.limit)
        value = useful.flatMap { $0.rated > 0 ? Double($0.useful) / Double($0.rated) : nil }
        guard let useful, useful.rated > 0 else {
            passed = nil
            return
        }
        passed = useful.low > Name.useful.limit ? true : useful.high < Name.useful.limit ? false : nil
    }
}
