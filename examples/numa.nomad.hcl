# A task whose memory comes from the NUMA node of its reserved core.
#
#   nomad-driver-exec2 run examples/numa.nomad.hcl
#
# It prints on which node the pages of a heap and of a stack are, and how many: all on one, such as N0=3.

job "numa" {
  type = "batch"

  group "numa" {
    task "local" {
      driver = "exec2"

      config {
        command     = "sh"
        args        = ["-c", "grep -E 'heap|stack' /proc/self/numa_maps | grep -o 'N[0-9]*=[0-9]*'"]
        unveil      = ["r:/proc"]
        numa_memory = "local"
      }

      resources {
        cores  = 1
        memory = 32

        numa {
          affinity = "require"
        }
      }
    }
  }
}
