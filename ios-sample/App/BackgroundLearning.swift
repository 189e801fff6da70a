@preconcurrency import BackgroundTasks
import GoalScreens
import OSLog

/// Learning while the phone charges, when the system finds the time.
enum BackgroundLearning {
    /// Is also in Info.plist.
    private static let identifier = "org.goalkit.goals.learn"
    private static let log = Logger(subsystem: identifier, category: "learning")

    /// Tells the system what to call; before the app has launched.
    static func register() {
        BGTaskScheduler.shared.register(forTaskWithIdentifier: identifier, using: .main) { task in
            MainActor.assumeIsolated { run(task) }
        }
    }

    /// Asks for a time to learn. The system decides whether there is one.
    static func schedule() {
        let request = BGProcessingTaskRequest(identifier: identifier)
        request.requiresExternalPower = true
        request.requiresNetworkConnectivity = false
        do {
            try BGTaskScheduler.shared.submit(request)
        } catch {
            log.notice("no background task: \(error.localizedDescription, privacy: .public)")
        }
    }

    @MainActor private static func run(_ task: BGTask) {
        schedule()
        let work = Task {
            do {
                try await AppModel.shared.screens().learning.learn(asked: false)
                task.setTaskCompleted(success: !Task.isCancelled)
            } catch {
                log.error("not opened: \(error.localizedDescription, privacy: .public)")
                task.setTaskCompleted(success: false)
            }
        }
        task.expirationHandler = { work.cancel() }
    }
}
