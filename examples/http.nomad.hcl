# A web server for one static page, with a port, a rendered file, and a path that the
# job unveils.
#
#   nomad-driver-exec2 run examples/http.nomad.hcl    # then: curl the address that it prints
#   Ctrl-C                                            # SIGTERM, then 5 s to end
#
# On a cluster, the client's plugin block needs unveil_allowed.

job "http" {
  type = "service"

  group "web" {
    network {
      # Any free port. The task gets it as NOMAD_PORT_http, and its address as NOMAD_ADDR_http.
      port "http" {}
    }

    task "http" {
      driver = "exec2"

      config {
        command = "python3"
        args = [
          "-m", "http.server", "${NOMAD_PORT_http}",
          "--bind", "${NOMAD_IP_http}",
          "--directory", "${NOMAD_TASK_DIR}",
        ]

        # One more file that the server may read: it maps file names to media types. Modes are
        # r(ead), w(rite), (e)x(ecute), c(reate).
        unveil = ["r:/etc/mime.types"]
      }

      # Written before the task starts, to the only folder that the server serves.
      template {
        destination = "local/index.html"
        data        = <<-EOF
          <!doctype html>
          <title>{{ env "NOMAD_JOB_NAME" }}</title>
          <h1>It works</h1>
          <p>Served by task {{ env "NOMAD_TASK_NAME" }} on {{ env "NOMAD_ADDR_http" }}.</p>
        EOF
      }

      kill_signal  = "SIGTERM"
      kill_timeout = "5s"

      resources {
        cpu    = 100
        memory = 64
      }
    }
  }
}
