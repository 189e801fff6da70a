import Foundation

/// A string that always becomes a single token.
public struct AddedToken: Sendable, Equatable, Decodable {
    /// Its token id.
    public let id: Int
    /// The string.
    public let content: String
    /// Match only if no letter, mark, digit or connector comes directly before or after it.
    public let singleWord: Bool
    /// Also consume white space before it.
    public let lstrip: Bool
    /// Also consume white space after it.
    public let rstrip: Bool
    /// Match its normalized form in the normalized text, rather than the string in the original text.
    public let normalized: Bool

    enum CodingKeys: String, CodingKey, CaseIterable {
        case id, content, lstrip, rstrip, normalized
        case singleWord = "single_word"
    }

    /// Reads an added token, and refuses keys that this code does not know.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.knownValues(CodingKeys.self, of: "an added token")
        id = try values.decode(Int.self, forKey: .id)
        content = try values.decode(String.self, forKey: .content)
        singleWord = try values.decode(Bool.self, forKey: .singleWord)
        lstrip = try values.decode(Bool.self, forKey: .lstrip)
        rstrip = try values.decode(Bool.self, forKey: .rstrip)
        normalized = try values.decode(Bool.self, forKey: .normalized)
    }
}

/// How texts become tokens. Names and meanings are those of the bundle's manifest.
public struct TokenizerSettings: Sendable, Equatable, Decodable {
    /// Lower-case the text.
    public var lowercase: Bool
    /// Decompose characters and drop accents.
    public var stripAccents: Bool
    /// Put spaces around every Chinese character.
    public var handleChineseChars: Bool
    /// Drop control characters, and turn white space into spaces.
    public var cleanText: Bool
    /// Prefix of pieces that continue a word.
    public var continuingSubwordPrefix: String
    /// Longer words become the unknown token.
    public var maxInputCharsPerWord: Int
    /// The piece for unknown words.
    public var unkToken: String
    /// The token before each text.
    public var clsToken: String
    /// The token after each text.
    public var sepToken: String
    /// The token for padding.
    public var padToken: String
    /// Strings that are matched before the rest is split.
    public var addedTokens: [AddedToken]
    /// The steps by which texts are cleaned before all else.
    public var cleaning: [CleaningStep]

    enum CodingKeys: String, CodingKey, CaseIterable {
        case lowercase, cleaning
        case stripAccents = "strip_accents"
        case handleChineseChars = "handle_chinese_chars"
        case cleanText = "clean_text"
        case continuingSubwordPrefix = "continuing_subword_prefix"
        case maxInputCharsPerWord = "max_input_chars_per_word"
        case unkToken = "unk_token"
        case clsToken = "cls_token"
        case sepToken = "sep_token"
        case padToken = "pad_token"
        case addedTokens = "added_tokens"
    }

    /// Reads the settings, and refuses those that this code does not implement.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.knownValues(CodingKeys.self, of: "the tokenizer")
        lowercase = try values.decode(Bool.self, forKey: .lowercase)
        stripAccents = try values.decode(Bool.self, forKey: .stripAccents)
        handleChineseChars = try values.decode(Bool.self, forKey: .handleChineseChars)
        cleanText = try values.decode(Bool.self, forKey: .cleanText)
        continuingSubwordPrefix = try values.decode(String.self, forKey: .continuingSubwordPrefix)
        maxInputCharsPerWord = try values.decode(Int.self, forKey: .maxInputCharsPerWord)
        unkToken = try values.decode(String.self, forKey: .unkToken)
        clsToken = try values.decode(String.self, forKey: .clsToken)
        sepToken = try values.decode(String.self, forKey: .sepToken)
        padToken = try values.decode(String.self, forKey: .padToken)
        addedTokens = try values.decode([AddedToken].self, forKey: .addedTokens)
        cleaning = try values.decode([String].self, forKey: .cleaning).map { name in
            guard let step = CleaningStep(rawValue: name) else { throw TokenizerError.unknownStep(name) }
            return step
        }
    }
}

/// Why a tokenizer cannot be built.
public enum TokenizerError: LocalizedError, Equatable {
    /// The settings name something that this version of the app does not know.
    case unknownSetting(String, owner: String)
    /// The texts are cleaned by a step that this version of the app does not know.
    case unknownStep(String)
    /// `vocab.txt` is not UTF-8, or has a piece twice or over several lines.
    case damagedVocabulary(String)
    /// A token that every text needs is not in the vocabulary.
    case missingToken(String)
    /// An added token has an id that does not follow from the vocabulary, or two are the same.
    case wrongAddedToken(String)

    /// A sentence for the user.
    public var errorDescription: String? {
        switch self {
        case .unknownSetting(let name, let owner):
            "The model needs “\(name)” of \(owner), which this version of the app does not know: update the app."
        case .unknownStep(let name):
            "The model cleans texts by “\(name)”, which this version of the app does not know: update the app."
        case .damagedVocabulary(let reason):
            "The model's vocabulary is damaged (\(reason)): install the model again."
        case .missingToken(let token):
            "The model's vocabulary lacks \(token): install the model again."
        case .wrongAddedToken(let token):
            "The model's token “\(token)” does not fit its vocabulary: install the model again."
        }
    }
}

extension Decoder {
    /// Returns the values under known keys. Throws `TokenizerError.unknownSetting` if there are other keys.
    func knownValues<Key: CodingKey & CaseIterable>(
        _ keys: Key.Type, of owner: String
    ) throws -> KeyedDecodingContainer<Key> {
        let names = Set(keys.allCases.map(\.stringValue))
        let given = try container(keyedBy: AnyKey.self).allKeys.map(\.stringValue)
        if let unknown = given.filter({ !names.contains($0) }).min() {
            throw TokenizerError.unknownSetting(unknown, owner: owner)
        }
        return try container(keyedBy: keys)
    }
}

private struct AnyKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }

    init?(intValue: Int) { nil }
}
