# The smallest job worth running: one task that says something and ends.
#
#   nomad-driver-exec2 run examples/hello.nomad.hcl
#   nomad-driver-exec2 run --var message=hi examples/hello.nomad.hcl
#   nomad job run examples/hello.nomad.hcl            # the same on a cluster

variable "message" {
  type    = string
  default = "hello from the sandbox"
}

job "hello" {
  # A batch job is done when its tasks have ended.
  type = "batch"

  group "hello" {
    task "hello" {
      driver = "exec2"

      config {
        # Looked for in the task's PATH; the folders of programs are unveiled by default.
        command = "sh"
        args = [
          "-c",
          # var.… is put in when the file is read. $MESSAGE is left to the shell,
          # since Nomad only takes ${…} for its own.
          "echo \"$MESSAGE\"; echo \"I am user $(id -u), task $NOMAD_TASK_NAME of job ${NOMAD_JOB_NAME}\"",
        ]
      }

      env {
        MESSAGE = var.message
      }

      # Limits, where the host's cgroups can enforce them: MHz and MiB.
      resources {
        cpu    = 100
        memory = 32
      }
    }
  }
}
