# A small job: one task that prints two lines and ends.
#
#   nomad-driver-exec2 run examples/hello.nomad.hcl
#   nomad-driver-exec2 run --var message=hi examples/hello.nomad.hcl
#   nomad job run examples/hello.nomad.hcl            # the same on a cluster

variable "message" {
  type    = string
  default = "hello from the sandbox"
}

job "hello" {
  # A batch job is complete when its tasks have ended.
  type = "batch"

  group "hello" {
    task "hello" {
      driver = "exec2"

      config {
        # The driver looks the command up in the task's PATH. Program folders are unveiled by default.
        command = "sh"
        args = [
          "-c",
          # Nomad replaces ${…}, and leaves $MESSAGE and $(…) to the shell.
          "echo \"$MESSAGE\"; echo \"I am user $(id -u), task $NOMAD_TASK_NAME of job ${NOMAD_JOB_NAME}\"",
        ]
      }

      env {
        MESSAGE = var.message
      }

      # Limits in MHz and MiB, if the host's cgroups can enforce them.
      resources {
        cpu    = 100
        memory = 32
      }
    }
  }
}
