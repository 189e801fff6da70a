import Foundation

/// The few things that stores do with files, so that tests can let each of them fail.
public protocol FileStorage: Sendable {
    /// Returns the contents of a file, or nil if there is none.
    func read(_ file: URL) throws -> Data?
    /// Appends to a file, which is created if there is none, and flushes it to disk. A failure may leave a part.
    func append(_ data: Data, to file: URL) throws
    /// Cuts a file to its first bytes.
    func truncate(_ file: URL, to size: Int) throws
    /// Replaces a file, or creates it: afterwards it is the old one or the new one.
    func replace(_ file: URL, with data: Data) throws
    /// Removes a file or folder, if there is one.
    func remove(_ item: URL) throws
    /// Returns the names of what is in a folder; none if there is no such folder.
    func names(in folder: URL) throws -> [String]
}

/// Files on the device. They stay locked until the owner has unlocked the phone once after a restart.
public struct DiskStorage: FileStorage {
    /// Creates the storage.
    public init() {}

    /// See `FileStorage`.
    public func read(_ file: URL) throws -> Data? {
        do {
            return try Data(contentsOf: file)
        } catch let error as CocoaError where error.code == .fileReadNoSuchFile || error.code == .fileNoSuchFile {
            return nil
        }
    }

    /// See `FileStorage`.
    public func append(_ data: Data, to file: URL) throws {
        if !FileManager.default.fileExists(atPath: file.path) { try replace(file, with: Data()) }
        try write(file) { handle in
            try handle.seekToEnd()
            try handle.write(contentsOf: data)
        }
    }

    /// See `FileStorage`.
    public func truncate(_ file: URL, to size: Int) throws {
        try write(file) { try $0.truncate(atOffset: UInt64(size)) }
    }

    /// See `FileStorage`.
    public func replace(_ file: URL, with data: Data) throws {
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        #if os(iOS)
            try data.write(to: file, options: [.atomic, .completeFileProtectionUntilFirstUserAuthentication])
        #else
            try data.write(to: file, options: .atomic)
        #endif
    }

    /// See `FileStorage`.
    public func remove(_ item: URL) throws {
        if FileManager.default.fileExists(atPath: item.path) { try FileManager.default.removeItem(at: item) }
    }

    /// See `FileStorage`.
    public func names(in folder: URL) throws -> [String] {
        guard FileManager.default.fileExists(atPath: folder.path) else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    }

    private func write(_ file: URL, _ change: (FileHandle) throws -> Void) throws {
        let handle = try FileHandle(forWritingTo: file)
        do {
            try change(handle)
            try handle.synchronize()
        } catch {
            try? handle.close()  // the first error says what went wrong
            throw error
        }
        try handle.close()
    }
}
