import Foundation

#if canImport(Darwin)
    @preconcurrency import Darwin  // its `mach_task_self_` is a variable that never changes
#elseif canImport(Glibc)
    import Glibc
#endif

extension Measurements.Latency {
    /// Measures predictions of single texts, in turn, after a warm-up.
    ///
    /// - Parameters:
    ///   - texts: at least one.
    ///   - runs: how many to measure, at least 1.
    ///   - warmUp: how many to do before.
    ///   - predict: what is measured.
    public init(
        of texts: [String], runs: Int = 200, warmUp: Int = 20, _ predict: @Sendable (String) async throws -> Void
    ) async throws {
        let clock = ContinuousClock()
        var times: [Double] = []
        for run in 0..<(warmUp + runs) {
            try Task.checkCancellation()
            let start = clock.now
            try await predict(texts[run % texts.count])
            if run >= warmUp { times.append((clock.now - start) / .milliseconds(1)) }
        }
        self.init(times, warmUp: warmUp)
    }

    /// Summarises times in milliseconds: quantiles are the smallest times that the share does not exceed.
    init(_ times: [Double], warmUp: Int) {
        let sorted = times.sorted()
        func quantile(_ percent: Int) -> Double { sorted[max((sorted.count * percent + 99) / 100 - 1, 0)] }
        (median, percentile95) = (quantile(50), quantile(95))
        (runs, self.warmUp) = (times.count, warmUp)
    }
}

/// The app's memory as the system counts it against the app.
public enum Footprint {
    /// Returns the present footprint and the highest so far, in MB; nil where the system does not say.
    public static func now() -> (present: Double, peak: Double)? {
        #if canImport(Darwin)
            var info = task_vm_info_data_t()
            var count = mach_msg_type_number_t(MemoryLayout<task_vm_info_data_t>.size / MemoryLayout<integer_t>.size)
            let result = withUnsafeMutablePointer(to: &info) { pointer in
                pointer.withMemoryRebound(to: integer_t.self, capacity: Int(count)) { words in
                    task_info(mach_task_self_, task_flavor_t(TASK_VM_INFO), words, &count)
                }
            }
            guard result == KERN_SUCCESS else { return nil }
            return (Double(info.phys_footprint) / 1e6, Double(info.ledger_phys_footprint_peak) / 1e6)
        #else
            return nil
        #endif
    }
}

/// The machine that measures.
public enum Device {
    /// Such as `iPhone16,1`; the processor's kind where there is no such name.
    public static var model: String {
        #if canImport(Darwin) || canImport(Glibc)
            var system = utsname()
            guard uname(&system) == 0 else { return "unknown" }
            return withUnsafeBytes(of: system.machine) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        #else
            return "unknown"
        #endif
    }

    /// Such as `Version 18.1 (Build 22B83)`.
    public static var system: String { ProcessInfo.processInfo.operatingSystemVersionString }
}
