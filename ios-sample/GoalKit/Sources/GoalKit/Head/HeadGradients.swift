import Foundation

/// The gradients of the mean categorical cross-entropy, by the weight and bias of each updatable layer.
struct HeadGradients {
    /// By position of the layer; empty for one that does not learn.
    var weights: [[Float]]
    var biases: [[Float]]

    init(_ layers: [HeadLayer]) {
        let learning = layers.map { layer in layer.product.flatMap { $0.updatable ? $0 : nil } }
        weights = learning.map { Array(repeating: 0, count: $0?.weight.count ?? 0) }
        biases = learning.map { Array(repeating: 0, count: $0?.bias.count ?? 0) }
    }

    /// Adds the gradients of a batch, and returns its mean loss.
    mutating func add(_ batch: [(embedding: [Float], target: Int)], _ layers: [HeadLayer]) -> Double {
        let share = 1 / Float(batch.count)
        var loss = 0.0
        for (embedding, target) in batch {
            var values = [embedding]
            for layer in layers { values.append(layer.forward(values[values.count - 1])) }
            let probabilities = values.removeLast()
            loss -= Double(log(max(probabilities[target], .leastNormalMagnitude)))
            var gradient = probabilities.map { $0 * share }
            gradient[target] -= share
            for place in layers.indices.dropLast().reversed() {
                let entered = values[place]
                switch layers[place] {
                case .product(let product):
                    if product.updatable { addOuterProduct(gradient, entered, at: place) }
                    gradient = product.backward(gradient)
                case .relu: gradient = zip(gradient, entered).map { $1 > 0 ? $0 : 0 }
                case .softmax: break
                }
            }
        }
        return loss / Double(batch.count)
    }

    private mutating func addOuterProduct(_ gradient: [Float], _ entered: [Float], at place: Int) {
        for (row, each) in gradient.enumerated() {
            biases[place][row] += each
            for (column, value) in entered.enumerated() { weights[place][row * entered.count + column] += each * value }
        }
    }
}
