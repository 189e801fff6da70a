import Foundation

/// Decodes JSON whose strings were checked first: Foundation's decoder ends the program on keys that are not valid strings
/// (Swift 6.0 on Linux, `JSONDecoder.swift:777`).
enum CheckedJSON {
    static func decode<Value: Decodable>(_ type: Value.Type, from data: Data, using decoder: JSONDecoder = JSONDecoder()) throws
        -> Value
    {
        guard hasSoundStrings(Array(data)) else {
            throw DecodingError.dataCorrupted(.init(codingPath: [], debugDescription: "a string is not valid"))
        }
        return try decoder.decode(type, from: data)
    }

    /// Whether the bytes are UTF-8, and all escapes in strings are those of JSON (RFC 8259, section 7).
    private static func hasSoundStrings(_ bytes: [UInt8]) -> Bool {
        guard String(decoding: bytes, as: UTF8.self).utf8.elementsEqual(bytes) else { return false }
        var (place, inside) = (0, false)
        while place < bytes.count {
            switch bytes[place] {
            case UInt8(ascii: "\""): inside.toggle()
            case 0..<0x20 where inside: return false
            case UInt8(ascii: "\\") where inside:
                guard let length = escapeLength(bytes[place...]) else { return false }
                place += length
                continue
            default: break
            }
            place += 1
        }
        return !inside
    }

    /// The number of bytes of an escape, two for `\n`, six for `\u00e9`, twelve for a surrogate pair; nil if it is not valid.
    private static func escapeLength(_ bytes: ArraySlice<UInt8>) -> Int? {
        guard let kind = bytes.dropFirst().first else { return nil }
        if kind != UInt8(ascii: "u") { return Array("\"\\/bfnrt".utf8).contains(kind) ? 2 : nil }
        guard let unit = codeUnit(bytes) else { return nil }
        switch unit {
        case 0xD800..<0xDC00:
            guard let next = codeUnit(bytes.dropFirst(6)), (0xDC00..<0xE000).contains(next) else { return nil }
            return 12
        case 0xDC00..<0xE000: return nil
        default: return 6
        }
    }

    private static func codeUnit(_ bytes: ArraySlice<UInt8>) -> UInt16? {
        let digits = bytes.dropFirst(2).prefix(4)
        guard bytes.starts(with: Array("\\u".utf8)), digits.count == 4, !digits.contains(UInt8(ascii: "+")) else { return nil }
        return UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
    }
}
