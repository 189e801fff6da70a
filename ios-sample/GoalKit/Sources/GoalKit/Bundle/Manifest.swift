import Foundation

/// One question that the model answers about a goal, with its answers in order.
public struct GoalTask: Sendable, Equatable, Decodable {
    /// Its name, such as `category`.
    public let name: String
    /// Its labels, in the order of the model's outputs.
    public let labels: [String]
}

/// The contents of `manifest.json`.
public struct Manifest: Sendable, Decodable {
    /// The version of the format that this code reads.
    public static let schema = 3

    /// A SHA-256 over all that decides the model's outputs.
    public let identity: String
    /// The tasks that the model answers.
    public let tasks: [GoalTask]
    /// The inputs of the package.
    public let inputs: [String]
    /// Tokens that a text is padded or cut to.
    public let sequenceLength: Int
    /// Further lengths, each a function of the package.
    public let shorterLengths: [Int]
    /// Numbers in an embedding.
    public let embeddingSize: Int
    /// All settings of the tokenizer besides the vocabulary.
    public let tokenizer: TokenizerSettings
    /// The oldest system that the package runs on, such as `iOS17`.
    public let deploymentTarget: String
    /// The file name of each task's updatable head.
    public let heads: [String: String]
    /// Per task, the name of each spare slot, empty until it is named.
    public let spareSlots: [String: [String: String]]

    let files: [String: FileRecord]
    let digest: String

    struct FileRecord: Sendable, Decodable {
        let sha256: String
        let bytes: Int
    }

    enum CodingKeys: String, CodingKey {
        case identity, tasks, inputs, tokenizer, heads, files, digest
        case sequenceLength = "sequence_length"
        case shorterLengths = "shorter_lengths"
        case embeddingSize = "embedding_size"
        case deploymentTarget = "deployment_target"
        case spareSlots = "spare_slots"
    }

    /// The text lengths that the package has functions for, shortest first.
    public var lengths: [Int] { shorterLengths + [sequenceLength] }

    /// Returns the labels that a user may give for a task: its own, and the names of named spare slots.
    public func answers(for task: String) -> [String] {
        let own = tasks.first { $0.name == task }?.labels ?? []
        let slots = spareSlots[task] ?? [:]
        return own + slots.sorted { $0.key < $1.key }.map(\.value).filter { !$0.isEmpty }
    }

    /// Reads a manifest and checks its digests.
    ///
    /// - Throws: `BundleError`, or `TokenizerError` if it has an unknown setting.
    init(contentsOf data: Data) throws {
        struct Version: Decodable { let schema: Int }
        guard let version = try? CheckedJSON.decode(Version.self, from: data) else {
            throw BundleError.damaged("manifest.json")
        }
        guard version.schema == Self.schema else { throw BundleError.otherSchema(version.schema) }
        do {
            self = try CheckedJSON.decode(Self.self, from: data)
        } catch is DecodingError {
            throw BundleError.damaged("manifest.json")
        }
        guard let text = ManifestText(data), text.digest == digest, identity(in: text) == identity, isSound else {
            throw BundleError.damaged("manifest.json")
        }
    }

    /// The SHA-256 over the lines `<SHA-256>  <name>` of the files that decide outputs, and of their settings.
    private func identity(in text: ManifestText) -> String? {
        guard let settings = text.digest(of: ["tasks", "sequence_length", "shorter_lengths", "tokenizer", "heads"]) else {
            return nil
        }
        let deciding = Set(heads.values).union([GoalBundle.vocabularyName])
        let chosen = files.filter { deciding.contains($0.key) || $0.key.hasPrefix("\(GoalBundle.packageName)/") }
        let digests = chosen.mapValues(\.sha256).merging(["settings": settings]) { $1 }
        let lines = digests.sorted { $0.key.unicodeScalars.lexicographicallyPrecedes($1.key.unicodeScalars) }
        return SHA256Digest.hex(of: Data(lines.map { "\($0.value)  \($0.key)\n" }.joined().utf8))
    }

    private var isSound: Bool {
        let names = Set(tasks.map(\.name))
        return !tasks.isEmpty && names.count == tasks.count
            && tasks.allSatisfy { $0.labels.count > 1 && Set($0.labels).count == $0.labels.count }
            && lengths.allSatisfy { (3...100_000).contains($0) } && (1...100_000).contains(embeddingSize)
            && names.isSuperset(of: heads.keys) && heads.values.allSatisfy { files[$0] != nil }
            && files.keys.allSatisfy { !$0.hasPrefix("/") && !$0.split(separator: "/").contains("..") }
    }
}

/// Why a bundle cannot be used.
public enum BundleError: LocalizedError, Equatable {
    /// There is no bundle in the folder.
    case missing(String)
    /// The bundle was made by another version of goalkit.
    case otherSchema(Int)
    /// A file is not as it was exported.
    case damaged(String)
    /// A file of the bundle is not there.
    case missingFile(String)
    /// The folder holds a file that does not belong to the bundle.
    case unknownFile(String)
    /// The bundle has no head for a task.
    case noHead(String)

    /// A sentence for the user.
    public var errorDescription: String? {
        switch self {
        case .missing(let folder):
            "There is no model in “\(folder)”: install the app again."
        case .otherSchema(let found) where found > Manifest.schema:
            "The model has format \(found), this app reads format \(Manifest.schema): update the app."
        case .otherSchema(let found):
            "The model has the old format \(found), this app reads format \(Manifest.schema): export the model again."
        case .damaged(let file):
            "The model's file “\(file)” is damaged or was changed: install the model again."
        case .missingFile(let file):
            "The model lacks its file “\(file)”: install the model again."
        case .unknownFile(let file):
            "“\(file)” does not belong to the model: install the model again."
        case .noHead(let task):
            "The model cannot learn “\(task)” on this phone: use a model that was exported with a head for it."
        }
    }
}
