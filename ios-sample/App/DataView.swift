import GoalKit
import GoalScreens
import SwiftUI

/// What the app keeps, and how to take it along or delete it.
struct DataView: View {
    let model: DataModel
    @State private var isAsking = false

    var body: some View {
        NavigationStack {
            List {
                Section {
                    Text("Goals, feedback and what the model learns stay on this phone. The app cannot reach a network.")
                }
                Section {
                    LabeledContent("Entries") { Text(model.entries, format: .number) }
                    if model.useful.rated > 0 {
                        LabeledContent("Useful hints") { Text("\(model.useful.useful) of \(model.useful.rated)") }
                    }
                    if let file = model.file { ShareLink("Share Feedback", item: file) }
                } header: {
                    Text("Feedback")
                } footer: {
                    Text("It has the goals that you corrected or rated, and goes only where you send it.")
                }
                Section {
                    Button("Delete Everything", role: .destructive) { isAsking = true }
                    if let problem = model.problem { Label(problem, systemImage: "exclamationmark.triangle") }
                }
            }
            .navigationTitle("Privacy")
            .task { await model.load() }
            .confirmationDialog(
                "Delete all goals, feedback and what was learned?", isPresented: $isAsking, titleVisibility: .visible
            ) {
                Button("Delete Everything", role: .destructive) { Task { await model.deleteEverything() } }
            }
        }
    }
}
