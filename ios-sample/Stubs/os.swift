// Interface of Apple's os module as far as this sample uses it.
public struct OSAllocatedUnfairLock<State>: @unchecked Sendable {
    public func withLock<R: Sendable>(_ body: @Sendable (inout State) throws -> R) rethrows -> R { fatalError() }
}

extension OSAllocatedUnfairLock where State: Sendable {
    public init(initialState: State) { fatalError() }
}
