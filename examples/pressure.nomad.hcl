# A task that stalls: two programs want the same processor, so that one of them always waits. The kernel tells the
# driver.
#
#   nomad-driver-exec2 run -v examples/pressure.nomad.hcl
#
# The event "stalled" appears within some seconds. Where the kernel measures no pressure, the start is refused with
# CGROUP_UNSUPPORTED.

job "pressure" {
  type = "batch"

  group "pressure" {
    task "compete" {
      driver = "exec2"

      config {
        command = "sh"
        args    = ["-c", "taskset -p -c 0 $$; for each in 1 2; do timeout 8 sh -c 'while :; do :; done' & done; wait"]

        pressure {
          cpu    = "some 100ms 2s"
          memory = "full 200ms 2s"
        }
      }

      resources {
        cpu    = 100
        memory = 32
      }
    }
  }
}
