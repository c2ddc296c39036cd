# A task with its own network. The task may bind one TCP port, and connect to one.
#
#   nomad-driver-exec2 run examples/network.nomad.hcl
#
# The task ends with exit code 0 if the sandbox allows or refuses each attempt as this file expects.

job "network" {
  type = "batch"

  group "network" {
    network {
      # Only a loopback interface.
      mode = "none"
    }

    task "ports" {
      driver = "exec2"

      config {
        command = "python3"
        args    = ["${NOMAD_TASK_DIR}/ports.py"]

        # Landlock's rules on ports. Without these options TCP is not restricted; an empty list
        # allows no port. If the client lists ports, a job may use only those.
        bind_tcp    = [8080]
        connect_tcp = [8080]

        # Additional lines in the task's own /etc/hosts.
        extra_hosts = ["database.internal:127.0.0.1"]
      }

      template {
        destination = "local/ports.py"
        data        = <<-EOF
          import errno, socket, sys

          def attempt(what, wanted, work):
              try:
                  work()
                  got = "allowed"
              except OSError as error:
                  got = errno.errorcode[error.errno]
              print(f"{got:10} {what}")
              if got != wanted:
                  sys.exit(f"expected: {wanted}")

          server = socket.socket()
          attempt("bind port 8080", "allowed", lambda: (server.bind(("127.0.0.1", 8080)), server.listen()))
          attempt("bind port 8081", "EACCES", lambda: socket.socket().bind(("127.0.0.1", 8081)))
          attempt("connect to database.internal:8080", "allowed",
                  lambda: socket.create_connection(("database.internal", 8080)))
          attempt("connect to database.internal:5432", "EACCES",
                  lambda: socket.create_connection(("database.internal", 5432)))
        EOF
      }

      resources {
        cpu    = 100
        memory = 64
      }
    }
  }
}
