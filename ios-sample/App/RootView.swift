import GoalScreens
import SwiftUI

/// The app's tabs, once it is open.
struct RootView: View {
    let model: AppModel
    @Environment(\.scenePhase) private var phase

    var body: some View {
        content
            .task { await model.start() }
            .onChange(of: phase) { _, new in
                if new == .background { BackgroundLearning.schedule() }
            }
    }

    @ViewBuilder private var content: some View {
        switch model.state {
        case .opening:
            ProgressView("Preparing the model…")
        case .failed(let message):
            ContentUnavailableView {
                Label("The model cannot be used", systemImage: "exclamationmark.triangle")
            } description: {
                Text(message)
            } actions: {
                Button("Try Again") { Task { await model.start() } }
            }
        case .ready(let screens):
            TabView {
                GoalsView(model: screens.goals)
                    .tabItem { Label("Goals", systemImage: "checklist") }
                LearningView(model: screens.learning)
                    .tabItem { Label("Learning", systemImage: "brain") }
                ComparisonView(model: screens.comparison)
                    .tabItem { Label("Compare", systemImage: "arrow.left.arrow.right") }
                MeasurementsView(model: screens.measurements)
                    .tabItem { Label("Measure", systemImage: "gauge") }
                DataView(model: screens.data)
                    .tabItem { Label("Privacy", systemImage: "hand.raised") }
            }
        }
    }
}
