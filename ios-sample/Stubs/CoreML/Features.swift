import Foundation

public protocol MLFeatureProvider {
    var featureNames: Set<String> { get }
    func featureValue(for featureName: String) -> MLFeatureValue?
}

public protocol MLBatchProvider {
    var count: Int { get }
    func features(at index: Int) -> any MLFeatureProvider
}

open class MLFeatureValue: NSObject {
    public convenience init(string value: String) { fatalError() }
    public convenience init(multiArray value: MLMultiArray) { fatalError() }
    public convenience init<Scalar: MLShapedArrayScalar>(shapedArray value: MLShapedArray<Scalar>) { fatalError() }
    public var stringValue: String { fatalError() }
    public var multiArrayValue: MLMultiArray? { fatalError() }
    public var dictionaryValue: [AnyHashable: NSNumber] { fatalError() }
}

open class MLMultiArray: NSObject {}

open class MLDictionaryFeatureProvider: NSObject, MLFeatureProvider {
    public init(dictionary: [String: Any]) throws { fatalError() }
    public var featureNames: Set<String> { fatalError() }
    public func featureValue(for featureName: String) -> MLFeatureValue? { fatalError() }
}

open class MLArrayBatchProvider: NSObject, MLBatchProvider {
    public init(array: [any MLFeatureProvider]) { fatalError() }
    public var count: Int { fatalError() }
    public func features(at index: Int) -> any MLFeatureProvider { fatalError() }
}

public protocol MLShapedArrayScalar {}
extension Int32: MLShapedArrayScalar {}
extension Float: MLShapedArrayScalar {}
extension Double: MLShapedArrayScalar {}

public struct MLShapedArray<Scalar: MLShapedArrayScalar> {
    public init<S: Sequence>(scalars: S, shape: [Int]) where S.Element == Scalar { fatalError() }
    public init(converting multiArray: MLMultiArray) { fatalError() }
    public var scalars: [Scalar] { fatalError() }
    public var shape: [Int] { fatalError() }
}
