// What Apple's Foundation has, Linux's lacks, and this sample uses.
import Foundation

extension URL {
    public static var applicationSupportDirectory: URL { fatalError() }
    public static var cachesDirectory: URL { fatalError() }
}
