import Charts
import GoalKit
import GoalScreens
import SwiftUI

/// What the model has learned: its history, and the way back.
struct LearningView: View {
    let model: LearningModel

    var body: some View {
        NavigationStack {
            List {
                Section {
                    Button {
                        Task { await model.learn(asked: true) }
                    } label: {
                        if model.isLearning { ProgressView("Learning…") } else { Text("Learn now") }
                    }
                    .disabled(!model.canLearn)
                } footer: {
                    Text("The model learns from your corrections, on this phone, and by itself while the phone is charging.")
                }
                ForEach(model.rows) { LearningSection(model: model, row: $0) }
            }
            .navigationTitle("Learning")
            .task { await model.load() }
        }
    }
}

/// One task.
private struct LearningSection: View {
    let model: LearningModel
    let row: LearningModel.Row

    var body: some View {
        Section {
            LabeledContent("Corrections") { Text(row.taught, format: .number) }
            if !row.canLearn { Text("At least \(HeadLearner.fewest) are needed.").foregroundStyle(.secondary) }
            if let report = row.report {
                LabeledContent("Right before") { Text("\(report.before) of \(report.version.examples)") }
                LabeledContent("Right now") { Text("\(report.after) of \(report.version.examples)") }
                LabeledContent("Trained by") { Text(verbatim: report.updater) }
            }
            if let problem = row.problem { Label(problem, systemImage: "exclamationmark.triangle") }
            if !row.history.versions.isEmpty {
                chart
                version(0, title: Text("As shipped"))
                ForEach(row.history.versions.reversed(), id: \.number) { each in
                    version(each.number, title: Text(each.time, format: .dateTime))
                }
                Button("Forget What Was Learned", role: .destructive) { Task { await model.reset(row.task) } }
            }
        } header: {
            Text(LocalizedStringKey(row.task))
        }
    }

    private var chart: some View {
        Chart(row.history.versions, id: \.number) { version in
            LineMark(x: .value("Date", version.time), y: .value("Corrections", version.examples))
            PointMark(x: .value("Date", version.time), y: .value("Corrections", version.examples))
        }
        .frame(minHeight: 140)
        .accessibilityLabel("Corrections that each version has learned from")
    }

    private func version(_ number: Int, title: Text) -> some View {
        let used = row.history.current == number
        return Button {
            Task { await model.rollBack(row.task, to: number) }
        } label: {
            HStack {
                title
                Spacer()
                if used { Label("In use", systemImage: "checkmark") }
            }
        }
        .disabled(used)
    }
}
