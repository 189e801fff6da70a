// Interface of Darwin's kernel calls as far as this sample uses them.
public typealias kern_return_t = Int32
public typealias integer_t = Int32
public typealias natural_t = UInt32
public typealias mach_port_t = UInt32
public typealias mach_msg_type_number_t = natural_t
public typealias task_flavor_t = natural_t
public typealias task_info_t = UnsafeMutablePointer<integer_t>

public struct task_vm_info_data_t {
    public init() { fatalError() }
    public var phys_footprint: UInt64 { fatalError() }
    public var ledger_phys_footprint_peak: Int64 { fatalError() }
}

public var mach_task_self_: mach_port_t = 0
public var TASK_VM_INFO: Int32 { fatalError() }
public var KERN_SUCCESS: Int32 { fatalError() }

public func task_info(
    _ target_task: mach_port_t, _ flavor: task_flavor_t, _ task_info_out: task_info_t!,
    _ task_info_outCnt: UnsafeMutablePointer<mach_msg_type_number_t>!
) -> kern_return_t { fatalError() }
