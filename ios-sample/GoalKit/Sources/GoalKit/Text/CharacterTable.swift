/// What the tokenizer and the cleaning steps need to know of a character, see `ios-sample/tools/unicode_tables.py`.
struct CharacterProperties: OptionSet, Sendable {
    let rawValue: UInt16

    /// Dropped by `clean_text`.
    static let dropped = Self(rawValue: 1 << 0)
    /// White space.
    static let space = Self(rawValue: 1 << 1)
    /// Enclosed in spaces by `handle_chinese_chars`.
    static let chinese = Self(rawValue: 1 << 2)
    /// Dropped by `strip_accents`, once decomposed.
    static let accent = Self(rawValue: 1 << 3)
    /// A word of its own.
    static let punctuation = Self(rawValue: 1 << 4)
    /// A letter, mark, digit or connector next to an added token.
    static let word = Self(rawValue: 1 << 5)
    /// Decomposed and ordered by Python only, whose Unicode is newer than that of the tokenizers library.
    static let newer = Self(rawValue: 1 << 6)
    /// Dropped by the cleaning step `invisible`.
    static let invisible = Self(rawValue: 1 << 7)
    /// May stand next to a zero-width joiner.
    static let sign = Self(rawValue: 1 << 8)
    /// May stand before a variation selector.
    static let styled = Self(rawValue: 1 << 9)
    /// White space to the cleaning step `space`.
    static let blank = Self(rawValue: 1 << 10)
    /// May change, or be joined to another character, in NFC.
    static let unstable = Self(rawValue: 1 << 11)
}

/// The properties of every character, frozen: a table in two stages, of pages that many characters share.
struct CharacterTable: Sendable {
    static let frozen = CharacterTable(runs: UnicodeProperties.runs)

    private static let pageSize = 256
    private static let pageCount = 0x110000 / pageSize

    private let pages: [UInt16]
    private let properties: [CharacterProperties]

    init(runs: String) {
        let starts = FrozenTable.entries(runs, separator: ":").map {
            (Int($0.key), CharacterProperties(rawValue: UInt16($0.values[0])))
        }
        var pages: [UInt16] = []
        var properties: [CharacterProperties] = []
        var known: [[CharacterProperties.RawValue]: UInt16] = [:]
        var run = 0
        for page in 0..<Self.pageCount {
            let first = page * Self.pageSize
            var content: [CharacterProperties.RawValue] = []
            content.reserveCapacity(Self.pageSize)
            while content.count < Self.pageSize {
                let end = run + 1 < starts.count ? starts[run + 1].0 : 0x110000
                let count = min(end - first, Self.pageSize) - content.count
                content += repeatElement(starts[run].1.rawValue, count: count)
                if first + content.count == end, run + 1 < starts.count { run += 1 }
            }
            if let same = known[content] {
                pages.append(same)
            } else {
                let number = UInt16(known.count)
                known[content] = number
                pages.append(number)
                properties += content.map(CharacterProperties.init)
            }
        }
        self.pages = pages
        self.properties = properties
    }

    subscript(scalar: Unicode.Scalar) -> CharacterProperties {
        let code = Int(scalar.value)
        return properties[Int(pages[code / Self.pageSize]) * Self.pageSize + code % Self.pageSize]
    }
}

/// Reads the tables that `unicode_tables.py` writes.
enum FrozenTable {
    /// Returns the entries `key=value+value`, in hexadecimal.
    static func entries(_ text: String, separator: Unicode.Scalar = "=") -> [(key: UInt32, values: [UInt32])] {
        rows(text).map { row in
            let numbers = row.split { $0 == UInt8(ascii: separator) || $0 == UInt8(ascii: "+") }.map { number($0, base: 16) }
            return (numbers[0], Array(numbers[1...]))
        }
    }

    /// Returns the entries `first-last=value`: a range in hexadecimal, and a decimal number.
    static func ranges(_ text: String) -> [(range: ClosedRange<UInt32>, value: UInt32)] {
        rows(text).map { row in
            let parts = row.split { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "=") }
            return (number(parts[0], base: 16)...number(parts[1], base: 16), number(parts[2], base: 10))
        }
    }

    private static func rows(_ text: String) -> [ArraySlice<UInt8>] {
        Array(text.utf8).split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\n") }
    }

    private static func number(_ digits: ArraySlice<UInt8>, base: UInt32) -> UInt32 {
        digits.reduce(0) { sum, digit in
            sum * base + UInt32(digit) - UInt32(UInt8(ascii: digit > UInt8(ascii: "9") ? "W" : "0"))
        }
    }
}
