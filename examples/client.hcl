# Every option of the plugin, in a client's configuration. Each is optional.
#
#   nomad agent -config client.hcl
#   nomad-driver-exec2 run --plugin-config examples/client.hcl examples/hello.nomad.hcl

plugin "nomad-driver-exec2" {
  config {
    # What tasks reach of the host's files.
    unveil_defaults = true
    unveil_paths    = ["r:/usr/share"]
    unveil_by_task  = true
    private_tmp     = true
    writable_logs   = false
    root            = "private"
    allow_host_root = false
    identity_files  = false

    # Whom they run as, and with which rights.
    allow_root       = false
    allow_caps       = ["net_bind_service"]
    groups_by_task   = true
    dynamic_user_ids = "80000-89999"
    denied_host_uids = "0,100-999"
    denied_host_gids = "0,27,42"
    denied_envvars   = ["AWS_*", "*_TOKEN"]
    allow_host_ipc   = false
    allow_host_pid   = true

    # Which system calls they may make, and what jobs may ask for.
    seccomp = "default"
    seccomp_profiles {
      offline = ["-socket", "-ptrace"]
      browser = ["+@namespace", "+chroot"]
    }
    allow_seccomp = ["browser", "userfaultfd"]

    # What they may use.
    allow_raised_ulimits = false
    pids_limit           = 500
    swap_limit           = 256
    connect_tcp          = [53, 80, 443, 8080]
    bind_tcp             = [0, 80, 8080]
    # From Linux 7.2 on: on an older kernel they refuse every task.
    connect_udp = [53, 123]
    bind_udp    = [0]

    # Whether what the sandbox refuses to them is recorded: on the host's audit, where it is on.
    denials = "auto"

    # What is kept of tasks that are over.
    history {
      keep        = "168h"
      max_size_mb = 1024
    }

    # How often what a running task uses is sampled, at least.
    usage_interval = "1m"

    # For Prometheus.
    metrics = "127.0.0.1:9464"

    # A trace of each task, by OpenTelemetry's variables in the agent's environment.
    traces = false

    state_dir = "/var/lib/nomad-driver-exec2"
  }
}
