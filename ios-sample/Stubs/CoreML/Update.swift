import Foundation

public enum MLTaskState: Int {
    case suspended = 1
    case running, cancelling, completed, failed
}

open class MLTask: NSObject {
    public var state: MLTaskState { fatalError() }
    public var error: (any Error)? { fatalError() }
    public func resume() { fatalError() }
    public func cancel() { fatalError() }
}

open class MLUpdateTask: MLTask {
    public convenience init(
        forModelAt modelURL: URL, trainingData: any MLBatchProvider, configuration: MLModelConfiguration?,
        progressHandlers: MLUpdateProgressHandlers
    ) throws { fatalError() }
}

public struct MLUpdateProgressEvent: OptionSet, Sendable {
    public let rawValue: Int
    public init(rawValue: Int) { self.rawValue = rawValue }
    public static let trainingBegin = Self(rawValue: 1)
    public static let epochEnd = Self(rawValue: 2)
    public static let miniBatchEnd = Self(rawValue: 4)
}

open class MLUpdateProgressHandlers: NSObject {
    public init(
        forEvents interestedEvents: MLUpdateProgressEvent, progressHandler: ((MLUpdateContext) -> Void)?,
        completionHandler: @escaping (MLUpdateContext) -> Void
    ) { fatalError() }
}

public protocol MLWritable: NSObjectProtocol {
    func write(to url: URL) throws
}

open class MLUpdateContext: NSObject {
    public var task: MLUpdateTask { fatalError() }
    public var model: any MLModel & MLWritable { fatalError() }
    public var event: MLUpdateProgressEvent { fatalError() }
    public var metrics: [MLMetricKey: Any] { fatalError() }
}
