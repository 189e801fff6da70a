import Foundation

open class MLCPUComputeDevice: NSObject {}
open class MLGPUComputeDevice: NSObject {}
open class MLNeuralEngineComputeDevice: NSObject {}

public enum MLComputeDevice {
    case cpu(MLCPUComputeDevice)
    case gpu(MLGPUComputeDevice)
    case neuralEngine(MLNeuralEngineComputeDevice)
}

@available(iOS 17.4, macOS 14.4, *)
public enum MLModelStructure {
    case neuralNetwork(NeuralNetwork)
    case program(Program)
    case pipeline(Pipeline)
    case unsupported

    public struct NeuralNetwork {}
    public struct Pipeline {}
    public struct Program {
        public struct Block { public var operations: [Operation] { fatalError() } }
        public struct Function { public var block: Block { fatalError() } }
        public struct Operation {
            public var operatorName: String { fatalError() }
            public var blocks: [Block] { fatalError() }
        }
        public var functions: [String: Function] { fatalError() }
    }
}

@available(iOS 17.4, macOS 14.4, *)
open class MLComputePlan {
    public struct Cost { public var weight: Double { fatalError() } }
    public struct DeviceUsage {
        public var supported: [MLComputeDevice] { fatalError() }
        public var preferred: MLComputeDevice { fatalError() }
    }
    public class func load(contentsOf url: URL, configuration: MLModelConfiguration) async throws -> MLComputePlan { fatalError() }
    public var modelStructure: MLModelStructure { fatalError() }
    public func deviceUsage(for operation: MLModelStructure.Program.Operation) -> DeviceUsage? { fatalError() }
    public func estimatedCost(of operation: MLModelStructure.Program.Operation) -> Cost? { fatalError() }
}
