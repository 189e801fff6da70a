import Foundation

/// Why a head cannot be used, or did not learn. The shipped model works on in any case.
public enum HeadError: LocalizedError, Equatable {
    /// The file is not a Core ML model, or is cut off.
    case damaged
    /// The file has a part that this code does not know.
    case unsupported(String)
    /// There is nothing to learn from.
    case noExamples
    /// There are fewer or more labels than examples.
    case countsDiffer(examples: Int, labels: Int)
    /// A label is none of the head's.
    case unknownLabel(String)
    /// An embedding has another size than the head takes.
    case wrongSize(Int, wanted: Int)
    /// An embedding has a number that is infinite or not a number.
    case notFinite(example: Int)
    /// The numbers grew without bounds.
    case diverged(epoch: Int)
    /// The head does not allow a setting.
    case forbidden(String, value: Double)

    /// A sentence for the user.
    public var errorDescription: String? {
        switch self {
        case .damaged: "The learning part of the model is damaged: install the model again."
        case .unsupported(let part):
            "The learning part of the model has “\(part)”, which this app does not know: update the app."
        case .noExamples: "There is nothing to learn from yet: correct some goals first."
        case .countsDiffer(let examples, let labels):
            "There are \(examples) examples and \(labels) labels: each example needs one label."
        case .unknownLabel(let label): "The model has no label “\(label)”: choose another one."
        case .wrongSize(let size, let wanted):
            "The examples have \(size) numbers each instead of \(wanted): they belong to another model."
        case .notFinite(let example): "Example \(example + 1) cannot be learned from: leave it out."
        case .diverged(let epoch): "Learning went wrong in round \(epoch); the model is as before: try a lower learning rate."
        case .forbidden(let name, let value): "The model does not allow \(name) to be \(value)."
        }
    }
}
