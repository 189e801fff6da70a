import Foundation

/// How a head learns: the settings in its own file, as `MLUpdateTask` uses them.
public struct TrainingSettings: Sendable, Equatable {
    /// A setting that an app may change; the names are those of `MLParameterKey`.
    public enum Name: String, Sendable, CaseIterable {
        case epochs, learningRate, miniBatchSize, momentum, beta1, beta2, eps
    }

    /// The kinds of optimizer.
    public enum Optimizer: String, Sendable {
        /// Stochastic gradient descent with momentum.
        case sgd
        /// Kingma & Ba, 2015, arXiv 1412.6980.
        case adam
    }

    /// A value, and the values that the file allows instead.
    struct Parameter: Sendable, Equatable {
        var value: Double
        var range: ClosedRange<Double>?
        var choices: [Double]?

        func allows(_ wanted: Double) -> Bool {
            if let range { return range.contains(wanted) }
            return choices?.contains(wanted) ?? true
        }
    }

    /// The kind of optimizer.
    public let optimizer: Optimizer
    /// Whether examples are shuffled before each epoch.
    public let shuffled: Bool
    /// The seed of the shuffling.
    public let seed: UInt64
    private var parameters: [Name: Parameter]

    /// The value of a setting; 0 if the optimizer does not have it.
    public subscript(name: Name) -> Double { parameters[name]?.value ?? 0 }

    /// Passes over the examples.
    public var epochs: Int { Int(self[.epochs]) }
    /// Examples per step.
    public var batchSize: Int { max(Int(self[.miniBatchSize]), 1) }

    /// Returns these settings with other values. Throws `HeadError.forbidden` for a value that the file does not allow.
    public func with(_ values: [Name: Double]) throws -> TrainingSettings {
        var changed = self
        for (name, value) in values.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            guard let parameter = parameters[name], value.isFinite, parameter.allows(value) else {
                throw HeadError.forbidden(name.rawValue, value: value)
            }
            changed.parameters[name]?.value = value
        }
        return changed
    }

    /// Reads `NetworkUpdateParameters`.
    init(_ message: ProtobufMessage) throws {
        guard let kind = try message.message(2) else { throw HeadError.unsupported("no optimizer") }
        let known: [Name: Int]
        let update: ProtobufMessage
        if let sgd = try kind.message(10) {
            (optimizer, update, known) = (.sgd, sgd, [.learningRate: 1, .miniBatchSize: 2, .momentum: 3])
        } else if let adam = try kind.message(11) {
            (optimizer, update) = (.adam, adam)
            known = [.learningRate: 1, .miniBatchSize: 2, .beta1: 3, .beta2: 4, .eps: 5]
        } else {
            throw HeadError.unsupported("an unknown optimizer")
        }
        shuffled = try message.message(10)?.integer(1) == 1
        seed = UInt64(bitPattern: Int64(try message.message(20)?.integer(1) ?? 0))
        parameters = [.epochs: try Self.integer(message.message(3))]
        for (name, number) in known {
            parameters[name] =
                name == .miniBatchSize ? try Self.integer(update.message(number)) : try Self.number(update.message(number))
        }
        guard (1...10_000).contains(self[.epochs]), (1...1_000_000).contains(self[.miniBatchSize]) else {
            throw HeadError.damaged
        }
    }

    private static func integer(_ message: ProtobufMessage?) throws -> Parameter {
        let range = try message?.message(10)
        let choices = try message?.message(11)?.integers(1)
        return Parameter(
            value: Double(try message?.integer(1) ?? 0),
            range: try range.flatMap { try closed(Double($0.integer(1)), Double($0.integer(2))) },
            choices: choices?.map(Double.init)
        )
    }

    private static func number(_ message: ProtobufMessage?) throws -> Parameter {
        let range = try message?.message(10)
        return Parameter(
            value: try message?.double(1) ?? 0, range: try range.flatMap { try closed($0.double(1), $0.double(2)) })
    }

    private static func closed(_ low: Double, _ high: Double) throws -> ClosedRange<Double> {
        guard low <= high else { throw HeadError.damaged }
        return low...high
    }
}
