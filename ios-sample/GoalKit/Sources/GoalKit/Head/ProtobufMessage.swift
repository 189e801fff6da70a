import Foundation

/// A protocol buffers message as its fields in order, without a schema (protobuf.dev, "Encoding").
struct ProtobufMessage: Sendable, Equatable {
    enum Value: Sendable, Equatable {
        case varint(UInt64)
        case fixed64(UInt64)
        case bytes([UInt8])
        case fixed32(UInt32)
    }

    struct Field: Sendable, Equatable {
        let number: Int
        var value: Value
    }

    private(set) var fields: [Field] = []

    init(_ bytes: [UInt8]) throws {
        var place = 0
        while place < bytes.count {
            let tag = try Self.varint(bytes, &place)
            guard let number = Int(exactly: tag >> 3), number > 0 else { throw HeadError.damaged }
            let value: Value =
                switch tag & 7 {
                case 0: .varint(try Self.varint(bytes, &place))
                case 1: .fixed64(try Self.fixed(bytes, &place, size: 8))
                case 2: .bytes(Array(try Self.slice(bytes, &place, size: Self.varint(bytes, &place))))
                case 5: .fixed32(UInt32(try Self.fixed(bytes, &place, size: 4)))
                default: throw HeadError.damaged
                }
            fields.append(Field(number: number, value: value))
        }
    }

    /// The message in the wire format.
    var serialized: [UInt8] {
        var bytes: [UInt8] = []
        for field in fields {
            let tag = UInt64(field.number) << 3
            switch field.value {
            case .varint(let value): bytes += Self.encoded(tag) + Self.encoded(value)
            case .fixed64(let value):
                bytes += Self.encoded(tag | 1) + (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
            case .bytes(let value): bytes += Self.encoded(tag | 2) + Self.encoded(UInt64(value.count)) + value
            case .fixed32(let value):
                bytes += Self.encoded(tag | 5) + (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
            }
        }
        return bytes
    }

    /// The number in a field, 0 if it is not there.
    func integer(_ number: Int) throws -> Int {
        switch value(number) {
        case nil: return 0
        case .varint(let value): return Int(truncatingIfNeeded: value)
        default: throw HeadError.damaged
        }
    }

    /// The number in a field, 0 if it is not there.
    func double(_ number: Int) throws -> Double {
        switch value(number) {
        case nil: return 0
        case .fixed64(let value): return Double(bitPattern: value)
        default: throw HeadError.damaged
        }
    }

    /// The strings in a repeated field.
    func strings(_ number: Int) throws -> [String] {
        try byteStrings(number).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The numbers in a repeated field, packed or not.
    func floats(_ number: Int) throws -> [Float] {
        try fields.filter { $0.number == number }.flatMap { field -> [Float] in
            switch field.value {
            case .fixed32(let value): return [Float(bitPattern: value)]
            case .bytes(let bytes):
                guard bytes.count % 4 == 0 else { throw HeadError.damaged }
                return stride(from: 0, to: bytes.count, by: 4).map { start in
                    Float(bitPattern: (0..<4).reduce(0) { $0 | UInt32(bytes[start + $1]) << (8 * UInt32($1)) })
                }
            default: throw HeadError.damaged
            }
        }
    }

    /// The numbers in a repeated field, packed or not.
    func integers(_ number: Int) throws -> [Int] {
        try fields.filter { $0.number == number }.flatMap { field -> [Int] in
            switch field.value {
            case .varint(let value): return [Int(truncatingIfNeeded: value)]
            case .bytes(let bytes):
                var (found, place): ([Int], Int) = ([], 0)
                while place < bytes.count { found.append(Int(truncatingIfNeeded: try Self.varint(bytes, &place))) }
                return found
            default: throw HeadError.damaged
            }
        }
    }

    /// The messages in a repeated field.
    func messages(_ number: Int) throws -> [ProtobufMessage] { try byteStrings(number).map { try ProtobufMessage($0) } }

    /// The message in a field, or nil if it is not there.
    func message(_ number: Int) throws -> ProtobufMessage? { try messages(number).last }

    /// Replaces what is in a field that occurs `values.count` times.
    mutating func replace(_ number: Int, with values: [[UInt8]]) {
        var next = values.makeIterator()
        for place in fields.indices where fields[place].number == number {
            if let value = next.next() { fields[place].value = .bytes(value) }
        }
    }

    private func byteStrings(_ number: Int) throws -> [[UInt8]] {
        try fields.filter { $0.number == number }.map { field in
            guard case .bytes(let bytes) = field.value else { throw HeadError.damaged }
            return bytes
        }
    }

    private func value(_ number: Int) -> Value? { fields.last { $0.number == number }?.value }

    private static func varint(_ bytes: [UInt8], _ place: inout Int) throws -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            guard place < bytes.count else { throw HeadError.damaged }
            let byte = bytes[place]
            place += 1
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        throw HeadError.damaged
    }

    private static func fixed(_ bytes: [UInt8], _ place: inout Int, size: UInt64) throws -> UInt64 {
        try slice(bytes, &place, size: size).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    private static func slice(_ bytes: [UInt8], _ place: inout Int, size: UInt64) throws -> ArraySlice<UInt8> {
        guard size <= UInt64(bytes.count - place) else { throw HeadError.damaged }
        let end = place + Int(size)
        defer { place = end }
        return bytes[place..<end]
    }

    private static func encoded(_ value: UInt64) -> [UInt8] {
        var (rest, bytes): (UInt64, [UInt8]) = (value, [])
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }
}
