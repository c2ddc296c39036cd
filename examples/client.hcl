# Every option of the plugin, in a client's configuration. Each is optional.
#
#   nomad agent -config client.hcl
#   nomad-driver-exec2 run --plugin-config examples/client.hcl examples/hello.nomad.hcl

plugin "nomad-driver-exec2" {
  config {
    # The files of the host that a task can reach.
    unveil_defaults = true
    unveil_paths    = ["r:/usr/share"]
    unveil_allowed  = ["r:/etc", "rx:/opt", "rx:/usr"]
    unveil_sets {
      cuda = ["rw:/dev/nvidia0", "rw:/dev/nvidiactl", "rw:/dev/nvidia-uvm", "rx:/opt/cuda"]
    }
    unveil_by_task  = false
    private_tmp     = true
    writable_logs   = false
    root            = "private"
    allow_host_root = false
    allow_root_dir  = true
    identity_files  = false

    # Volumes whose files belong to another user than the task's.
    allow_idmapped_volumes = true
    idmapped_root_volumes  = []

    # What a task may write to its own folders, in MiB. A host without project quotas starts tasks all the same.
    disk_limit         = 10000
    disk_limit_missing = "warn"

    # The driver writes tasks' log files, instead of a process of the agent for each task.
    log_collection    = "driver"
    log_max_files     = 10
    log_max_file_size = 10
    log_rate          = 64

    # The end of a failed task's output stays in the history.
    keep_output = "failed"

    # A job may send a task's output to journald, to a journal apart from the host's.
    allow_journald    = true
    journal_namespace = "nomad"

    # The users and rights of tasks.
    allow_root         = false
    allowed_users      = ["app-*", "nobody"]
    allow_caps         = ["net_bind_service"]
    groups_by_task     = ["video", "users", "2000-2999"]
    dynamic_user_ids   = "80000-89999"
    shared_dynamic_ids = "refuse"
    denied_host_uids   = "0,100-999"
    denied_host_gids   = "0,27,42"
    denied_envvars     = ["AWS_*", "*_TOKEN"]
    allow_host_ipc     = false
    allow_host_pid     = true

    # The system calls that tasks may make, and those that jobs may allow.
    seccomp = "default"
    seccomp_profiles {
      offline = ["-socket", "-ptrace"]
      browser = ["+@namespace", "+chroot"]
    }
    allow_seccomp = ["browser", "userfaultfd"]

    # Limits of tasks.
    allow_raised_ulimits = false
    pids_limit           = 500
    swap_limit           = 256
    connect_tcp          = [53, 80, 443, 8080]
    bind_tcp             = [0, 80, 8080]
    # Where tasks may connect, and the addresses with a cloud machine's keys, which none reaches.
    egress        = ["0.0.0.0/0", "::/0"]
    egress_denied = ["169.254.169.254", "fd00:ec2::254"]
    # These need Linux 7.2. On an older kernel, every task is refused.
    connect_udp = [53, 123]
    bind_udp    = [0]

    # What each task may read and write at most, on each disk behind its folders and volumes.
    io_max {
      read  = "200MB"
      write = "100MB"
    }
    hugepages = { "2MB" = 256, "1GB" = 0 }
    # Whether tasks may divide their resources in cgroups of their own.
    allow_cgroup_delegate = true

    # Whether denials of the sandbox are recorded. "auto": only if the host's audit is on.
    denials = "auto"

    # Whether causes of failures have paths that a silent program missed, and senders of signals. "auto": where the
    # host allows it.
    black_box = "off"

    # Whether it is recorded what runs use, for a stricter policy: "on", or a share of them, such as "10%".
    observe = "off"

    # A job file with narrower options, by which observed tasks of its job are judged. It refuses nothing.
    candidate = ""

    # How long the histories of ended tasks are kept.
    history {
      keep        = "168h"
      max_size_mb = 1024
    }

    # The maximum time between two samples of a running task's usage.
    usage_interval = "1m"

    # The address at which Prometheus reads the metrics.
    metrics = "127.0.0.1:9464"

    # What `nomad alloc status` shows of a failed task: its cause, also a line of its output, or nothing.
    exit_message = "cause"

    # Whether a trace of each task is sent. The agent's OTEL_… variables name the receiver.
    traces = false

    # Whether that receiver also gets the metrics each minute, and each event of a task as a log record.
    otlp_metrics = false
    otlp_events  = false

    state_dir = "/var/lib/nomad-driver-exec2"
  }
}
