import Foundation
import Testing

@testable import GoalKit

@Suite struct TokenizerTests {
    struct Case: Decodable {
        let settings: TokenizerSettings
        let length: Int
        let texts: [String]
        let ids: [String]

        static let all = Result { try Fixtures.read([Case].self, from: "tokenizer.json") }
    }

    struct Golden: Decodable {
        let text: String
        let ids: [Int32]
    }

    static func vocabulary() throws -> Data { try Fixtures.data("GoalAnalyzer/vocab.txt") }

    static func differences(_ found: Case) throws -> [String] {
        let tokenizer = try Tokenizer(vocabulary: vocabulary(), settings: found.settings)
        return zip(found.texts, found.ids).compactMap { text, wanted in
            let ids = tokenizer.ids(text, limit: found.length).map(String.init).joined(separator: " ")
            return ids == wanted ? nil : "\(text.debugDescription): \(ids) instead of \(wanted)"
        }
    }

    @Test func goldenTextsHaveTheIdsOfPython() throws {
        let own = try Case.all.get()[0]
        let tokenizer = try Tokenizer(vocabulary: Self.vocabulary(), settings: own.settings)
        let golden = try Fixtures.read([Golden].self, from: "GoalAnalyzer/tokenizer_golden.json")
        #expect(golden.count > 500)
        for each in golden { #expect(tokenizer.ids(each.text, limit: own.length) == each.ids, "\(each.text)") }
    }

    @Test func goalsAndRandomTextsHaveTheIdsOfPython() throws {
        let own = try Case.all.get()[0]
        #expect(own.texts.count > 31_000)
        #expect(try Self.differences(own) == [])
    }

    @Test(arguments: 1...27) func otherSettingsGiveTheIdsOfPython(number: Int) throws {
        let cases = try Case.all.get()
        #expect(cases.count == 28)
        #expect(try Self.differences(cases[number]) == [])
    }

    @Test func aGoalTakesFiftyMicrosecondsAtMost() throws {
        let own = try Case.all.get()[0]
        let tokenizer = try Tokenizer(vocabulary: Self.vocabulary(), settings: own.settings)
        let goals = own.texts.prefix(5_000)
        _ = tokenizer.ids("跑步")
        var time = timespec()
        func now() -> Double {
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)  // other work on the machine does not count
            return Double(time.tv_sec) * 1e6 + Double(time.tv_nsec) / 1e3
        }
        let start = now()
        for goal in goals { _ = tokenizer.ids(goal) }
        let microseconds = (now() - start) / Double(goals.count)
        print("tokenizer: \(microseconds) µs per goal")
        #expect(microseconds < 50)
    }

    @Test func textsArePaddedAndCut() throws {
        let tokenizer = try Tokenizer(vocabulary: Self.vocabulary(), settings: Case.all.get()[0].settings)
        let whole = tokenizer.ids("每天跑步五公里")
        #expect(whole.count == 9)
        let padded = tokenizer.encode("每天跑步五公里", length: 12)
        #expect(padded.ids == whole + [0, 0, 0])
        #expect(padded.mask == Array(repeating: 1, count: 9) + [0, 0, 0])
        let cut = tokenizer.encode("每天跑步五公里", length: 4)
        #expect(cut.ids == whole.prefix(3) + whole.suffix(1))
        #expect(cut.mask == [1, 1, 1, 1])
    }
}

@Suite struct TokenizerSettingsTests {
    let plain = """
        {"lowercase": true, "strip_accents": true, "handle_chinese_chars": true, "clean_text": true,
        "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "unk_token": "[UNK]", "cls_token": "[CLS]",
        "sep_token": "[SEP]", "pad_token": "[PAD]", "added_tokens": [], "cleaning": ["space"]}
        """
    let words = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nrun\n##ning\n"

    func settings(replacing old: String = "", by new: String = "") throws -> TokenizerSettings {
        try JSONDecoder().decode(TokenizerSettings.self, from: Data(plain.replacingOccurrences(of: old, with: new).utf8))
    }

    @Test func aSmallVocabulary() throws {
        let tokenizer = try Tokenizer(vocabulary: Data(words.utf8), settings: settings())
        #expect(tokenizer.ids("Running  run ranning") == [2, 4, 5, 4, 1, 3])
        #expect(tokenizer.ids("") == [2, 3])
        #expect(
            try Tokenizer(vocabulary: Data(words.replacingOccurrences(of: "\n", with: "\r\n").utf8), settings: settings()).ids(
                "run") == [2, 4, 3])
    }

    @Test(arguments: [
        (#""cleaning": ["space"]"#, #""cleaning": ["script"]"#, "“script”"),
        (#""lowercase": true"#, #""lowercase": true, "unigram": 1"#, "“unigram” of the tokenizer"),
        (#""added_tokens": []"#, #""added_tokens": [{"id": 6, "glue": 1}]"#, "“glue” of an added token"),
    ])
    func unknownSettingsAreRefused(old: String, new: String, part: String) {
        let found = message { _ = try settings(replacing: old, by: new) }
        #expect(found.contains(part) && found.contains("update the app"), "\(found)")
    }

    @Test func missingSettingsAreRefused() {
        #expect(throws: DecodingError.self) { try settings(replacing: #""clean_text": true,"#) }
    }

    @Test(arguments: [
        ("[PAD]\n[UNK]\n[CLS]\nrun\n", "lacks [SEP]"),
        ("[PAD]\n[CLS]\n[SEP]\nrun\n", "lacks [UNK]"),
        ("[PAD]\n[UNK]\n[CLS]\n[SEP]\nrun\nrun\n", "line 6 repeats"),
        ("[PAD]\n[UNK]\n[CLS]\n[SEP]\nr\run\n", "line 5 has a line end"),
    ])
    func damagedVocabulariesAreRefused(text: String, part: String) {
        let found = message { _ = try Tokenizer(vocabulary: Data(text.utf8), settings: settings()) }
        #expect(found.contains(part) && found.contains("install the model again"), "\(found)")
    }

    @Test func aVocabularyMustBeUTF8() {
        let found = message { _ = try Tokenizer(vocabulary: Data(words.utf8) + [0xFF, 0x0A], settings: settings()) }
        #expect(found.contains("not UTF-8"))
    }

    @Test(arguments: [
        #"[{"id": 9, "content": "a", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false}]"#,
        #"""
        [{"id": 6, "content": "a", "single_word": false, "lstrip": false, "rstrip": false, "normalized": true},
        {"id": 7, "content": "A", "single_word": false, "lstrip": false, "rstrip": false, "normalized": true}]
        """#,
    ])
    func addedTokensMustFit(tokens: String) throws {
        let settings = try settings(replacing: "[]", by: tokens)
        let found = message { _ = try Tokenizer(vocabulary: Data(words.utf8), settings: settings) }
        #expect(found.contains("does not fit its vocabulary"))
    }

    @Test func canonicallyEqualPiecesAreDifferent() throws {
        let text = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n\u{8C48}\n\u{F900}\n"
        let tokenizer = try Tokenizer(
            vocabulary: Data(text.utf8),
            settings: settings(replacing: #""strip_accents": true"#, by: #""strip_accents": false"#))
        #expect(tokenizer.ids("\u{8C48}\u{F900}") == [2, 4, 5, 3])
    }
}
