# A small supervisor: it gives each of its two services a cgroup with limits of its own, within the limits of the task.
#
#   nomad-driver-exec2 run -o allow_cgroup_delegate=true examples/cgroups.nomad.hcl
#
# On a cluster, the client's plugin block needs allow_cgroup_delegate = true.

job "cgroups" {
  type = "batch"

  group "cgroups" {
    task "supervisor" {
      driver = "exec2"

      config {
        command         = "sh"
        args            = ["local/supervise.sh"]
        cgroup_delegate = true
      }

      template {
        destination = "local/supervise.sh"
        data        = <<-EOT
          cd /sys/fs/cgroup || exit 1
          # A cgroup has either processes or controllers for its children, so the supervisor moves down first.
          mkdir supervisor web batch
          echo $$ > supervisor/cgroup.procs
          for controller in $(cat cgroup.controllers); do echo "+$controller" > cgroup.subtree_control; done

          limit() {
            if [ -w "$1" ]; then echo "$2" > "$1" && echo "$1 = $(cat "$1")"; else echo "$1: no such controller"; fi
          }
          limit web/memory.max 16777216
          limit batch/pids.max 8

          start() {
            service=$1
            shift
            # A shell of its own enters the cgroup, and becomes the service.
            sh -c 'echo $$ > "$0/cgroup.procs" && exec "$@"' "$service" "$@" &
          }
          start web sleep 1000
          start batch sleep 1000
          for service in web batch; do
            until grep -q . $service/cgroup.procs; do sleep 0.1; done
            echo "$service: $(grep -c . $service/cgroup.procs) process"
          done
          kill $(cat web/cgroup.procs batch/cgroup.procs)
          wait
        EOT
      }

      resources {
        cpu    = 100
        memory = 64
      }
    }
  }
}
