# A task that the sandbox keeps from a file which everybody on the host may read:
# the first problem of docs/debugging.md.
#
#   nomad-driver-exec2 run examples/denied.nomad.hcl
#   nomad-driver-exec2 run --var 'unveil=["r:/etc/passwd"]' examples/denied.nomad.hcl    # its fix
#   nomad-driver-exec2 run --var command=/sbin/ldconfig examples/denied.nomad.hcl        # a program that is denied
#
# On a cluster the fix needs unveil_by_task = true in the client's plugin block.

variable "unveil" {
  type    = list(string)
  default = []
}

variable "command" {
  type    = string
  default = "grep"
}

job "accounts" {
  type = "batch"

  group "accounts" {
    task "count" {
      driver = "exec2"

      config {
        command = var.command
        args    = ["-c", "nologin$", "/etc/passwd"]
        unveil  = var.unveil
      }

      resources {
        cpu    = 100
        memory = 32
      }
    }
  }
}
