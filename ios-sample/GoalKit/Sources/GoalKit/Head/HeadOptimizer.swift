import Foundation

/// The two optimizers that Core ML trains with, in single precision.
struct HeadOptimizer {
    private let settings: TrainingSettings
    private var firsts: HeadGradients
    private var seconds: HeadGradients
    private var steps = 0

    init(_ settings: TrainingSettings, layers: [HeadLayer]) {
        self.settings = settings
        firsts = HeadGradients(layers)
        seconds = HeadGradients(layers)
    }

    /// Changes the weights of the layers that learn by one step.
    mutating func step(_ layers: inout [HeadLayer], _ gradients: HeadGradients) {
        steps += 1
        let rule = Rule(settings, step: steps)
        for place in layers.indices {
            guard case .product(var product) = layers[place], product.updatable else { continue }
            rule.apply(gradients.weights[place], to: &product.weight, &firsts.weights[place], &seconds.weights[place])
            rule.apply(gradients.biases[place], to: &product.bias, &firsts.biases[place], &seconds.biases[place])
            layers[place] = .product(product)
        }
    }
}

/// One step: momentum is v ← μv + g, w ← w - ηv; Adam is algorithm 1 of Kingma & Ba, 2015, arXiv 1412.6980.
private struct Rule {
    private let optimizer: TrainingSettings.Optimizer
    private let momentum: Float
    private let rate: Float
    private let shares: (first: Float, second: Float)
    private let correction: Float
    private let epsilon: Float

    init(_ settings: TrainingSettings, step: Int) {
        optimizer = settings.optimizer
        momentum = Float(settings[.momentum])
        epsilon = Float(settings[.eps])
        shares = (Float(1 - settings[.beta1]), Float(1 - settings[.beta2]))
        correction = Float(1 - pow(settings[.beta2], Double(step)))
        let scale = optimizer == .adam ? 1 - pow(settings[.beta1], Double(step)) : 1
        rate = Float(settings[.learningRate] / scale)
    }

    func apply(_ gradient: [Float], to weights: inout [Float], _ first: inout [Float], _ second: inout [Float]) {
        switch optimizer {
        case .sgd:
            for place in weights.indices {
                first[place] = momentum * first[place] + gradient[place]
                weights[place] -= rate * first[place]
            }
        case .adam:
            for place in weights.indices {
                first[place] += shares.first * (gradient[place] - first[place])
                second[place] += shares.second * (gradient[place] * gradient[place] - second[place])
                weights[place] -= rate * first[place] / ((second[place] / correction).squareRoot() + epsilon)
            }
        }
    }
}
