# A worker that is asked to stop by a command, and finishes its work first.
#
#   nomad-driver-exec2 run examples/stop.nomad.hcl      # Ctrl-C stops it
#
# Servers have such commands: ["nginx", "-s", "quit"], ["redis-cli", "shutdown"],
# ["pg_ctl", "stop", "-m", "fast", "-D", "/path/of/the/data"].

job "stop" {
  group "stop" {
    task "worker" {
      driver = "exec2"

      config {
        command = "sh"
        args    = ["-c", "echo working; while [ ! -e ${NOMAD_TASK_DIR}/stop ]; do sleep 0.1; done; echo finished"]

        # Runs in the task's sandbox when the task is to be stopped. If it exits with 0, the task has until
        # shortly before its kill_timeout to end by itself; otherwise it gets its kill_signal at once.
        stop_command = ["sh", "-c", "echo asked to stop; touch ${NOMAD_TASK_DIR}/stop"]
      }

      kill_timeout = "20s"

      resources {
        cpu    = 50
        memory = 32
      }
    }
  }
}
