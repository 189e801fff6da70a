import CoreML
import Foundation
import GoalKit
import GoalScreens

extension AppModel {
    /// The app's only model: screens, App Intents and background tasks use the same stores.
    static let shared = AppModel {
        let support = URL.applicationSupportDirectory.appending(path: "Goals")
        return try await Services.open(bundles: shippedBundles(), folder: support, loading: .coreML)
    }

    /// The bundles in the app's own folder `Bundles`, by name.
    private nonisolated static func shippedBundles() throws -> [URL] {
        let folder = Bundle.main.bundleURL.appending(path: "Bundles")
        return try DiskStorage().names(in: folder).map { folder.appending(path: $0) }
            .filter { FileManager.default.fileExists(atPath: $0.appending(path: "manifest.json").path) }
    }
}

extension Services.Loading {
    /// Models that Core ML runs and trains; Swift trains where Core ML fails.
    static var coreML: Services.Loading {
        let compiled = CompiledModels(folder: URL.cachesDirectory.appending(path: "compiled"))
        return Services.Loading(
            model: { try await CoreMLTextModel.load($0, from: compiled) },
            units: { bundle in
                guard #available(iOS 17.4, *) else { return nil }
                let url = try await compiled.compiled(bundle.package, sha256: bundle.manifest.identity)
                return try await Measurements.Units(planOf: url)
            },
            updaters: [CoreMLUpdater(compiled: compiled), SwiftUpdater()])
    }
}
