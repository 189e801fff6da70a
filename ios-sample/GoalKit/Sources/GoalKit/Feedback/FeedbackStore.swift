import Foundation

/// The feedback of the app's user: one line of JSON per entry, appended to a file that Python reads as it is.
///
/// An entry that was added is never lost. A line that a crash cut off is dropped when the file is next opened.
public actor FeedbackStore {
    /// The file, to be shared.
    public nonisolated let file: URL
    /// All entries, oldest first.
    public private(set) var entries: [FeedbackEntry] = []
    /// The number of lines that are not entries. They stay in the file.
    public private(set) var damagedLines = 0

    private let storage: any FileStorage
    private let answers: [String: Set<String>]
    private var size = 0
    private var torn = false

    /// Opens the file, if there is one, and repairs its end.
    ///
    /// - Parameters:
    ///   - file: `feedback.jsonl`; its folder is created when first needed.
    ///   - answers: for each task the labels that a user may give, see `Manifest.answers(for:)`.
    ///   - storage: where files are.
    /// - Throws: `FeedbackError.unreadable`.
    public init(file: URL, answers: [String: [String]], storage: any FileStorage = DiskStorage()) throws {
        self.file = file
        self.answers = answers.mapValues(Set.init)
        self.storage = storage
        let data: Data
        do {
            data = try storage.read(file) ?? Data()
        } catch {
            throw FeedbackError.unreadable(error.localizedDescription)
        }
        let newline = UInt8(ascii: "\n")
        let whole = data.lastIndex(of: newline).map { $0 + 1 } ?? data.startIndex
        for line in data[..<whole].split(separator: newline) {
            if let entry = FeedbackEntry(line: Data(line)) { entries.append(entry) } else { damagedLines += 1 }
        }
        size = whole - data.startIndex
        torn = whole < data.endIndex
    }

    /// Saves an entry.
    ///
    /// Its time is never before that of an earlier entry, even if the clock was set back: the latest entry on a text counts.
    ///
    /// - Throws: `FeedbackError`, if the entry says nothing or names an unknown label, or cannot be saved. The file is then as
    ///   it was.
    public func add(_ entry: FeedbackEntry) throws {
        try check(entry)
        var entry = entry
        if let last = entries.last { entry.time = max(entry.time, last.time) }
        do {
            try repair()
            let line = try entry.line()
            torn = true
            try storage.append(line, to: file)
            torn = false
            size += line.count
        } catch {
            try? repair()  // else when the next entry is added, or the file is next opened
            throw FeedbackError.unsaved(error.localizedDescription)
        }
        entries.append(entry)
    }

    /// Deletes all feedback. Throws `FeedbackError.undeleted`; nothing is deleted then.
    public func deleteEverything() throws {
        do {
            try storage.remove(file)
        } catch {
            throw FeedbackError.undeleted(error.localizedDescription)
        }
        (entries, damagedLines, size, torn) = ([], 0, 0, false)
    }

    /// Returns the texts for which the user's feedback gives labels of all `tasks`.
    public func taught(_ tasks: [String]) -> [TaughtText] { entries.taught(tasks) }

    /// Cuts off what a failed write left behind the last entry.
    private func repair() throws {
        guard torn else { return }
        if try storage.read(file) != nil { try storage.truncate(file, to: size) }
        torn = false
    }

    private func check(_ entry: FeedbackEntry) throws {
        if let problem = entry.problem { throw problem }
        for (task, label) in (entry.label ?? [:]).sorted(by: { $0.key < $1.key }) {
            guard answers[task]?.contains(label) == true else { throw FeedbackError.unknownLabel(label, task: task) }
        }
    }
}

/// Why feedback was not saved, or not found.
public enum FeedbackError: LocalizedError, Equatable {
    /// The goal has no text.
    case emptyText
    /// There is neither a rating nor a label.
    case empty
    /// The entry does not say which bundle made the prediction.
    case noBundle
    /// The label is none of the task's.
    case unknownLabel(String, task: String)
    /// The file cannot be read.
    case unreadable(String)
    /// The file cannot be written.
    case unsaved(String)
    /// The file cannot be removed.
    case undeleted(String)

    /// A sentence for the user.
    public var errorDescription: String? {
        switch self {
        case .emptyText: "There is nothing to rate: write a goal first."
        case .empty: "There is nothing to save: rate the hint, or choose a label."
        case .noBundle: "The feedback does not say which model it is about: predict the goal again."
        case .unknownLabel(let label, let task): "“\(label)” is not a label of \(task): choose another one."
        case .unreadable(let reason): "Your feedback cannot be read (\(reason)): unlock the phone and open the app again."
        case .unsaved(let reason):
            "Your feedback was not saved (\(reason)): free some space and try again. Earlier feedback is safe."
        case .undeleted(let reason): "Your feedback was not deleted (\(reason)): try again."
        }
    }
}
