# Limits of a whole task: a compression that uses only idle resources.
#
#   nomad-driver-exec2 run -o swap_limit=64 examples/limits.nomad.hcl
#
# On a cluster, the client's plugin block needs swap_limit = 32 or more.

job "limits" {
  type = "batch"

  group "limits" {
    task "compress" {
      driver = "exec2"

      # The driver writes the log files of this task, and not a process of the agent.
      logs {
        disabled = true
      }

      config {
        command  = "sh"
        args     = ["-c", "head -c 8000000 /dev/zero | gzip | wc -c"]
        work_dir = "local"

        # The task may use all idle CPU time of the node. If other tasks need it, this task gets the share
        # that `cpu` sets.
        cpu_hard_limit = false
        nice           = 10

        # If the node runs out of memory, the kernel kills this task before others.
        oom_score_adj = 500

        pids_limit = 16

        # Programs that size themselves by their limits read them at /sys/fs/cgroup.
        cgroup_view = "own"

        # Every run is observed, where the client has the option observe.
        observe = "on"

        # MiB of swap in addition to the memory.
        swap_limit = 32

        # Two log files of each stream, of 1 MiB.
        log_collection    = "driver"
        log_max_files     = 2
        log_max_file_size = 1

        # No TCP connections, not even to the host below.
        connect_tcp = []
        extra_hosts = ["db.internal:192.0.2.5"]
      }

      resources {
        cpu        = 100
        memory     = 32
        memory_max = 64
      }
    }
  }
}
