/// Finds added tokens in a text: the leftmost ones, and of those the longest.
struct AddedTokens: Sendable {
    private let patterns: [(scalars: Scalars, token: AddedToken)]

    /// A part of a text: an added token, or the text between two of them.
    enum Part {
        case token(Int32)
        case text(ArraySlice<Unicode.Scalar>)
    }

    /// - Parameters:
    ///   - tokens: those to look for; an empty one is never found.
    ///   - form: how a token is written in the texts.
    init(_ tokens: [AddedToken], form: (Scalars) -> Scalars) {
        patterns = tokens.map { (form(Array($0.content.unicodeScalars)), $0) }
            .filter { !$0.scalars.isEmpty }
            .sorted { $0.scalars.count > $1.scalars.count }
    }

    /// Splits a text at its added tokens. Parts are never empty.
    func split(_ text: ArraySlice<Unicode.Scalar>) -> [Part] {
        guard !patterns.isEmpty, !text.isEmpty else { return text.isEmpty ? [] : [.text(text)] }
        var parts: [Part] = []
        var done = text.startIndex
        var place = text.startIndex
        while place < text.endIndex {
            guard let (scalars, token) = patterns.first(where: { text[place...].starts(with: $0.scalars) }) else {
                place += 1
                continue
            }
            var (start, end) = (place, place + scalars.count)
            place = end
            if token.singleWord, Self.isWord(text[..<start].last) || Self.isWord(text[end...].first) { continue }
            if token.lstrip {
                let last = text[..<start].lastIndex { !Self.isSpace($0) }
                start = max(last.map { $0 + 1 } ?? text.startIndex, done)
            }
            if token.rstrip { end = text[end...].firstIndex { !Self.isSpace($0) } ?? text.endIndex }
            if done < start { parts.append(.text(text[done..<start])) }
            parts.append(.token(Int32(token.id)))
            done = end
        }
        if done < text.endIndex { parts.append(.text(text[done...])) }
        return parts
    }

    private static func isWord(_ scalar: Unicode.Scalar?) -> Bool {
        scalar.map { CharacterTable.frozen[$0].contains(.word) } ?? false
    }

    private static func isSpace(_ scalar: Unicode.Scalar) -> Bool { CharacterTable.frozen[scalar].contains(.space) }
}
