import Foundation

/// A layer of a head.
enum HeadLayer: Sendable, Equatable {
    case product(InnerProduct)
    case relu
    case softmax

    var product: InnerProduct? {
        if case .product(let product) = self { product } else { nil }
    }

    func forward(_ values: [Float]) -> [Float] {
        switch self {
        case .product(let product): return product.forward(values)
        case .relu: return values.map { max($0, 0) }
        case .softmax:
            let highest = values.max() ?? 0
            let shares = values.map { exp($0 - highest) }
            let sum = shares.reduce(0, +)
            return shares.map { $0 / sum }
        }
    }
}

/// x Wᵀ + b.
struct InnerProduct: Sendable, Equatable {
    let name: String
    /// W, [outputs, inputs], row by row.
    var weight: [Float]
    /// b, [outputs].
    var bias: [Float]
    let inputs: Int
    let updatable: Bool

    var outputs: Int { bias.count }

    func forward(_ values: [Float]) -> [Float] {
        bias.indices.map { row in
            var sum = 0.0  // so that the order of the terms does not matter
            for column in 0..<inputs { sum += Double(weight[row * inputs + column]) * Double(values[column]) }
            return Float(sum + Double(bias[row]))
        }
    }

    /// Returns the gradient by the values from that by the results.
    func backward(_ gradient: [Float]) -> [Float] {
        (0..<inputs).map { column in
            var sum = 0.0
            for row in bias.indices { sum += Double(weight[row * inputs + column]) * Double(gradient[row]) }
            return Float(sum)
        }
    }
}
