import Foundation
import GoalKit

/// A goal of the user's.
public struct Goal: Sendable, Equatable, Codable, Identifiable {
    /// Tells goals with the same text apart.
    public let id: UUID
    /// What the user wrote.
    public let text: String

    /// Creates a goal.
    public init(text: String, id: UUID = UUID()) {
        self.id = id
        self.text = text
    }
}

/// The user's goals, newest first, in one file that is replaced whole.
public struct GoalFile: Sendable {
    private let file: URL
    private let storage: any FileStorage

    /// Creates the store; nothing is read or written yet.
    public init(file: URL, storage: any FileStorage = DiskStorage()) {
        self.file = file
        self.storage = storage
    }

    /// Reads the goals. Throws `GoalFileError`.
    public func read() throws -> [Goal] {
        do {
            guard let data = try storage.read(file) else { return [] }
            return try JSONDecoder().decode([Goal].self, from: data)
        } catch {
            throw GoalFileError.unreadable(error.localizedDescription)
        }
    }

    /// Saves the goals. Throws `GoalFileError`; the file is as before then.
    public func write(_ goals: [Goal]) throws {
        do {
            try storage.replace(file, with: JSONEncoder().encode(goals))
        } catch {
            throw GoalFileError.unsaved(error.localizedDescription)
        }
    }

    /// Deletes the file. Throws `GoalFileError`.
    public func delete() throws {
        do {
            try storage.remove(file)
        } catch {
            throw GoalFileError.unsaved(error.localizedDescription)
        }
    }
}

/// Why goals cannot be read or saved.
public enum GoalFileError: LocalizedError, Equatable {
    /// The file cannot be read.
    case unreadable(String)
    /// The file cannot be written.
    case unsaved(String)

    /// A sentence for the user.
    public var errorDescription: String? {
        switch self {
        case .unreadable(let reason): "Your goals cannot be read (\(reason)): unlock the phone and open the app again."
        case .unsaved(let reason): "Your goals were not saved (\(reason)): free some space and try again."
        }
    }
}
