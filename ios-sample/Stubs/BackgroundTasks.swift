// Interface of Apple's BackgroundTasks as far as this sample uses it.
import Dispatch
import Foundation

open class BGTaskScheduler: NSObject {
    open class var shared: BGTaskScheduler { fatalError() }
    @discardableResult open func register(
        forTaskWithIdentifier identifier: String, using queue: DispatchQueue?, launchHandler: @escaping (BGTask) -> Void
    ) -> Bool { fatalError() }
    open func submit(_ taskRequest: BGTaskRequest) throws { fatalError() }
}

open class BGTaskRequest: NSObject {}

open class BGProcessingTaskRequest: BGTaskRequest {
    public init(identifier: String) { fatalError() }
    open var requiresNetworkConnectivity: Bool { get { fatalError() } set { fatalError() } }
    open var requiresExternalPower: Bool { get { fatalError() } set { fatalError() } }
}

open class BGTask: NSObject {
    open var expirationHandler: (() -> Void)? { get { fatalError() } set { fatalError() } }
    open func setTaskCompleted(success: Bool) { fatalError() }
}
