import Foundation

#if canImport(CryptoKit)
    import CryptoKit
#endif

/// SHA-256 in hexadecimal (FIPS 180-4): the system's where there is one, else our own.
enum SHA256Digest {
    static func hex(of data: some DataProtocol) -> String {
        #if canImport(CryptoKit)
            return SHA256.hash(data: data).map { byte in hex(byte) }.joined()
        #else
            return portable(Array(data))
        #endif
    }

    /// Our own implementation, for systems without CryptoKit.
    static func portable(_ message: [UInt8]) -> String {
        let zeros = (119 - message.count % 64) % 64
        let length = (0..<8).map { UInt8(truncatingIfNeeded: (message.count * 8) >> (56 - 8 * $0)) }
        var state = initial
        var schedule = [UInt32](repeating: 0, count: 64)
        let padding = [0x80] + [UInt8](repeating: 0, count: zeros) + length
        let whole = message.count - message.count % 64
        message.withUnsafeBufferPointer { bytes in
            for start in stride(from: 0, to: whole, by: 64) {
                compress(UnsafeBufferPointer(rebasing: bytes[start..<start + 64]), into: &state, &schedule)
            }
        }
        (Array(message[whole...]) + padding).withUnsafeBufferPointer { bytes in
            for start in stride(from: 0, to: bytes.count, by: 64) {
                compress(UnsafeBufferPointer(rebasing: bytes[start..<start + 64]), into: &state, &schedule)
            }
        }
        return state.flatMap { word in (0..<4).map { hex(UInt8(truncatingIfNeeded: word >> (24 - 8 * $0))) } }.joined()
    }

    private static func hex(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }

    private static func compress(_ block: UnsafeBufferPointer<UInt8>, into state: inout [UInt32], _ words: inout [UInt32]) {
        for place in 0..<16 {
            words[place] = (0..<4).reduce(0) { $0 << 8 | UInt32(block[4 * place + $1]) }
        }
        for place in 16..<64 {
            let (early, late) = (words[place - 15], words[place - 2])
            let small0 = rotated(early, 7) ^ rotated(early, 18) ^ early >> 3
            let small1 = rotated(late, 17) ^ rotated(late, 19) ^ late >> 10
            words[place] = words[place - 16] &+ small0 &+ words[place - 7] &+ small1
        }
        var (a, b, c, d) = (state[0], state[1], state[2], state[3])
        var (e, f, g, h) = (state[4], state[5], state[6], state[7])
        for place in 0..<64 {
            let choice = (e & f) ^ (~e & g)
            let first = h &+ (rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)) &+ choice &+ constants[place] &+ words[place]
            let majority = (a & b) ^ (a & c) ^ (b & c)
            let second = (rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)) &+ majority
            (h, g, f, e, d, c, b, a) = (g, f, e, d &+ first, c, b, a, first &+ second)
        }
        for (place, value) in [a, b, c, d, e, f, g, h].enumerated() { state[place] &+= value }
    }

    private static func rotated(_ word: UInt32, _ count: UInt32) -> UInt32 { word >> count | word << (32 - count) }

    private static let primes: [Int] = (2..<312).filter { number in !(2..<number).contains { number % $0 == 0 } }

    /// The first 32 bits of the fractional parts of the square roots of the first eight primes.
    private static let initial = primes.prefix(8).map { fraction(Double($0).squareRoot()) }

    /// The same of the cube roots of the first 64 primes.
    private static let constants = primes.prefix(64).map { fraction(cbrt(Double($0))) }

    private static func fraction(_ root: Double) -> UInt32 { UInt32((root - root.rounded(.down)) * 4_294_967_296) }
}
