import Foundation

/// The pieces of a `vocab.txt` in the order of their ids, as a tree that is walked character by character.
///
/// Pieces are told apart by their Unicode scalars: as Swift strings, 豈 (U+F900) and 豈 (U+8C48) would be the same.
struct Vocabulary: Sendable {
    /// The number of pieces.
    let count: Int

    private var children: [UInt64: Int32] = [:]
    private var ids: [Int32] = [Self.none]

    private static let none: Int32 = -1
    private static let root: Int32 = 0

    /// Reads a `vocab.txt`: UTF-8, one piece per line. Ids are line numbers from 0.
    init(contentsOf data: Data) throws {
        let text = String(decoding: data, as: UTF8.self)
        guard text.utf8.elementsEqual(data) else { throw TokenizerError.damagedVocabulary("it is not UTF-8") }
        var lines = text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
        count = lines.count
        children.reserveCapacity(2 * count)
        for (number, line) in lines.enumerated() {
            let piece = line.last == "\r" ? line.dropLast() : line
            guard !piece.contains("\r") else {
                throw TokenizerError.damagedVocabulary("line \(number + 1) has a line end inside")
            }
            let node = insert(piece)
            guard ids[node] == Self.none else { throw TokenizerError.damagedVocabulary("line \(number + 1) repeats a piece") }
            ids[node] = Int32(number)
        }
    }

    /// Returns the id of a piece.
    func id(of piece: some Sequence<Unicode.Scalar>) -> Int32? {
        node(of: piece, from: Self.root).flatMap { id(at: $0) }
    }

    /// Splits a word into the longest pieces from the left. Returns nil if that is impossible.
    ///
    /// - Parameters:
    ///   - word: not empty.
    ///   - continuing: the node from which `node(ofPrefix:)` continues a word, if the vocabulary has such pieces.
    func ids(of word: ArraySlice<Unicode.Scalar>, continuing: Int32?) -> [Int32]? {
        var found: [Int32] = []
        var start = word.startIndex
        while start < word.endIndex {
            guard var node = start == word.startIndex ? Self.root : continuing else { return nil }
            var longest: (id: Int32, end: Int)?
            var place = start
            while place < word.endIndex, let next = children[Self.key(node, word[place])] {
                node = next
                place += 1
                if let id = id(at: node) { longest = (id, place) }
            }
            guard let longest else { return nil }
            found.append(longest.id)
            start = longest.end
        }
        return found
    }

    /// Returns the node after a prefix, or nil if no piece begins with it.
    func node(ofPrefix prefix: some Sequence<Unicode.Scalar>) -> Int32? { node(of: prefix, from: Self.root) }

    private func node(of piece: some Sequence<Unicode.Scalar>, from start: Int32) -> Int32? {
        var node = start
        for scalar in piece {
            guard let next = children[Self.key(node, scalar)] else { return nil }
            node = next
        }
        return node
    }

    private func id(at node: Int32) -> Int32? { ids[Int(node)] == Self.none ? nil : ids[Int(node)] }

    private mutating func insert(_ piece: some Sequence<Unicode.Scalar>) -> Int {
        var node = Self.root
        for scalar in piece {
            let key = Self.key(node, scalar)
            if let next = children[key] {
                node = next
            } else {
                node = Int32(ids.count)
                children[key] = node
                ids.append(Self.none)
            }
        }
        return Int(node)
    }

    private static func key(_ node: Int32, _ scalar: Unicode.Scalar) -> UInt64 { UInt64(node) << 21 | UInt64(scalar.value) }
}
