#if canImport(CoreML)
    @preconcurrency import CoreML
    import Foundation

    /// Compiled models on disk, by the SHA-256 of what they were compiled from. The system may remove them: they are made again.
    public actor CompiledModels {
        private let folder: URL

        /// Opens the cache, and removes what another version of the system compiled.
        ///
        /// - Parameter folder: in the app's caches, so that it is in no backup.
        public init(folder: URL) {
            let system = SHA256Digest.hex(of: Data(ProcessInfo.processInfo.operatingSystemVersionString.utf8))
            self.folder = folder.appending(path: system)
            let others = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
            for name in others where name != system {
                try? FileManager.default.removeItem(at: folder.appending(path: name))  // at worst it takes space
            }
        }

        /// Returns the compiled form of a model.
        ///
        /// - Parameters:
        ///   - file: an `.mlpackage` or `.mlmodel`.
        ///   - sha256: the digest of its contents.
        /// - Throws: what Core ML throws if it refuses the model.
        public func compiled(_ file: URL, sha256: String) async throws -> URL {
            let place = folder.appending(path: "\(sha256).mlmodelc")
            if FileManager.default.fileExists(atPath: place.path) { return place }
            let temporary = try await MLModel.compileModel(at: file)
            defer { try? FileManager.default.removeItem(at: temporary) }  // is gone if it was moved
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            // another call may have finished in the meantime
            if !FileManager.default.fileExists(atPath: place.path) {
                try FileManager.default.moveItem(at: temporary, to: place)
            }
            return place
        }

        /// Compiles the contents of an `.mlmodel` file.
        func compiled(_ data: Data) async throws -> URL {
            let file = FileManager.default.temporaryDirectory.appending(path: "\(UUID().uuidString).mlmodel")
            try data.write(to: file)
            defer { try? FileManager.default.removeItem(at: file) }  // the system empties this folder
            return try await compiled(file, sha256: SHA256Digest.hex(of: data))
        }

        /// Forgets a model, so that it is compiled again.
        public func remove(sha256: String) {
            try? FileManager.default.removeItem(at: folder.appending(path: "\(sha256).mlmodelc"))  // there may be none
        }
    }
#endif
