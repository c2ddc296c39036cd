# Rights and limits of single processes: a task that listens on port 80 without being root, in
# its own network, and prints its rights.
#
#   nomad-driver-exec2 run -o groups_by_task=users -o groups_by_task=2000 -o allow_seccomp=userfaultfd examples/privileges.nomad.hcl
#
# On a cluster, the client's plugin block needs both options. host-processes.nomad.hcl has an
# example of pid_mode = "host".

job "privileges" {
  type = "batch"

  group "privileges" {
    network {
      mode = "none"
    }

    task "listen" {
      driver = "exec2"

      config {
        command = "sh"
        args    = ["${NOMAD_TASK_DIR}/listen.sh"]

        # The task has only this capability, whatever its user is. The client allows it by default.
        cap_drop = ["all"]
        cap_add  = ["net_bind_service"]

        # The default profile of system calls refuses userfaultfd. This task may call it,
        # as some garbage collectors do. The task may not call ptrace.
        seccomp       = "default"
        seccomp_allow = ["userfaultfd"]
        seccomp_deny  = ["ptrace"]

        # A group of the host by its name, and another group by its number.
        groups = ["users", "2000"]
        umask  = "027"

        ulimit {
          nofile = "256:1024"
          core   = "unlimited"
        }

        # A private root with files that name the task's user, and little shared memory.
        root           = "private"
        identity_files = true
        shm_size       = 8

        pid_mode = "private"
        ipc_mode = "private"
        bind_tcp = [80]
      }

      template {
        destination = "local/listen.sh"
        data        = <<-EOF
          perl -MIO::Socket::INET -e '
            IO::Socket::INET->new(LocalAddr => "127.0.0.1:80", Listen => 1) or die "port 80: $!\n";
            print "listening on port 80 as user $>, ", scalar getpwuid($>), "\n"'
          echo "groups $(id -G), umask $(umask), at most $(ulimit -n) open files"
        EOF
      }

      resources {
        cpu    = 100
        memory = 32
      }
    }
  }
}
