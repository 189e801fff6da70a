import Foundation

/// A bundle that goalkit exported: the folder that an app ships.
public struct GoalBundle: Sendable {
    static let manifestName = "manifest.json"
    static let vocabularyName = "vocab.txt"
    static let packageName = "GoalAnalyzer.mlpackage"
    private static let (hintsName, replayName, goldenName) = ("hints.json", "replay.json", "golden.json")

    /// The folder.
    public let folder: URL
    /// The contents of `manifest.json`.
    public let manifest: Manifest
    /// The tokenizer of the model.
    public let tokenizer: Tokenizer
    /// The sentences under goals.
    public let hints: Hints
    /// The examples to mix in when a head learns, if there are any.
    public let replay: Replay?

    /// Opens a bundle, and checks every file against its manifest.
    ///
    /// - Throws: `BundleError` if a file is missing, altered or not listed, or the bundle has another format;
    ///   `TokenizerError` if its tokenizer needs what this code does not have.
    public init(contentsOf folder: URL) throws {
        guard let data = try? Data(contentsOf: folder.appending(path: Self.manifestName)) else {
            throw BundleError.missing(folder.lastPathComponent)
        }
        self.folder = folder
        manifest = try Manifest(contentsOf: data)
        try Self.checkFiles(manifest.files, in: folder)
        tokenizer = try Tokenizer(vocabulary: Self.read(Self.vocabularyName, in: folder), settings: manifest.tokenizer)
        hints = try Self.decode(Hints.self, from: Self.hintsName, in: folder)
        guard hints.fit(manifest.tasks) else { throw BundleError.damaged(Self.hintsName) }
        if manifest.files[Self.replayName] == nil {
            replay = nil
        } else {
            let replay = try Self.decode(Replay.self, from: Self.replayName, in: folder)
            guard replay.fits(manifest.tasks) else { throw BundleError.damaged(Self.replayName) }
            self.replay = replay
        }
    }

    /// The Core ML package, which predicts.
    public var package: URL { folder.appending(path: Self.packageName) }

    /// The file of a task's updatable head. Throws `BundleError` if the bundle has none.
    public func headFile(for task: String) throws -> URL {
        guard let name = manifest.heads[task] else { throw BundleError.noHead(task) }
        return folder.appending(path: name)
    }

    /// Reads the shipped head of a task, with its settings for training. Throws `BundleError` or `HeadError`.
    public func head(for task: String) throws -> UpdatableHead {
        try UpdatableHead(contentsOf: Data(contentsOf: headFile(for: task)))
    }

    /// Reads the golden texts with the model's outputs in Python.
    public func golden() throws -> Golden { try Self.decode(Golden.self, from: Self.goldenName, in: folder) }

    private static func checkFiles(_ files: [String: Manifest.FileRecord], in folder: URL) throws {
        let present = try presentFiles(in: folder)
        if let missing = Set(files.keys).subtracting(present).min() { throw BundleError.missingFile(missing) }
        if let unknown = present.subtracting(files.keys).min() { throw BundleError.unknownFile(unknown) }
        for (name, record) in files.sorted(by: { $0.value.bytes < $1.value.bytes }) {
            let data = try read(name, in: folder)
            guard data.count == record.bytes, SHA256Digest.hex(of: data) == record.sha256 else {
                throw BundleError.damaged(name)
            }
        }
    }

    /// Returns the relative names of all files but the manifest and hidden ones.
    private static func presentFiles(in folder: URL) throws -> Set<String> {
        let names = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
        return Set(
            names.filter { name in
                var isFolder: ObjCBool = false
                let exists = FileManager.default.fileExists(atPath: folder.appending(path: name).path, isDirectory: &isFolder)
                return exists && !isFolder.boolValue && name != manifestName
                    && !(name.split(separator: "/").last?.hasPrefix(".") ?? true)
            })
    }

    private static func read(_ name: String, in folder: URL) throws -> Data {
        do {
            return try Data(contentsOf: folder.appending(path: name), options: .mappedIfSafe)
        } catch {
            throw BundleError.missingFile(name)
        }
    }

    private static func decode<Value: Decodable>(_ type: Value.Type, from name: String, in folder: URL) throws -> Value {
        do {
            return try CheckedJSON.decode(type, from: read(name, in: folder))
        } catch is DecodingError {
            throw BundleError.damaged(name)
        }
    }
}

/// A few base examples, mixed in when a head learns on the phone, against forgetting.
public struct Replay: Sendable, Equatable, Decodable {
    /// The texts.
    public let texts: [String]
    /// For each task, the label of each text.
    public let labels: [String: [String]]

    func fits(_ tasks: [GoalTask]) -> Bool {
        labels.allSatisfy { name, column in
            let known = tasks.first { $0.name == name }?.labels ?? []
            return column.count == texts.count && column.allSatisfy(known.contains)
        }
    }
}

/// Texts with the outputs of the exported model, as Python computed them.
public struct Golden: Sendable, Decodable {
    /// The texts.
    public let texts: [String]
    /// For each task, the probabilities of each text.
    public let probabilities: [String: [[Float]]]
    /// The embeddings of the first texts.
    public let embeddings: [[Float]]
}
