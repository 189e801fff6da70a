import GoalKit
import GoalScreens
import SwiftUI

/// The app. It has no code that reaches a network.
@main
struct GoalsApp: App {
    @State private var model = AppModel.shared

    init() { BackgroundLearning.register() }

    var body: some Scene {
        WindowGroup {
            RootView(model: model)
        }
    }
}
