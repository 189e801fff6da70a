import Foundation
import GoalScreens
import Testing

@testable import GoalKit

@Suite struct MeasurementsTests {
    @Test func quantilesAreThoseOfTheTimes() async throws {
        let latency = Measurements.Latency((1...100).map(Double.init).shuffled(), warmUp: 3)
        #expect(latency == Measurements.Latency((1...100).map(Double.init), warmUp: 3))
        #expect((latency.median, latency.percentile95, latency.runs) == (50, 95, 100))
        #expect(Measurements.Latency([7], warmUp: 0).percentile95 == 7)
        let slept = try await Measurements.Latency(of: ["一", "二"], runs: 3, warmUp: 1) { _ in
            try await Task.sleep(for: .milliseconds(5))
        }
        #expect(slept.median >= 5 && slept.runs == 3 && slept.warmUp == 1)
    }

    @Test func budgetsAreOpenUntilMeasured() throws {
        var found = Measurements(bundle: "one", device: "iPhone16,1", system: "iOS")
        #expect(found.budgets.map(\.name) == [.latency, .memory, .update, .useful])
        #expect(found.budgets.map(\.limit) == [50, 50, 5, 0.7])
        #expect(found.budgets.compactMap(\.passed) == [] && found.budgets.compactMap(\.value) == [])
        found.latency = .init(Array(repeating: 10, count: 90) + Array(repeating: 60, count: 10), warmUp: 0)
        found.memory = .init(before: 20, peak: 49)
        #expect(found.budgets.map(\.passed) == [false, true, nil, nil])
    }

    @Test(arguments: [(0, 0, nil), (3, 3, nil), (95, 100, true), (30, 100, false), (70, 100, nil)] as [(Int, Int, Bool?)])
    func usefulHintsAreJudgedByTheirInterval(useful: Int, rated: Int, passed: Bool?) {
        let entries = (0..<rated).map { number in
            FeedbackEntry(
                text: "\(number)", predicted: [:], rating: number < useful ? .useful : .wrong, bundle: "one")
        }
        var found = Measurements(bundle: "one", device: "", system: "")
        found.useful = .init(UsefulShare(entries))
        #expect(found.budgets.last?.passed == passed)
    }

    @Test func theJSONHasTheDocumentedKeys() throws {
        var found = Measurements(bundle: "one", device: "iPhone16,1", system: "iOS", time: Date(timeIntervalSince1970: 0))
        found.latency = .init([1, 2], warmUp: 4)
        found.units = .init(cpu: 0.25, gpu: 0, neuralEngine: 0.75)
        let json = try #require(try JSONSerialization.jsonObject(with: found.json()) as? [String: Any])
        #expect(Set(json.keys) == ["schema", "bundle", "device", "system", "time", "latency", "units", "budgets"])
        #expect(json["time"] as? String == "1970-01-01T00:00:00Z")
        let latency = try #require(json["latency"] as? [String: Double])
        #expect(latency == ["median": 1, "percentile95": 2, "runs": 2, "warm_up": 4])
        #expect(json["units"] as? [String: Double] == ["cpu": 0.25, "gpu": 0, "neural_engine": 0.75])
        let budgets = try #require(json["budgets"] as? [[String: Any]])
        #expect(budgets.count == 4 && budgets[0]["passed"] as? Bool == true && budgets[1]["passed"] == nil)
    }

    @Test func theDeviceHasAName() { #expect(!Device.model.isEmpty && Device.system.count > 3) }
}
