import Foundation

/// The text of a `manifest.json`, byte for byte: its digests are over what goalkit wrote, which is never written again.
struct ManifestText {
    private let members: [(name: String, text: ArraySlice<UInt8>)]

    /// Splits the text into its members. Returns nil unless it is indented as goalkit does, and names each member once.
    init?(_ data: Data) {
        let (opening, closing) = (Array("{\n".utf8), Array("\n}\n".utf8))
        let bytes = Array(data)
        guard bytes.count > opening.count + closing.count, bytes.starts(with: opening),
            bytes.suffix(closing.count).elementsEqual(closing)
        else { return nil }
        let body = bytes[opening.count..<bytes.count - closing.count]
        let newline = UInt8(ascii: "\n")
        var starts: [Int] = []
        for place in body.indices where place == body.startIndex || body[place - 1] == newline {
            if body[place...].starts(with: Array("  \"".utf8)) { starts.append(place) }
        }
        guard starts.first == body.startIndex else { return nil }
        var members: [(name: String, text: ArraySlice<UInt8>)] = []
        for (number, start) in starts.enumerated() {
            let last = number + 1 == starts.count
            let end = last ? body.endIndex : starts[number + 1] - 2  // without the comma and the line feed
            guard end > start, last || body[end...].starts(with: Array(",\n".utf8)),
                let quote = body[(start + 3)..<end].firstIndex(of: UInt8(ascii: "\""))
            else { return nil }
            members.append((String(decoding: body[(start + 3)..<quote], as: UTF8.self), body[start..<end]))
        }
        guard Set(members.map(\.name)).count == members.count else { return nil }
        self.members = members
    }

    /// The SHA-256 of the text with the value of `digest` emptied.
    var digest: String {
        Self.digest(of: members.map { $0.name == "digest" ? Array("  \"digest\": \"\"".utf8)[...] : $0.text })
    }

    /// The SHA-256 of some members only, in the order of `names`. Returns nil if one is missing.
    func digest(of names: [String]) -> String? {
        let chosen = names.compactMap { name in members.first { $0.name == name }?.text }
        return chosen.count == names.count ? Self.digest(of: chosen) : nil
    }

    private static func digest(of members: [ArraySlice<UInt8>]) -> String {
        let body = Array(members.joined(separator: Array(",\n".utf8)))
        return SHA256Digest.hex(of: Array("{\n".utf8) + body + Array("\n}\n".utf8))
    }
}
