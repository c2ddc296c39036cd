# A task that may use the network only for DNS: it sends to port 53 and receives the answers.
#
#   nomad-driver-exec2 run examples/dns.nomad.hcl
#
# Needs Linux 7.2 or newer (Landlock ABI 10).

job "dns" {
  type = "batch"

  # Clients with an older kernel would refuse the task.
  constraint {
    attribute = "${attr.driver.exec2.landlock.abi}"
    operator  = ">="
    value     = "10"
  }

  group "dns" {
    task "lookup" {
      driver = "exec2"

      config {
        command = "python3"
        args    = ["${NOMAD_TASK_DIR}/lookup.py"]

        # No TCP, and UDP only to port 53. 0 allows sending from a free port that the kernel chooses.
        connect_tcp = []
        bind_tcp    = []
        connect_udp = [53]
        bind_udp    = [0]
      }

      template {
        destination = "local/lookup.py"
        data        = <<-EOF
          import errno, socket, sys

          def send(port):
              try:
                  socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"", ("127.0.0.1", port))
                  return "allowed"
              except OSError as error:
                  return errno.errorcode[error.errno]

          outcomes = [send(53), send(123)]
          print(*outcomes)
          sys.exit(0 if outcomes == ["allowed", "EACCES"] else 1)
        EOF
      }

      resources {
        cpu    = 100
        memory = 64
      }
    }
  }
}
