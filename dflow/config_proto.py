"""The messages of sessions and runs: ConfigProto, RunOptions, RunMetadata and their parts.

Their bytes are those of TensorFlow's messages.  Which fields mean something in dflow, `runtime/base/config.py` says.
`RunMetadata.placement` is dflow's own.
Source: config.proto, step_stats.proto, debug.proto and rewriter_config.proto of TensorFlow 1.15.
"""

from __future__ import annotations

from dflow.protos import messages

_TOGGLE = {"DEFAULT": 0, "ON": 1, "OFF": 2, "AGGRESSIVE": 3}

StepStats, DeviceStepStats, NodeExecStats, AllocatorMemoryUsed, AllocationRecord = messages(
    "step_stats.proto",
    {
        "StepStats": [("dev_stats", 1, "repeated DeviceStepStats")],
        "DeviceStepStats": [
            ("device", 1, "string"),
            ("node_stats", 2, "repeated NodeExecStats"),
            ("thread_names", 3, "map uint32 string"),
        ],
        "NodeExecStats": [
            ("node_name", 1, "string"),
            ("all_start_micros", 2, "int64"),
            ("op_start_rel_micros", 3, "int64"),
            ("op_end_rel_micros", 4, "int64"),
            ("all_end_rel_micros", 5, "int64"),
            ("memory", 6, "repeated AllocatorMemoryUsed"),
            ("timeline_label", 8, "string"),
            ("scheduled_micros", 9, "int64"),
            ("thread_id", 10, "uint32"),
            ("all_start_nanos", 13, "int64"),
            ("op_start_rel_nanos", 14, "int64"),
            ("op_end_rel_nanos", 15, "int64"),
            ("all_end_rel_nanos", 16, "int64"),
            ("scheduled_nanos", 17, "int64"),
        ],
        "AllocatorMemoryUsed": [
            ("allocator_name", 1, "string"),
            ("total_bytes", 2, "int64"),
            ("peak_bytes", 3, "int64"),
            ("live_bytes", 4, "int64"),
            ("allocator_bytes_in_use", 5, "int64"),
            ("allocation_records", 6, "repeated AllocationRecord"),
        ],
        "AllocationRecord": [("alloc_micros", 1, "int64"), ("alloc_bytes", 2, "int64")],
    },
    __name__,
)

RewriterConfig, AutoParallelOptions = messages(
    "rewriter_config.proto",
    {
        "RewriterConfig": [
            ("layout_optimizer", 1, "RewriterConfig.Toggle"),
            ("disable_model_pruning", 2, "bool"),
            ("constant_folding", 3, "RewriterConfig.Toggle"),
            ("memory_optimization", 4, "RewriterConfig.MemOptType"),
            ("auto_parallel", 5, "AutoParallelOptions"),
            ("memory_optimizer_target_node_name_scope", 6, "string"),
            ("arithmetic_optimization", 7, "RewriterConfig.Toggle"),
            ("dependency_optimization", 8, "RewriterConfig.Toggle"),
            ("loop_optimization", 9, "RewriterConfig.Toggle"),
            ("function_optimization", 10, "RewriterConfig.Toggle"),
            ("debug_stripper", 11, "RewriterConfig.Toggle"),
            ("meta_optimizer_iterations", 12, "RewriterConfig.NumIterationsType"),
            ("shape_optimization", 13, "RewriterConfig.Toggle"),
            ("remapping", 14, "RewriterConfig.Toggle"),
            ("scoped_allocator_optimization", 15, "RewriterConfig.Toggle"),
            ("min_graph_nodes", 17, "int32"),
            ("pin_to_host_optimization", 18, "RewriterConfig.Toggle"),
            ("disable_meta_optimizer", 19, "bool"),
            ("meta_optimizer_timeout_ms", 20, "int64"),
            ("fail_on_optimizer_errors", 21, "bool"),
            ("implementation_selector", 22, "RewriterConfig.Toggle"),
            ("auto_mixed_precision", 23, "RewriterConfig.Toggle"),
            ("optimizers", 100, "repeated string"),
        ],
        "AutoParallelOptions": [("enable", 1, "bool"), ("num_replicas", 2, "int32")],
    },
    __name__,
    enums={
        "RewriterConfig.Toggle": _TOGGLE,
        "RewriterConfig.NumIterationsType": {"DEFAULT_NUM_ITERS": 0, "ONE": 1, "TWO": 2},
        "RewriterConfig.MemOptType": {
            "DEFAULT_MEM_OPT": 0,
            "NO_MEM_OPT": 1,
            "MANUAL": 2,
            "RECOMPUTATION_HEURISTICS": 5,
            "SCHEDULING_HEURISTICS": 6,
            "SWAPPING_HEURISTICS": 4,
            "HEURISTICS": 3,
        },
    },
)

DebugTensorWatch, DebugOptions = messages(
    "debug.proto",
    {
        "DebugTensorWatch": [
            ("node_name", 1, "string"),
            ("output_slot", 2, "int32"),
            ("debug_ops", 3, "repeated string"),
            ("debug_urls", 4, "repeated string"),
            ("tolerate_debug_op_creation_failures", 5, "bool"),
        ],
        "DebugOptions": [
            ("debug_tensor_watch_opts", 4, "repeated DebugTensorWatch"),
            ("global_step", 10, "int64"),
            ("reset_disk_byte_usage", 11, "bool"),
        ],
    },
    __name__,
)

