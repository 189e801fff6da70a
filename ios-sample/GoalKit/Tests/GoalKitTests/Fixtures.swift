import Foundation
import Testing

@testable import GoalKit

/// What Python wrote for comparison: see `ios-sample/tools/fixtures.py`.
enum Fixtures {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(
        path: "../../../../build/goalkit-fixtures"
    )
    .standardizedFileURL
    static let bundle = folder.appending(path: "GoalAnalyzer")

    static func read<Value: Decodable>(_ type: Value.Type, from name: String) throws -> Value {
        try JSONDecoder().decode(type, from: data(name))
    }

    static func data(_ name: String) throws -> Data {
        let url = folder.appending(path: name)
        guard let data = try? Data(contentsOf: url) else { throw Missing(url: url) }
        return data
    }

    private struct Missing: Error, CustomStringConvertible {
        let url: URL
        var description: String { "there is no \(url.path): run `make ios-test`, which writes it" }
    }
}

/// The message that a user sees when `work` fails.
func message(_ work: () throws -> Void) -> String {
    do {
        try work()
        return "no error"
    } catch {
        return error.localizedDescription
    }
}
