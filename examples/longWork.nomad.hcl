# A long task, which may be running when the host fails. docs/debugging.md explains such a
# failure as its third problem.
#
#   nomad-driver-exec2 run examples/longWork.nomad.hcl
#   nomad-driver-exec2 run --var seconds=2 examples/longWork.nomad.hcl

variable "seconds" {
  type    = number
  default = 3600
}

job "render" {
  type = "batch"

  group "render" {
    task "frames" {
      driver = "exec2"

      config {
        command = "sh"
        args    = ["-c", "echo rendering; sleep ${var.seconds}; echo done"]
      }

      resources {
        cpu    = 100
        memory = 32
      }
    }
  }
}
