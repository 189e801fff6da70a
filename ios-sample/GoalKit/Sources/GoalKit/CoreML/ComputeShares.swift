#if canImport(CoreML)
    @preconcurrency import CoreML
    import Foundation

    extension Measurements.Units {
        /// Returns the share of the estimated cost that each unit has, by Core ML's plan for a compiled program; nil if it has
        /// no plan.
        @available(iOS 17.4, macOS 14.4, *)
        public init?(planOf compiled: URL, units: MLComputeUnits = .all) async throws {
            let configuration = MLModelConfiguration()
            configuration.computeUnits = units
            let plan = try await MLComputePlan.load(contentsOf: compiled, configuration: configuration)
            guard case .program(let program) = plan.modelStructure, let main = program.functions["main"] else { return nil }
            var costs = (cpu: 0.0, gpu: 0.0, neuralEngine: 0.0)
            for operation in main.block.operations {
                guard let usage = plan.deviceUsage(for: operation), let cost = plan.estimatedCost(of: operation) else {
                    continue
                }
                switch usage.preferred {
                case .cpu: costs.cpu += cost.weight
                case .gpu: costs.gpu += cost.weight
                case .neuralEngine: costs.neuralEngine += cost.weight
                @unknown default: continue
                }
            }
            let sum = costs.cpu + costs.gpu + costs.neuralEngine
            guard sum > 0 else { return nil }
            self.init(cpu: costs.cpu / sum, gpu: costs.gpu / sum, neuralEngine: costs.neuralEngine / sum)
        }
    }
#endif
