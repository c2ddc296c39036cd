# A monitor that sees the processes of the host, but cannot affect them.
#
#   nomad-driver-exec2 run -o allow_host_pid=true examples/host-processes.nomad.hcl
#
# On a cluster, the client's plugin block needs allow_host_pid = true and unveil_allowed = ["r:/proc"].
# The task ends with exit code 0 if it can read the list of processes and nothing more.

job "host-processes" {
  type = "batch"

  group "watch" {
    task "watch" {
      driver = "exec2"

      config {
        command = "sh"
        args    = ["${NOMAD_TASK_DIR}/watch.sh"]

        # In the host's pid namespace, /proc is the host's. By default, the task can read nothing there.
        pid_mode = "host"
        unveil   = ["r:/proc"]
      }

      template {
        destination = "local/watch.sh"
        data        = <<-EOF
          cd /proc || exit
          echo "the host's first process: $(cat 1/comm)"
          echo "processes: $(ls -d [0-9]* | wc -l)"

          # The task may neither read the environment of other processes nor signal them.
          cat 1/environ 2>&- && exit 1
          kill -CONT 1 2>&- && exit 1

          # A daemon ends with its task, even in a session of its own.
          setsid sh -c 'setsid sleep 1000 &'
          echo "in the cgroup $(sed 's/.*://' self/cgroup | tail -n 1)"
        EOF
      }

      resources {
        cpu    = 100
        memory = 32
      }
    }
  }
}
