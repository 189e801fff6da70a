typealias Scalars = [Unicode.Scalar]

/// Canonical decomposition and composition (Unicode Standard Annex 15) and lower case, with frozen tables.
struct Normalization: Sendable {
    static let frozen = Normalization()

    /// Lower case of the characters that have another one.
    let lowercase: [Unicode.Scalar: Scalars]

    private let steps: [Unicode.Scalar: Scalars]
    private let compositions: [Pair: Unicode.Scalar]
    private let classes: [Unicode.Scalar: UInt8]

    private struct Pair: Hashable, Sendable {
        let first: Unicode.Scalar
        let second: Unicode.Scalar
    }

    /// Which library's idea of Unicode to follow.
    enum Library {
        case python, tokenizers
    }

    private init() {
        lowercase = Self.mapping(UnicodeMappings.lowercase)
        steps = Self.mapping(UnicodeMappings.decompositions)
        let excluded = Set(FrozenTable.entries(UnicodeMappings.excluded).map(\.key))
        var compositions: [Pair: Unicode.Scalar] = [:]
        for (whole, parts) in steps where parts.count == 2 && !excluded.contains(whole.value) {
            compositions[Pair(first: parts[0], second: parts[1])] = whole
        }
        self.compositions = compositions
        var classes: [Unicode.Scalar: UInt8] = [:]
        for (range, value) in FrozenTable.ranges(UnicodeMappings.combiningClasses) {
            for scalar in range.compactMap(Unicode.Scalar.init) { classes[scalar] = UInt8(value) }
        }
        self.classes = classes
    }

    private static func mapping(_ table: String) -> [Unicode.Scalar: Scalars] {
        let pairs = FrozenTable.entries(table).compactMap { entry in
            Unicode.Scalar(entry.key).map { ($0, entry.values.compactMap(Unicode.Scalar.init)) }
        }
        return Dictionary(uniqueKeysWithValues: pairs)
    }

    /// Returns the canonical decomposition, NFD.
    func decomposed(_ text: Scalars, by library: Library) -> Scalars {
        guard text.contains(where: { $0.value >= 0xC0 }) else { return text }
        var result: Scalars = []
        result.reserveCapacity(text.count)
        var marks: [UInt8] = []  // the classes of the marks at the end of the result
        for scalar in text {
            if scalar.value < 0xC0 {
                result.append(scalar)
                marks.removeAll(keepingCapacity: true)
            } else {
                let newer = library == .tokenizers && CharacterTable.frozen[scalar].contains(.newer)
                decompose(scalar, once: newer) { part in
                    insert(part, of: newer ? 0 : classes[part] ?? 0, into: &result, after: &marks)
                }
            }
        }
        return result
    }

    /// Returns the canonical composition, NFC.
    func composed(_ text: Scalars) -> Scalars {
        guard text.contains(where: { CharacterTable.frozen[$0].contains(.unstable) }) else { return text }
        var result: Scalars = []
        var starter: Int?
        var last: UInt8 = 0  // class of the previous character that was not joined
        for scalar in decomposed(text, by: .python) {
            let own = classes[scalar] ?? 0
            if let place = starter, place == result.count - 1 || (last != 0 && last < own),
                let whole = composition(result[place], scalar)
            {
                result[place] = whole
                continue
            }
            if own == 0 { starter = result.count }
            last = own
            result.append(scalar)
        }
        return result
    }

    private func decompose(_ scalar: Unicode.Scalar, once: Bool, _ take: (Unicode.Scalar) -> Void) {
        if Hangul.syllables.contains(scalar.value) {
            Hangul.parts(of: scalar).forEach(take)
        } else if !once, let parts = steps[scalar] {
            for part in parts { decompose(part, once: false, take) }
        } else {
            take(scalar)
        }
    }

    /// Appends a character, or inserts it before the marks of a higher class.
    private func insert(_ part: Unicode.Scalar, of own: UInt8, into result: inout Scalars, after marks: inout [UInt8]) {
        guard own > 0 else {
            marks.removeAll(keepingCapacity: true)
            result.append(part)
            return
        }
        let later = marks.reversed().prefix { $0 > own }.count
        marks.insert(own, at: marks.count - later)
        result.insert(part, at: result.count - later)
    }

    private func composition(_ first: Unicode.Scalar, _ second: Unicode.Scalar) -> Unicode.Scalar? {
        compositions[Pair(first: first, second: second)] ?? Hangul.composition(first, second)
    }
}

/// Korean syllables, which are composed by arithmetic (Unicode Standard, section 3.12).
private enum Hangul {
    static let syllables: ClosedRange<UInt32> = 0xAC00...0xD7A3
    private static let (leading, vowel, trailing): (UInt32, UInt32, UInt32) = (0x1100, 0x1161, 0x11A7)
    private static let (leadings, vowels, trailings): (UInt32, UInt32, UInt32) = (19, 21, 28)

    static func parts(of syllable: Unicode.Scalar) -> Scalars {
        let number = syllable.value - syllables.lowerBound
        let last = number % trailings
        let codes = [leading + number / (vowels * trailings), vowel + number / trailings % vowels]
        return (last == 0 ? codes : codes + [trailing + last]).compactMap(Unicode.Scalar.init)
    }

    static func composition(_ first: Unicode.Scalar, _ second: Unicode.Scalar) -> Unicode.Scalar? {
        if (leading..<leading + leadings).contains(first.value), (vowel..<vowel + vowels).contains(second.value) {
            let number = (first.value - leading) * vowels + second.value - vowel
            return Unicode.Scalar(syllables.lowerBound + number * trailings)
        }
        let open = syllables.contains(first.value) && (first.value - syllables.lowerBound) % trailings == 0
        guard open, (trailing + 1..<trailing + trailings).contains(second.value) else { return nil }
        return Unicode.Scalar(first.value + second.value - trailing)
    }
}
