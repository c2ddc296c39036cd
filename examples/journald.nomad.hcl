# The output of a task in the journal of its node, instead of log files.
#
#   nomad-driver-exec2 run -o allow_journald=true examples/journald.nomad.hcl
#   journalctl -t journald.web
#
# On a cluster, the client's plugin block needs allow_journald = true.

job "journald" {
  type = "batch"

  group "journald" {
    task "web" {
      driver = "exec2"

      # The driver must not be placed where there is no journald.
      constraint {
        attribute = "${attr.driver.exec2.journald}"
        value     = "true"
      }

      config {
        command        = "sh"
        args           = ["-c", "echo 'a line'; echo 'an error' > /dev/stderr"]
        log_collection = "journald"
      }
    }
  }
}
