import GoalKit
import GoalScreens
import SwiftUI

/// Two models compared blindly: the better hint is chosen without knowing whose it is.
struct ComparisonView: View {
    let model: ComparisonModel

    var body: some View {
        NavigationStack {
            List {
                Section {
                    Button {
                        Task { await model.start() }
                    } label: {
                        if model.isBusy { ProgressView("Both models read your goals…") } else { Text("Compare Two Models") }
                    }
                    .disabled(!model.isPossible || model.isBusy)
                } footer: {
                    Text("You are asked only where their hints differ, and not told which is whose.")
                }
                if let problem = model.problem { Label(problem, systemImage: "exclamationmark.triangle") }
                if let question = model.question { ask(question) }
                if let verdict = model.verdict { show(verdict) }
            }
            .navigationTitle("Compare")
        }
    }

    private func ask(_ question: Comparison.Question) -> some View {
        Section {
            Text(question.goal).font(.headline)
            Button(question.upper) { model.choose(.upper) }
            Button(question.lower) { model.choose(.lower) }
            Button("Neither is better") { model.choose(.neither) }
        } header: {
            Text("Which hint is better?")
        }
    }

    private func show(_ verdict: Comparison.Verdict) -> some View {
        Section {
            if model.question == nil { Text("There is nothing to ask: add more goals.") }
            LabeledContent("Ratings") {
                Text((verdict.wins[.first] ?? 0) + (verdict.wins[.second] ?? 0) + verdict.ties, format: .number)
            }
            LabeledContent("Better") {
                if let better = verdict.better { Text(verbatim: model.name(of: better)) } else { Text("Not shown yet") }
            }
        } footer: {
            Text("A model counts as better once chance would seldom show the same, 1 time in 20, however often you look.")
        }
    }
}
