# A program finds its configuration where it looks, /etc/app, and has a folder in memory, /var/cache/app.
#
#   nomad-driver-exec2 run examples/mounts.nomad.hcl

job "mounts" {
  type = "batch"

  group "mounts" {
    task "app" {
      driver = "exec2"

      config {
        command = "sh"
        args    = ["-c", "cat /etc/app/app.conf; echo warm > /var/cache/app/state && cat /var/cache/app/state"]

        mount {
          source = "local/etc"
          target = "/etc/app"
        }

        mount {
          type   = "tmpfs"
          target = "/var/cache/app"
          size   = "16MB"
        }
      }

      template {
        destination = "local/etc/app.conf"
        data        = "greeting = hello\n"
      }

      resources {
        cpu    = 100
        memory = 64
      }
    }
  }
}
