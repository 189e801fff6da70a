import AppIntents
import GoalScreens

/// “Add a goal”, for Shortcuts and Siri.
struct AddGoalIntent: AppIntent {
    static let title: LocalizedStringResource = "Add Goal"
    static let description = IntentDescription("Adds a goal to the list, and answers with its hint.")

    @Parameter(title: "Goal", requestValueDialog: "What is your goal?")
    var text: String

    @MainActor
    func perform() async throws -> some IntentResult & ProvidesDialog {
        let hint = try await AppModel.shared.add(text)
        return .result(dialog: IntentDialog(stringLiteral: hint))
    }
}

/// What Siri understands without any setup.
struct GoalShortcuts: AppShortcutsProvider {
    static var appShortcuts: [AppShortcut] {
        AppShortcut(
            intent: AddGoalIntent(), phrases: ["Add a goal in \(.applicationName)"], shortTitle: "Add Goal",
            systemImageName: "plus.circle")
    }
}
