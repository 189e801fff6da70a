// Interface of Apple's App Intents as far as this sample uses it.
import Foundation

public struct LocalizedStringResource: Sendable, ExpressibleByStringInterpolation {
    public init(stringLiteral value: String) { fatalError() }
}

public protocol AppIntent: Sendable {
    associatedtype PerformResult: IntentResult
    static var title: LocalizedStringResource { get }
    static var description: IntentDescription? { get }
    init()
    func perform() async throws -> PerformResult
}

extension AppIntent {
    public static var description: IntentDescription? { nil }
}

public struct IntentDescription: Sendable, ExpressibleByStringLiteral {
    public init(_ descriptionText: LocalizedStringResource) { fatalError() }
    public init(stringLiteral value: String) { fatalError() }
}

public struct IntentDialog: Sendable, ExpressibleByStringInterpolation {
    public init(stringLiteral value: String) { fatalError() }
}

@propertyWrapper public final class IntentParameter<Value: Sendable>: @unchecked Sendable {
    public init(title: LocalizedStringResource, requestValueDialog: IntentDialog? = nil) { fatalError() }
    public var wrappedValue: Value { get { fatalError() } set { fatalError() } }
}

extension AppIntent {
    public typealias Parameter = IntentParameter
}

public protocol IntentResult: Sendable {}
public protocol ProvidesDialog {}
public struct _DialogResult: IntentResult, ProvidesDialog {}

extension IntentResult where Self == _DialogResult {
    public static func result(dialog: IntentDialog) -> _DialogResult { fatalError() }
}

public struct AppShortcutPhraseToken: Sendable {
    public static var applicationName: AppShortcutPhraseToken { fatalError() }
}

public struct AppShortcutPhrase<Intent: AppIntent>: Sendable, ExpressibleByStringInterpolation {
    public init(stringLiteral value: String) { fatalError() }
    public init(stringInterpolation: StringInterpolation) { fatalError() }

    public struct StringInterpolation: StringInterpolationProtocol {
        public init(literalCapacity: Int, interpolationCount: Int) { fatalError() }
        public mutating func appendLiteral(_ literal: String) { fatalError() }
        public mutating func appendInterpolation(_ token: AppShortcutPhraseToken) { fatalError() }
    }
}

public struct AppShortcut: Sendable {
    public init<Intent: AppIntent>(
        intent: Intent, phrases: [AppShortcutPhrase<Intent>], shortTitle: LocalizedStringResource, systemImageName: String
    ) { fatalError() }
}

@resultBuilder public struct AppShortcutsBuilder {
    public static func buildBlock(_ components: AppShortcut...) -> [AppShortcut] { fatalError() }
}

public protocol AppShortcutsProvider {
    @AppShortcutsBuilder static var appShortcuts: [AppShortcut] { get }
}
