# A task that the sandbox keeps from a file which everybody on the host may read:
# the first problem of docs/debugging.md.
#
#   nomad-driver-exec2 run examples/denied.nomad.hcl
#   nomad-driver-exec2 run --var 'unveil=["r:/etc/passwd"]' examples/denied.nomad.hcl    # its fix
#   nomad-driver-exec2 run --var command=/sbin/ldconfig examples/denied.nomad.hcl        # a program that is denied
#   nomad-driver-exec2 run --var root=host --plugin-config options.hcl examples/denied.nomad.hcl
#
# The last one needs allow_host_root = true in options.hcl; denials = "on" there records what is denied. On a cluster
# both belong into the client's plugin block, and the fix needs unveil_by_task = true there.

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
