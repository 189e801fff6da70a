import Foundation

/// The token ids of a text, padded, as the model takes them.
public struct TokenizedText: Sendable, Equatable {
    /// The ids.
    public let ids: [Int32]
    /// 1 on tokens, 0 on padding.
    public let mask: [Int32]
}

/// BERT's tokenizer: clean, normalize, split at white space and around punctuation marks, then longest-match pieces.
///
/// It gives the ids that `goalkit.tokenization.WordPieceTokenizer` gives in Python. Devlin et al., 2019 (arXiv 1810.04805).
public struct Tokenizer: Sendable {
    /// All settings that affect ids, besides the vocabulary.
    public let settings: TokenizerSettings

    private let vocabulary: Vocabulary
    private let plainTokens: AddedTokens
    private let normalizedTokens: AddedTokens
    private let continuing: Int32?
    private let unknown: Int32
    private let start: Int32
    private let end: Int32
    private let padding: Int32

    /// Creates a tokenizer.
    ///
    /// - Parameters:
    ///   - data: the contents of `vocab.txt`.
    ///   - settings: those in the manifest.
    /// - Throws: `TokenizerError`, if the vocabulary is damaged or does not fit the settings.
    public init(vocabulary data: Data, settings: TokenizerSettings) throws {
        let vocabulary = try Vocabulary(contentsOf: data)
        let added = try Self.addedIds(settings.addedTokens, vocabulary)
        func id(_ token: String) throws -> Int32 {
            let scalars = Array(token.unicodeScalars)
            guard let id = vocabulary.id(of: scalars) ?? added[scalars] else { throw TokenizerError.missingToken(token) }
            return id
        }
        guard let unknown = vocabulary.id(of: settings.unkToken.unicodeScalars) else {
            throw TokenizerError.missingToken(settings.unkToken)
        }
        self.unknown = unknown
        start = try id(settings.clsToken)
        end = try id(settings.sepToken)
        padding = try id(settings.padToken)
        continuing = vocabulary.node(ofPrefix: settings.continuingSubwordPrefix.unicodeScalars)
        plainTokens = AddedTokens(settings.addedTokens.filter { !$0.normalized }) { $0 }
        let normalized = settings.addedTokens.filter(\.normalized)
        normalizedTokens = AddedTokens(normalized) { Normalizer(settings).normalize($0[...]) }
        try Self.checkForms(normalized, Normalizer(settings))
        self.vocabulary = vocabulary
        self.settings = settings
    }

    /// Returns the ids of a text between those of `[CLS]` and `[SEP]`, at most `limit` in all; `[SEP]` is never cut.
    public func ids(_ text: String, limit: Int = .max) -> [Int32] {
        let cleaned = CleaningStep.clean(Array(text.unicodeScalars), by: settings.cleaning)
        var ids = [start]
        for part in plainTokens.split(cleaned[...]) {
            switch part {
            case .token(let id): ids.append(id)
            case .text(let scalars):
                for part in normalizedTokens.split(Normalizer(settings).normalize(scalars)[...]) {
                    switch part {
                    case .token(let id): ids.append(id)
                    case .text(let scalars): appendWords(of: scalars, to: &ids)
                    }
                }
            }
        }
        return ids.prefix(max(limit, 2) - 1) + [end]
    }

    /// Returns the ids of a text, cut or padded to `length`, with their mask.
    public func encode(_ text: String, length: Int) -> TokenizedText {
        let ids = ids(text, limit: length)
        let rest = max(length - ids.count, 0)
        return TokenizedText(
            ids: ids + repeatElement(padding, count: rest),
            mask: Array(repeating: 1, count: ids.count) + repeatElement(0, count: rest)
        )
    }

    private func appendWords(of text: ArraySlice<Unicode.Scalar>, to ids: inout [Int32]) {
        var first = text.startIndex
        for place in text.indices {
            let found = CharacterTable.frozen[text[place]].intersection([.space, .punctuation])
            guard !found.isEmpty else { continue }
            appendPieces(of: text[first..<place], to: &ids)
            if found.contains(.punctuation), !found.contains(.space) { appendPieces(of: text[place...place], to: &ids) }
            first = place + 1
        }
        appendPieces(of: text[first...], to: &ids)
    }

    private func appendPieces(of word: ArraySlice<Unicode.Scalar>, to ids: inout [Int32]) {
        guard !word.isEmpty else { return }
        let fits = word.count <= settings.maxInputCharsPerWord
        ids += (fits ? vocabulary.ids(of: word, continuing: continuing) : nil) ?? [unknown]
    }

    /// Returns the ids of added tokens: of pieces, their line; of others, the next free numbers.
    private static func addedIds(_ tokens: [AddedToken], _ vocabulary: Vocabulary) throws -> [Scalars: Int32] {
        var known: [Scalars: Int32] = [:]
        var next = Int32(vocabulary.count)
        for token in tokens {
            let scalars = Array(token.content.unicodeScalars)
            var id = vocabulary.id(of: scalars) ?? known[scalars]
            if id == nil { (id, next) = (next, next + 1) }
            guard let id, token.id == id else { throw TokenizerError.wrongAddedToken(token.content) }
            known[scalars] = id
        }
        return known
    }

    private static func checkForms(_ tokens: [AddedToken], _ normalizer: Normalizer) throws {
        var contents: [Scalars: Scalars] = [[]: []]
        for token in tokens {
            let scalars = Array(token.content.unicodeScalars)
            let form = normalizer.normalize(scalars[...])
            guard contents[form, default: scalars] == scalars else { throw TokenizerError.wrongAddedToken(token.content) }
            contents[form] = scalars
        }
    }
}

/// The steps of BERT's normalizer, in their order.
private struct Normalizer {
    let settings: TokenizerSettings

    init(_ settings: TokenizerSettings) { self.settings = settings }

    func normalize(_ text: ArraySlice<Unicode.Scalar>) -> Scalars {
        let table = CharacterTable.frozen
        var result: Scalars = []
        result.reserveCapacity(3 * text.count)
        for scalar in text {
            let found = table[scalar]
            if settings.cleanText {
                if found.contains(.dropped) { continue }
                if found.contains(.space) {
                    result.append(" ")
                    continue
                }
            }
            if settings.handleChineseChars, found.contains(.chinese) {
                result += [" ", scalar, " "]
            } else {
                result.append(scalar)
            }
        }
        if settings.stripAccents {
            result = Normalization.frozen.decomposed(result, by: .tokenizers)
            result.removeAll { table[$0].contains(.accent) }
        }
        return settings.lowercase ? Self.lowercased(result) : result
    }

    private static func lowercased(_ text: Scalars) -> Scalars {
        let lowercase = Normalization.frozen.lowercase
        guard text.contains(where: { lowercase[$0] != nil }) else { return text }
        return text.flatMap { lowercase[$0] ?? [$0] }
    }
}
