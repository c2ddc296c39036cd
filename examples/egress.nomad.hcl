# A task that connects only where its list says (docs/egress.md).
#
#   nomad-driver-exec2 run examples/egress.nomad.hcl
#
# The task ends with exit code 0 if each attempt is allowed or refused as this file expects. It has no network but
# loopback, so what is allowed has no route (ENETUNREACH), and what is refused is not permitted (EPERM).

job "egress" {
  type = "batch"

  group "egress" {
    network {
      mode = "none"
    }

    task "client" {
      driver = "exec2"

      config {
        command = "python3"
        args    = ["${NOMAD_TASK_DIR}/connect.py"]

        # A range with a port, an address with every port, and a name server by UDP alone. A list can also have
        # names, such as "api.example.org:443".
        egress = ["198.51.100.0/24:5432", "[2001:db8::7]:443", "udp:192.0.2.53:53"]
      }

      template {
        destination = "local/connect.py"
        data        = <<-EOF
          import errno, socket, sys

          def attempt(kind, host, port, wanted):
              family = socket.AF_INET6 if ":" in host else socket.AF_INET
              try:
                  socket.socket(family, kind).connect((host, port))
                  got = "allowed"
              except OSError as error:
                  got = errno.errorcode[error.errno]
              print(f"{got:13} {host} port {port}")
              if got != wanted:
                  sys.exit(f"expected: {wanted}")

          attempt(socket.SOCK_STREAM, "198.51.100.7", 5432, "ENETUNREACH")
          attempt(socket.SOCK_STREAM, "198.51.100.7", 5433, "EPERM")
          attempt(socket.SOCK_STREAM, "203.0.113.1", 443, "EPERM")
          attempt(socket.SOCK_STREAM, "2001:db8::8", 443, "EPERM")
          attempt(socket.SOCK_DGRAM, "192.0.2.53", 53, "ENETUNREACH")
          attempt(socket.SOCK_STREAM, "192.0.2.53", 53, "EPERM")
          # Loopback is always allowed; nobody listens there.
          attempt(socket.SOCK_STREAM, "127.0.0.1", 9, "ECONNREFUSED")
        EOF
      }

      resources {
        cpu    = 100
        memory = 64
      }
    }
  }
}
