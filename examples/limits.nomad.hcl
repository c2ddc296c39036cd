# Limits of a task as a whole: a compression that takes what others leave.
#
#   nomad-driver-exec2 run -o swap_limit=64 examples/limits.nomad.hcl
#
# On a cluster the client's plugin block has to say swap_limit = 64 or more.

job "limits" {
  type = "batch"

  group "limits" {
    task "compress" {
      driver = "exec2"

      config {
        command  = "sh"
        args     = ["-c", "head -c 8000000 /dev/zero | gzip | wc -c"]
        work_dir = "local"

        # All of the node's idle time; when others want it, the share that cpu is.
        cpu_hard_limit = false
        nice           = 10

        # When the node runs out of memory, this task goes before others.
        oom_score_adj = 500

        pids_limit = 16

        # MiB beside the memory.
        swap_limit = 32

        # No connection to anywhere, whatever it knows the address of.
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
