# Rights and limits of single processes: a task that listens on port 80 without
# being root, in a network of its own, and tells what it may do.
#
#   nomad-driver-exec2 run -o groups_by_task=true -o allow_seccomp=userfaultfd examples/privileges.nomad.hcl
#
# On a cluster the client's plugin block has to say both; for
# ipc_mode = "host", which is left out here, it would have to say allow_host_ipc.
# host-processes.nomad.hcl has pid_mode = "host".

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

        # One capability, out of those that the client allows, and nothing else,
        # whatever the task's user is.
        cap_drop = ["all"]
        cap_add  = ["net_bind_service"]

        # System calls: the profile, one that it refuses and this task may make
        # (a garbage collector may want it), and one more that is refused.
        seccomp       = "default"
        seccomp_allow = ["userfaultfd"]
        seccomp_deny  = ["ptrace"]

        # Of the host's groups by name, any other by number.
        groups = ["users", "2000"]
        umask  = "027"

        ulimit {
          nofile = "256:1024"
          core   = "unlimited"
        }

        # A root of its own, in which it knows its own name, and little shared memory.
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
            print "listening on port 80 as user $>, ", getpwuid($>), "\n"'
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
