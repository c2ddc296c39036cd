# A task that needs more memory than its limit. This is the second problem of docs/debugging.md.
#
#   nomad-driver-exec2 run examples/outOfMemory.nomad.hcl
#   nomad-driver-exec2 run --var memory=96 examples/outOfMemory.nomad.hcl    # the fix
#
# If the host's cgroups have no memory controller, both commands succeed.

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
        # dd keeps a whole block in memory.
        args = ["if=/dev/zero", "of=/dev/null", "bs=48M", "count=1"]
      }

      resources {
        cpu    = 500
        memory = var.memory
      }
    }
  }
}
