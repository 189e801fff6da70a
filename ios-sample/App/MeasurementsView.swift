import GoalKit
import GoalScreens
import SwiftUI

/// The model's figures on this phone, against four budgets.
struct MeasurementsView: View {
    let model: MeasurementsModel

    var body: some View {
        NavigationStack {
            List {
                Section {
                    Button {
                        Task { await model.measure() }
                    } label: {
                        if model.isBusy { ProgressView("Measuring…") } else { Text("Measure Now") }
                    }
                    .disabled(model.isBusy)
                }
                if let problem = model.problem { Label(problem, systemImage: "exclamationmark.triangle") }
                if let found = model.measurements { show(found) }
                if let file = model.file { ShareLink("Share the Figures", item: file) }
            }
            .navigationTitle("Measure")
        }
    }

    @ViewBuilder private func show(_ found: Measurements) -> some View {
        Section {
            ForEach(found.budgets, id: \.name) { BudgetRow(budget: $0) }
        } header: {
            Text("Budgets")
        }
        Section {
            if let latency = found.latency {
                LabeledContent("Median latency") { Text("\(latency.median, specifier: "%.1f") ms") }
            }
            if let units = found.units {
                LabeledContent("Neural Engine") { Text(units.neuralEngine, format: .percent.precision(.fractionLength(0))) }
                LabeledContent("GPU") { Text(units.gpu, format: .percent.precision(.fractionLength(0))) }
                LabeledContent("CPU") { Text(units.cpu, format: .percent.precision(.fractionLength(0))) }
            }
            LabeledContent("Device") { Text(verbatim: found.device) }
            LabeledContent("System") { Text(verbatim: found.system) }
        }
    }
}

/// A budget, with whether it holds: by a symbol and a word, never by colour alone.
private struct BudgetRow: View {
    let budget: Budget

    var body: some View {
        LabeledContent {
            VStack(alignment: .trailing) {
                if let value = budget.value { number(value) }
                outcome
            }
        } label: {
            title
        }
        .accessibilityElement(children: .combine)
    }

    private var title: Text {
        switch budget.name {
        case .latency: Text("Latency below 50 ms")
        case .memory: Text("Memory below 50 MB")
        case .update: Text("Learning below 5 s")
        case .useful: Text("Useful hints: more than 7 in 10")
        }
    }

    private func number(_ value: Double) -> Text {
        switch budget.name {
        case .latency: Text("\(value, specifier: "%.1f") ms")
        case .memory: Text("\(value, specifier: "%.1f") MB")
        case .update: Text("\(value, specifier: "%.1f") s")
        case .useful: Text(value, format: .percent.precision(.fractionLength(0)))
        }
    }

    @ViewBuilder private var outcome: some View {
        switch budget.passed {
        case true?: Label("Pass", systemImage: "checkmark.circle")
        case false?: Label("Fail", systemImage: "xmark.circle")
        case nil: Label("Open", systemImage: "circle.dashed")
        }
    }
}
