import GoalKit
import GoalScreens
import SwiftUI

/// A goal with what the model says; a tap on it corrects a label or rates the hint.
struct GoalRow: View {
    let model: GoalsModel
    let goal: Goal

    var body: some View {
        VStack(alignment: .leading, spacing: 6) {
            Text(goal.text)
                .font(.body)
            if let answer = model.answer(to: goal) {
                AnswerText(labels: model.tasks.compactMap { model.label(of: goal, task: $0.name) }, hint: answer.hint)
                HStack {
                    correction
                    Spacer()
                    rating("Useful", .useful, systemImage: "hand.thumbsup")
                    rating("Wrong", .wrong, systemImage: "hand.thumbsdown")
                }
                .buttonStyle(.borderless)
                .labelStyle(.iconOnly)
            }
        }
        .padding(.vertical, 4)
    }

    private var correction: some View {
        Menu {
            ForEach(model.tasks, id: \.name) { task in
                Menu {
                    ForEach(task.labels, id: \.self) { label in
                        Button {
                            Task { await model.correct(goal, task: task.name, label: label) }
                        } label: {
                            if model.label(of: goal, task: task.name) == label {
                                Label(LocalizedStringKey(label), systemImage: "checkmark")
                            } else {
                                Text(LocalizedStringKey(label))
                            }
                        }
                    }
                } label: {
                    Text(LocalizedStringKey(task.name))
                }
            }
        } label: {
            Label("Correct", systemImage: "pencil")
        }
        .accessibilityHint("Choose the right label, so that the model can learn.")
    }

    private func rating(_ title: LocalizedStringKey, _ rating: FeedbackEntry.Rating, systemImage: String) -> some View {
        let chosen = model.rating(of: goal) == rating
        return Button {
            Task { await model.rate(goal, rating) }
        } label: {
            Label(title, systemImage: systemImage)
                .symbolVariant(chosen ? .fill : .none)
                .frame(minWidth: 44, minHeight: 44)
        }
        .accessibilityAddTraits(chosen ? .isSelected : [])
    }
}
