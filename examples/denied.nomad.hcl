# The sandbox denies this task a file that everybody on the host may read. This is the first
# problem of docs/debugging.md.
#
#   nomad-driver-exec2 run examples/denied.nomad.hcl
#   nomad-driver-exec2 run --var 'unveil=["r:/etc/passwd"]' examples/denied.nomad.hcl    # the fix
#   nomad-driver-exec2 run --var command=/sbin/ldconfig examples/denied.nomad.hcl        # the program itself is denied
#   nomad-driver-exec2 run --var root=host --plugin-config options.hcl examples/denied.nomad.hcl
#
# For the last command, options.hcl needs allow_host_root = true. With denials = "on", denials are recorded.
# On a cluster, both options belong in the client's plugin block. The fix needs unveil_allowed there.

variable "unveil" {
  type    = list(string)
  default = []
}

variable "root" {
  type    = string
  default = "private"
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
        root    = var.root
      }

      resources {
        cpu    = 100
        memory = 32
      }
    }
  }
}
