import Accessibility
import GoalKit
import GoalScreens
import SwiftUI

/// The list of goals, with a field whose text is understood while it is typed.
struct GoalsView: View {
    @Bindable var model: GoalsModel

    var body: some View {
        NavigationStack {
            List {
                Section {
                    TextField("New goal", text: $model.draft, axis: .vertical)
                        .submitLabel(.done)
                        .onSubmit(add)
                    if let live = model.live {
                        AnswerText(labels: model.tasks.compactMap { live.prediction.labels[$0.name] }, hint: live.hint)
                    }
                    Button("Add", action: add)
                        .disabled(model.draft.allSatisfy(\.isWhitespace))
                }
                Section {
                    ForEach(model.goals) { GoalRow(model: model, goal: $0) }
                        .onDelete { model.remove(at: $0) }
                }
            }
            .overlay {
                if model.goals.isEmpty {
                    ContentUnavailableView(
                        "No goals yet", systemImage: "checklist", description: Text("Write one above."))
                }
            }
            .navigationTitle("Goals")
            .task(id: model.draft) { await model.follow(model.draft) }
            .alert("That did not work", isPresented: $model.hasProblem) {
                Button("OK") { model.hasProblem = false }
            } message: {
                Text(model.problem ?? "")
            }
        }
    }

    private func add() {
        Task {
            await model.addDraft()
            if let goal = model.goals.first, let hint = model.answer(to: goal)?.hint {
                AccessibilityNotification.Announcement(hint.text).post()
            }
        }
    }
}

/// Labels and a hint, read out as one.
struct AnswerText: View {
    let labels: [String]
    let hint: Hint

    var body: some View {
        VStack(alignment: .leading, spacing: 4) {
            HStack {
                ForEach(labels, id: \.self) { label in
                    Text(LocalizedStringKey(label))
                        .font(.caption)
                        .padding(.horizontal, 8)
                        .background(.quaternary, in: .capsule)
                }
            }
            Label(hint.text, systemImage: hint.asks ? "questionmark.bubble" : "lightbulb")
                .font(.callout)
                .foregroundStyle(.secondary)
        }
        .accessibilityElement(children: .combine)
    }
}
