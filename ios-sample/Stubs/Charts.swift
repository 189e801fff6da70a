// Interface of Apple's Swift Charts as far as this sample uses it.
import SwiftUI

@MainActor @preconcurrency public protocol ChartContent {}

public protocol Plottable {}
extension Int: Plottable {}
extension Double: Plottable {}
extension Date: Plottable {}
extension String: Plottable {}

public struct PlottableValue<Value: Plottable> {
    public static func value(_ labelKey: LocalizedStringKey, _ value: Value) -> PlottableValue<Value> { fatalError() }
}

public struct LineMark: ChartContent {
    public init<X: Plottable, Y: Plottable>(x: PlottableValue<X>, y: PlottableValue<Y>) { fatalError() }
}

public struct PointMark: ChartContent {
    public init<X: Plottable, Y: Plottable>(x: PlottableValue<X>, y: PlottableValue<Y>) { fatalError() }
}

public struct _Pair<each Content: ChartContent>: ChartContent {}

@resultBuilder public struct ChartContentBuilder {
    public static func buildBlock<Content: ChartContent>(_ content: Content) -> Content { fatalError() }
    @_disfavoredOverload public static func buildBlock<each Content: ChartContent>(
        _ content: repeat each Content
    ) -> _Pair<repeat each Content> { fatalError() }
}

public struct Chart<Content>: View {
    public init<Data: RandomAccessCollection, ID: Hashable, Mark: ChartContent>(
        _ data: Data, id: KeyPath<Data.Element, ID>, @ChartContentBuilder content: @escaping (Data.Element) -> Mark
    ) where Content == Mark { fatalError() }
    public var body: Never { fatalError() }
}
