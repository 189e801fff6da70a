import Foundation

/// The heads that have learned from one user: published whole or not at all, kept with their history, never mixed between bundles.
///
/// Below the folder are `<identity>/<task>/<number>.mlmodel`, each a whole head, and `<identity>/<task>/history.json`, which says
/// which one is used. A head is used once the history names it; only the history is ever replaced.
public actor PersonalHeads {
    /// One head that was published.
    public struct Version: Sendable, Equatable, Codable {
        /// Its number, from 1.
        public let number: Int
        /// When it was published.
        public let time: Date
        /// The number of examples that it learned from.
        public let examples: Int
        /// The SHA-256 of its file.
        public let sha256: String
    }

    /// All versions of a task's head, oldest first, and the one in use.
    public struct History: Sendable, Equatable, Codable {
        /// The versions.
        public internal(set) var versions: [Version] = []
        /// The number of the one in use; 0 for the shipped head.
        public internal(set) var current = 0
        var last = 0

        /// Creates the history of a head that has never learned.
        public init() {}
    }

    private let folder: URL
    private let identity: String
    private let storage: any FileStorage

    private static let kept = 10
    private static let historyName = "history.json"
    private static let markerName = "training"

    /// Opens the heads of one bundle, and removes those of others, which answer in another space of embeddings.
    public init(folder: URL, identity: String, storage: any FileStorage = DiskStorage()) throws {
        self.folder = folder
        self.identity = identity
        self.storage = storage
        for name in try storage.names(in: folder) where name != identity { try storage.remove(folder.appending(path: name)) }
    }

    /// The versions of a task's head.
    public func history(of task: String) throws -> History {
        guard let data = try storage.read(file(Self.historyName, task)) else { return History() }
        do {
            return try CheckedJSON.decode(History.self, from: data)
        } catch {
            throw PersonalHeadError.damagedHistory(task)
        }
    }

    /// Reads the head in use, or returns nil for the shipped one.
    ///
    /// - Throws: `PersonalHeadError.damaged` if its file is missing or altered: roll back, or reset.
    public func current(for task: String) throws -> Data? {
        let history = try history(of: task)
        guard let version = history.versions.first(where: { $0.number == history.current }) else { return nil }
        guard let data = try storage.read(file(version, task)), SHA256Digest.hex(of: data) == version.sha256 else {
            throw PersonalHeadError.damaged(task)
        }
        return data
    }

    /// Publishes a head that has learned, and uses it.
    @discardableResult
    public func publish(_ head: Data, for task: String, examples: Int, time: Date = .now) throws -> Version {
        var history = try history(of: task)
        let seconds = Date(timeIntervalSince1970: time.timeIntervalSince1970.rounded(.down))
        let version = Version(number: history.last + 1, time: seconds, examples: examples, sha256: SHA256Digest.hex(of: head))
        try saving {
            try storage.replace(file(version, task), with: head)
            history.versions.append(version)
            history.last = version.number
            history.current = version.number
            let dropped = history.versions.dropLast(Self.kept)
            history.versions.removeFirst(dropped.count)
            try write(history, task)
            for old in dropped { try? storage.remove(file(old, task)) }  // is in no history: at worst it takes space
        }
        return version
    }

    /// Uses an earlier version again; 0 is the shipped head.
    public func rollBack(_ task: String, to number: Int) throws {
        var history = try history(of: task)
        guard number == 0 || history.versions.contains(where: { $0.number == number }) else {
            throw PersonalHeadError.noVersion(number, task: task)
        }
        history.current = number
        try saving { try write(history, task) }
    }

    /// Forgets all that a task's head has learned.
    public func reset(_ task: String) throws {
        try saving {
            // first the history: a head without one is not used
            try storage.remove(file(Self.historyName, task))
            try storage.remove(folder.appending(path: "\(identity)/\(task)"))
        }
    }

    /// Notes that training begins. Core ML may end the app, so an unfinished training must not be tried again unasked.
    public func beginTraining(_ task: String) throws {
        try saving { try storage.replace(file(Self.markerName, task), with: Data()) }
    }

    /// Notes that training has ended, with or without success.
    public func endTraining(_ task: String) throws { try saving { try storage.remove(file(Self.markerName, task)) } }

    /// Whether the app was ended during the last training.
    public func wasInterrupted(_ task: String) throws -> Bool { try storage.read(file(Self.markerName, task)) != nil }

    private func write(_ history: History, _ task: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        try storage.replace(file(Self.historyName, task), with: encoder.encode(history))
    }

    private func saving(_ change: () throws -> Void) throws {
        do {
            try change()
        } catch {
            throw PersonalHeadError.unsaved(error.localizedDescription)
        }
    }

    private func file(_ version: Version, _ task: String) -> URL { file("\(version.number).mlmodel", task) }

    private func file(_ name: String, _ task: String) -> URL { folder.appending(path: "\(identity)/\(task)/\(name)") }
}

/// Why a personal head cannot be used or saved. The shipped head works on in any case.
public enum PersonalHeadError: LocalizedError, Equatable {
    /// The file of the head in use is missing or altered.
    case damaged(String)
    /// The history cannot be read.
    case damagedHistory(String)
    /// There is no such version.
    case noVersion(Int, task: String)
    /// The head was not saved.
    case unsaved(String)

    /// A sentence for the user.
    public var errorDescription: String? {
        switch self {
        case .damaged(let task):
            "What the model has learned about \(task) is damaged: go back to an earlier version, or start anew."
        case .damagedHistory(let task): "The history of what was learned about \(task) is damaged: start anew."
        case .noVersion(let number, let task):
            "There is no version \(number) of what was learned about \(task): choose another one."
        case .unsaved(let reason):
            "What was learned was not saved (\(reason)): free some space and try again. The model is as before."
        }
    }
}
