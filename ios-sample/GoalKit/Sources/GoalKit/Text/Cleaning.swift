/// The steps by which texts are cleaned before they are split, as in `goalkit/characters.py`.
public enum CleaningStep: String, CaseIterable, Sendable {
    /// Drops control, zero-width, format and private-use characters, but keeps white space and emoji whole.
    case invisible
    /// Composes characters (NFC).
    case composition
    /// Converts full-width letters, digits and the signs next to them to half width.
    case width
    /// Reduces repeated marks.
    case punctuation
    /// Replaces each run of white space by one space, and strips the ends.
    case space

    /// How often all steps are repeated at most. Two are enough for ordinary texts.
    static let passes = 64

    /// Applies steps in their order, again until nothing changes.
    static func clean(_ text: Scalars, by steps: [CleaningStep]) -> Scalars {
        var text = text
        for _ in 0..<passes {
            let before = text
            for step in steps { text = step.apply(text) }
            if text == before { break }
        }
        return text
    }

    func apply(_ text: Scalars) -> Scalars {
        switch self {
        case .invisible: Self.dropInvisible(text)
        case .composition: Normalization.frozen.composed(text)
        case .width: Self.narrow(text)
        case .punctuation: Self.calmPunctuation(text)
        case .space: Self.tidySpace(text)
        }
    }

    private static func dropInvisible(_ text: Scalars) -> Scalars {
        let table = CharacterTable.frozen
        let visible = text.filter { !table[$0].contains(.invisible) }
        guard visible.contains(where: { $0 == Mark.joiner || Mark.selectors.contains($0) }) else { return visible }
        return visible.indices.filter { place in
            let before = place > 0 ? visible[place - 1] : nil
            let after = place + 1 < visible.count ? visible[place + 1] : nil
            switch visible[place] {
            case Mark.joiner:
                let follows = before.map { table[$0].contains(.sign) || $0 == Mark.emojiSelector } ?? false
                return follows && (after.map { table[$0].contains(.sign) } ?? false)
            case Mark.textSelector, Mark.emojiSelector:
                return after == Mark.keycap || (before.map { table[$0].contains(.styled) } ?? false)
            default:
                return true
            }
        }.map { visible[$0] }
    }

    private static func narrow(_ text: Scalars) -> Scalars {
        guard text.contains(where: Mark.isWide) else { return text }
        var result = text
        for run in runs(text, where: Mark.isWideSign) {
            let before = run.lowerBound > 0 && Mark.isAlphanumeric(text[run.lowerBound - 1])
            let after = run.upperBound < text.count && Mark.isAlphanumeric(text[run.upperBound])
            if before || after {
                for place in run { result[place] = Mark.narrowed(text[place]) }
            }
        }
        for place in text.indices where Mark.isWideAlphanumeric(text[place]) { result[place] = Mark.narrowed(text[place]) }
        return result
    }

    private static func calmPunctuation(_ text: Scalars) -> Scalars {
        guard zip(text, text.dropFirst()).contains(where: { Mark.mayRepeat($0) && Mark.mayRepeat($1) }) else { return text }
        return single(dashes(ellipses(text)))
    }

    /// Three or more full stops, and repeated ellipses, become one.
    private static func ellipses(_ text: Scalars) -> Scalars {
        var result: Scalars = []
        var place = 0
        while place < text.count {
            var end = place
            var parts = 0
            while let next = endOfEllipsis(text, from: end) { (end, parts) = (next, parts + 1) }
            if parts > 1 || (parts == 1 && text[place] != "…") {
                result += ["…", "…"]
                place = end
            } else {
                result.append(text[place])
                place += 1
            }
        }
        return result
    }

    private static func endOfEllipsis(_ text: Scalars, from start: Int) -> Int? {
        guard start < text.count else { return nil }
        if text[start] == "…" { return start + 1 }
        guard text[start] == "." || text[start] == "。" else { return nil }
        let end = text[start...].firstIndex { $0 != text[start] } ?? text.count
        return end - start >= 3 ? end : nil
    }

    private static func dashes(_ text: Scalars) -> Scalars {
        replacing(runs(text) { $0 == "—" }.filter { $0.count >= 3 }, of: text, by: ["—", "—"])
    }

    private static func single(_ text: Scalars) -> Scalars {
        var result: Scalars = []
        for scalar in text where !(scalar == result.last && Mark.repeated.contains(scalar)) { result.append(scalar) }
        return result
    }

    private static func tidySpace(_ text: Scalars) -> Scalars {
        let words = text.split { CharacterTable.frozen[$0].contains(.blank) }
        return Array(words.joined(separator: CollectionOfOne(" ")))
    }

    private static func runs(_ text: Scalars, where belongs: (Unicode.Scalar) -> Bool) -> [Range<Int>] {
        var found: [Range<Int>] = []
        for (place, scalar) in text.enumerated() where belongs(scalar) {
            if let last = found.last, last.upperBound == place {
                found[found.count - 1] = last.lowerBound..<place + 1
            } else {
                found.append(place..<place + 1)
            }
        }
        return found
    }

    private static func replacing(_ ranges: [Range<Int>], of text: Scalars, by replacement: Scalars) -> Scalars {
        var result = text
        for range in ranges.reversed() { result.replaceSubrange(range, with: replacement) }
        return result
    }
}

/// The characters that the steps name.
private enum Mark {
    static let joiner: Unicode.Scalar = "\u{200D}"
    static let textSelector: Unicode.Scalar = "\u{FE0E}"
    static let emojiSelector: Unicode.Scalar = "\u{FE0F}"
    static let selectors = [textSelector, emojiSelector]
    static let keycap: Unicode.Scalar = "\u{20E3}"
    static let repeated = Set("！!？?，,。、；：～~·".unicodeScalars)
    private static let wideSigns = Set("％＋－．／＠＿".unicodeScalars)

    static func mayRepeat(_ scalar: Unicode.Scalar) -> Bool {
        repeated.contains(scalar) || scalar == "." || scalar == "…" || scalar == "—"
    }

    static func isWide(_ scalar: Unicode.Scalar) -> Bool { (0xFF01...0xFF5E).contains(scalar.value) }

    static func isWideSign(_ scalar: Unicode.Scalar) -> Bool { isWide(scalar) && wideSigns.contains(scalar) }

    static func isWideAlphanumeric(_ scalar: Unicode.Scalar) -> Bool {
        isWide(scalar) && isAlphanumeric(narrowed(scalar))
    }

    static func isAlphanumeric(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "0"..."9", "A"..."Z", "a"..."z": true
        default: isWide(scalar) && isAlphanumeric(narrowed(scalar))
        }
    }

    /// The half-width form of a full-width character.
    static func narrowed(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
        Unicode.Scalar(scalar.value - 0xFEE0) ?? scalar
    }
}
