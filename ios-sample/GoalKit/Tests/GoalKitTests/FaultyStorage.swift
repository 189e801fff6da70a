import Foundation

@testable import GoalKit

/// Files in memory, whose nth change fails.
///
/// It is `@unchecked Sendable` because a lock guards all that changes.
final class FaultyStorage: FileStorage, @unchecked Sendable {
    struct Failure: LocalizedError {
        var errorDescription: String? { "no space left" }
    }

    enum Kind {
        /// The app ends: nothing works any more.
        case crash
        /// What takes space fails, whatever is tried; the rest works.
        case full
    }

    private let lock = NSLock()
    private var files: [String: Data]
    private var changes = 0
    private let failing: ClosedRange<Int>?
    private let part: Double
    private let kind: Kind

    /// - Parameters:
    ///   - files: what is there.
    ///   - failing: the numbers of the changes that fail, counted from 1.
    ///   - part: how much of the failing change is done, 0 to 1.
    init(files: [String: Data] = [:], failing: ClosedRange<Int>? = nil, part: Double = 0, kind: Kind = .crash) {
        (self.files, self.failing, self.part, self.kind) = (files, failing, part, kind)
    }

    /// What a restarted app finds.
    var survivor: FaultyStorage { FaultyStorage(files: contents) }

    var contents: [String: Data] { lock.withLock { files } }

    /// Whether the first failing change has been reached.
    var failed: Bool { lock.withLock { failing.map { changes >= $0.lowerBound } ?? false } }

    private var isDead: Bool { kind == .crash && failing.map { changes >= $0.lowerBound } ?? false }

    func read(_ file: URL) throws -> Data? {
        try lock.withLock {
            if isDead { throw Failure() }
            return files[file.path]
        }
    }

    func append(_ data: Data, to file: URL) throws {
        try change(takesSpace: true) { done in files[file.path, default: Data()] += data.prefix(Int(Double(data.count) * done))
        }
    }

    func truncate(_ file: URL, to size: Int) throws {
        try change(takesSpace: false) { done in if done == 1 { files[file.path] = files[file.path]?.prefix(size) } }
    }

    func replace(_ file: URL, with data: Data) throws {
        try change(takesSpace: true) { done in if done == 1 { files[file.path] = data } }
    }

    func remove(_ item: URL) throws {
        try change(takesSpace: false) { done in
            let inside = files.keys.filter { $0 == item.path || $0.hasPrefix(item.path + "/") }.sorted()
            for name in inside.prefix(Int(Double(inside.count) * done)) { files[name] = nil }
        }
    }

    func names(in folder: URL) throws -> [String] {
        try lock.withLock {
            if isDead { throw Failure() }
            let inside = files.keys.filter { $0.hasPrefix(folder.path + "/") }
            return Set(inside.compactMap { $0.dropFirst(folder.path.count + 1).split(separator: "/").first.map(String.init) })
                .sorted()
        }
    }

    private func change(takesSpace: Bool, _ work: (Double) -> Void) throws {
        try lock.withLock {
            if isDead { throw Failure() }
            changes += 1
            guard let failing, failing.contains(changes), takesSpace || kind == .crash else { return work(1) }
            work(part)
            throw Failure()
        }
    }
}
