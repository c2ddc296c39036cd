# Limits of disk I/O: the task writes 16 MB to its folder, past the page cache, and at most 8 MB a second.
#
#   nomad-driver-exec2 run examples/disk-io.nomad.hcl
#   nomad-driver-exec2 why write
#
# Where the task's folder is on no disk, or the host has no cgroup controller "io", the start is refused with
# CGROUP_UNSUPPORTED, and the error says what is missing. A task event says if nothing obeys the weight.

job "disk-io" {
  type = "batch"

  group "disk-io" {
    task "write" {
      driver = "exec2"

      config {
        command = "dd"
        args    = ["if=/dev/zero", "of=local/data", "bs=1M", "count=16", "oflag=direct"]

        io {
          read      = "50MB"
          write     = "8MB"
          write_ops = 200
          weight    = 50
        }
      }

      resources {
        cpu    = 100
        memory = 32
      }
    }
  }
}
