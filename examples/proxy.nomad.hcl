# A proxy in front of a server: two ports, a configuration that is rendered for them, and a
# program outside of the default paths.
#
#   nomad-driver-exec2 run examples/proxy.nomad.hcl    # then: curl the address of "lb"
#   Ctrl-C
#
# The host needs haproxy. On a cluster, the client's plugin block needs unveil_allowed.
# With mode = "bridge" in the network block, both tasks are in the allocation's own network.

job "proxy" {
  type = "service"

  group "proxy" {
    network {
      port "lb" {}
      port "app" {}
    }

    task "app" {
      driver = "exec2"

      config {
        command = "python3"
        args    = ["-m", "http.server", "${NOMAD_PORT_app}", "--bind", "127.0.0.1", "--directory", "${NOMAD_TASK_DIR}"]
        unveil  = ["r:/etc/mime.types"]
      }

      template {
        destination = "local/index.html"
        data        = "Served by {{ env \"NOMAD_TASK_NAME\" }}, behind a proxy.\n"
      }

      resources {
        cpu    = 100
        memory = 64
      }
    }

    task "haproxy" {
      driver = "exec2"
      user   = "nobody"

      config {
        command = "/usr/sbin/haproxy"
        args    = ["-db", "-f", "local/haproxy.cfg"]
        unveil  = ["rx:/usr/sbin/haproxy", "rwc:/dev/shm"]
      }

      template {
        destination = "local/haproxy.cfg"
        data        = <<-EOF
          global
            log stdout format raw local0
          defaults
            mode http
            log global
            option httplog
            timeout connect 5s
            timeout client 30s
            timeout server 30s
            retries 10
          frontend lb
            bind :{{ env "NOMAD_PORT_lb" }}
            default_backend app
          backend app
            server app 127.0.0.1:{{ env "NOMAD_PORT_app" }}
        EOF
      }

      # With this signal, haproxy completes its requests before it ends.
      kill_signal  = "SIGUSR1"
      kill_timeout = "5s"

      resources {
        cpu    = 100
        memory = 128
      }
    }
  }
}
