import Foundation
import GoalKit
import Observation

/// Measures the model on this phone.
@MainActor @Observable public final class MeasurementsModel {
    /// What was measured.
    public private(set) var measurements: Measurements?
    /// The JSON file, to be shared.
    public private(set) var file: URL?
    /// Whether it is measuring now.
    public private(set) var isBusy = false
    /// Why nothing was measured.
    public private(set) var problem: String?

    private let services: Services
    private let learning: LearningModel
    private let runs: Int

    /// Creates the model.
    public init(_ services: Services, learning: LearningModel, runs: Int = 200) {
        (self.services, self.learning, self.runs) = (services, learning, runs)
    }

    /// Measures. It takes a few seconds; the last training since the app began counts as the update.
    public func measure() async {
        guard !isBusy else { return }
        isBusy = true
        defer { isBusy = false }
        do {
            let (model, bundle) = (services.model, services.model.bundle)
            var found = Measurements(bundle: bundle.manifest.identity, device: Device.model, system: Device.system)
            let texts = try bundle.golden().texts
            found.latency = try await .init(of: texts, runs: runs) { _ = try await model.predictions([$0]) }
            if let before = services.footprintBefore, let peak = Footprint.now()?.peak {
                found.memory = .init(before: before, peak: peak)
            }
            found.update = learning.rows.compactMap(\.report).max { $0.duration < $1.duration }.map(Measurements.Update.init)
            found.units = try await services.loading.units(bundle)
            found.useful = .init(UsefulShare(await services.feedback.entries))
            let file = FileManager.default.temporaryDirectory.appending(path: "measurements.json")
            try services.storage.replace(file, with: found.json())
            (measurements, self.file, problem) = (found, file, nil)
        } catch {
            problem = error.localizedDescription
        }
    }
}
