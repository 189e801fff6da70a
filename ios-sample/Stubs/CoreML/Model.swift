// Interface of Apple's Core ML as far as this sample uses it, for type checks on Linux. Nothing here does anything.
import Foundation

open class MLModel: NSObject {
    public var modelDescription: MLModelDescription { fatalError() }
    public convenience init(contentsOf url: URL, configuration: MLModelConfiguration) throws { fatalError() }
    open func prediction(from input: any MLFeatureProvider) throws -> any MLFeatureProvider { fatalError() }
    open func prediction(
        from input: any MLFeatureProvider, options: MLPredictionOptions = MLPredictionOptions()
    ) async throws -> any MLFeatureProvider { fatalError() }
    open func predictions(fromBatch inputBatch: any MLBatchProvider) throws -> any MLBatchProvider { fatalError() }
    open func predictions(
        from inputBatch: any MLBatchProvider, options: MLPredictionOptions
    ) throws -> any MLBatchProvider { fatalError() }
    open func parameterValue(for key: MLParameterKey) throws -> Any { fatalError() }
    open class func compileModel(at modelURL: URL) async throws -> URL { fatalError() }
}

open class MLModelDescription: NSObject {
    public var predictedFeatureName: String? { fatalError() }
    public var predictedProbabilitiesName: String? { fatalError() }
}

open class MLPredictionOptions: NSObject {}

public enum MLComputeUnits: Int, Sendable {
    case cpuOnly, cpuAndGPU, all, cpuAndNeuralEngine
}

open class MLModelConfiguration: NSObject {
    public var computeUnits: MLComputeUnits { get { fatalError() } set { fatalError() } }
    public var parameters: [MLParameterKey: Any]? { get { fatalError() } set { fatalError() } }
}

open class MLKey: NSObject {
    public var name: String { fatalError() }
    public var scope: String? { fatalError() }
}

open class MLParameterKey: MLKey {
    open class var weights: MLParameterKey { fatalError() }
    open class var biases: MLParameterKey { fatalError() }
    open func scoped(to scope: String) -> MLParameterKey { fatalError() }
}

open class MLMetricKey: MLKey {
    open class var lossValue: MLMetricKey { fatalError() }
    open class var epochIndex: MLMetricKey { fatalError() }
}
