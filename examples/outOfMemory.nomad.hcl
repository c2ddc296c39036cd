# A task that needs more memory than it has: the second problem of docs/debugging.md.
#
#   nomad-driver-exec2 run examples/outOfMemory.nomad.hcl
#   nomad-driver-exec2 run --var memory=96 examples/outOfMemory.nomad.hcl    # its fix
#
# Where the host's cgroups have no memory controller, both end well.

variable "memory" {
  type    = number
  default = 32
}

job "transfer" {
  type = "batch"

  group "transfer" {
    task "copy" {
      driver = "exec2"

      config {
        command = "dd"
        # A block is in memory as a whole.
        args = ["if=/dev/zero", "of=/dev/null", "bs=48M", "count=1"]
      }

      resources {
        cpu    = 500
        memory = var.memory
      }
    }
  }
}
