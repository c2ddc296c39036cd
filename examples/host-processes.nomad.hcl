# A monitor: it sees the processes of the host, and can do nothing to them.
#
#   nomad-driver-exec2 run -o allow_host_pid=true -o unveil_by_task=true examples/host-processes.nomad.hcl
#
# On a cluster the client's plugin block has to say both. It ends with exit code 0
# if it could see what it should and nothing more.

job "host-processes" {
  type = "batch"

  group "watch" {
    task "watch" {
      driver = "exec2"

      config {
        command = "sh"
        args    = ["${NOMAD_TASK_DIR}/watch.sh"]

        # Without a pid namespace of its own, /proc is the host's: by default nothing of it is open.
        pid_mode = "host"
        unveil   = ["r:/proc"]
      }

      template {
        destination = "local/watch.sh"
        data        = <<-EOF
          cd /proc || exit
          echo "the host's first process: $(cat 1/comm)"
          echo "processes: $(ls -d [0-9]* | wc -l)"

          # Of other processes it may read what anybody may, and no more.
          cat 1/environ 2>&- && exit 1
          kill -CONT 1 2>&- && exit 1

          # A daemon does not outlive its task, whatever it does to get away.
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
