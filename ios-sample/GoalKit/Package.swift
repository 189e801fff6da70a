// swift-tools-version: 6.0
import PackageDescription

let package = Package(
    name: "GoalKit",
    platforms: [.iOS(.v17), .macOS(.v14)],
    products: [.library(name: "GoalKit", targets: ["GoalKit", "GoalScreens"])],
    targets: [
        .target(name: "GoalKit"),
        .target(name: "GoalScreens", dependencies: ["GoalKit"]),
        .testTarget(name: "GoalKitTests", dependencies: ["GoalKit", "GoalScreens"]),
    ]
)