(
    GPUOptions,
    _,
    _,
    OptimizerOptions,
    GraphOptions,
    ThreadPoolOptionProto,
    RPCOptions,
    JobDef,
    ClusterDef,
    ConfigProto,
    _,
    RunOptions,
    _,
    RunMetadata,
) = messages(
    "config.proto",
    {
        "GPUOptions": [
            ("per_process_gpu_memory_fraction", 1, "double"),
            ("allocator_type", 2, "string"),
            ("deferred_deletion_bytes", 3, "int64"),
            ("allow_growth", 4, "bool"),
            ("visible_device_list", 5, "string"),
            ("polling_active_delay_usecs", 6, "int32"),
            ("polling_inactive_delay_msecs", 7, "int32"),
            ("force_gpu_compatible", 8, "bool"),
            ("experimental", 9, "GPUOptions.Experimental"),
        ],
        "GPUOptions.Experimental": [
            ("virtual_devices", 1, "repeated GPUOptions.Experimental.VirtualDevices"),
            ("use_unified_memory", 2, "bool"),
            ("num_dev_to_dev_copy_streams", 3, "int32"),
            ("collective_ring_order", 4, "string"),
            ("timestamped_allocator", 5, "bool"),
            ("kernel_tracker_max_interval", 7, "int32"),
            ("kernel_tracker_max_bytes", 8, "int32"),
            ("kernel_tracker_max_pending", 9, "int32"),
        ],
        "GPUOptions.Experimental.VirtualDevices": [("memory_limit_mb", 1, "repeated float")],
        "OptimizerOptions": [
            ("do_common_subexpression_elimination", 1, "bool"),
            ("do_constant_folding", 2, "bool"),
            ("opt_level", 3, "OptimizerOptions.Level"),
            ("do_function_inlining", 4, "bool"),
            ("global_jit_level", 5, "OptimizerOptions.GlobalJitLevel"),
            ("max_folded_constant_in_bytes", 6, "int64"),
        ],
        "GraphOptions": [
            ("enable_recv_scheduling", 2, "bool"),
            ("optimizer_options", 3, "OptimizerOptions"),
            ("build_cost_model", 4, "int64"),
            ("infer_shapes", 5, "bool"),
            ("place_pruned_graph", 6, "bool"),
            ("enable_bfloat16_sendrecv", 7, "bool"),
            ("timeline_step", 8, "int32"),
            ("build_cost_model_after", 9, "int64"),
            ("rewrite_options", 10, "RewriterConfig"),
        ],
        "ThreadPoolOptionProto": [("num_threads", 1, "int32"), ("global_name", 2, "string")],
        "RPCOptions": [
            ("use_rpc_for_inprocess_master", 1, "bool"),
            ("compression_algorithm", 2, "string"),
            ("compression_level", 3, "int32"),
            ("cache_rpc_response", 4, "bool"),
            ("disable_session_connection_sharing", 5, "bool"),
        ],
        "JobDef": [("name", 1, "string"), ("tasks", 2, "map int32 string")],
        "ClusterDef": [("job", 1, "repeated JobDef")],
        "ConfigProto": [
            ("device_count", 1, "map int32"),
            ("intra_op_parallelism_threads", 2, "int32"),
            ("placement_period", 3, "int32"),
            ("device_filters", 4, "repeated string"),
            ("inter_op_parallelism_threads", 5, "int32"),
            ("gpu_options", 6, "GPUOptions"),
            ("allow_soft_placement", 7, "bool"),
            ("log_device_placement", 8, "bool"),
            ("use_per_session_threads", 9, "bool"),
            ("graph_options", 10, "GraphOptions"),
            ("operation_timeout_in_ms", 11, "int64"),
            ("session_inter_op_thread_pool", 12, "repeated ThreadPoolOptionProto"),
            ("rpc_options", 13, "RPCOptions"),
            ("cluster_def", 14, "ClusterDef"),
            ("isolate_session_state", 15, "bool"),
            ("experimental", 16, "ConfigProto.Experimental"),
        ],
        "ConfigProto.Experimental": [
            ("collective_group_leader", 1, "string"),
            ("executor_type", 3, "string"),
            ("recv_buf_max_chunk", 4, "int32"),
            ("use_numa_affinity", 5, "bool"),
            ("collective_deterministic_sequential_execution", 6, "bool"),
            ("collective_nccl", 7, "bool"),
            ("share_session_state_in_clusterspec_propagation", 8, "bool"),
            ("disable_thread_spinning", 9, "bool"),
            ("share_cluster_devices_in_session", 10, "bool"),
        ],
        "RunOptions": [
            ("trace_level", 1, "RunOptions.TraceLevel"),
            ("timeout_in_ms", 2, "int64"),
            ("inter_op_thread_pool", 3, "int32"),
            ("output_partition_graphs", 5, "bool"),
            ("debug_options", 6, "DebugOptions"),
            ("report_tensor_allocations_upon_oom", 7, "bool"),
            ("experimental", 8, "RunOptions.Experimental"),
        ],
        "RunOptions.Experimental": [("collective_graph_key", 1, "int64"), ("use_run_handler_pool", 2, "bool")],
        "RunMetadata": [("step_stats", 1, "StepStats"), ("placement", 1001, "map string")],
    },
    __name__,
    enums={
        "OptimizerOptions.Level": {"L1": 0, "L0": -1},
        "OptimizerOptions.GlobalJitLevel": {"DEFAULT": 0, "OFF": -1, "ON_1": 1, "ON_2": 2},
        "RunOptions.TraceLevel": {"NO_TRACE": 0, "SOFTWARE_TRACE": 1, "HARDWARE_TRACE": 2, "FULL_TRACE": 3},
    },
    uses=["step_stats.proto", "rewriter_config.proto", "debug.proto"],
)
