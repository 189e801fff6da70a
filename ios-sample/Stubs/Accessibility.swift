// Interface of Apple's Accessibility as far as this sample uses it.
public enum AccessibilityNotification {
    public struct Announcement {
        public init(_ announcement: String) { fatalError() }
        public func post() { fatalError() }
    }
}
