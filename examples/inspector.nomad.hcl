# Tasks that end in different ways, for the inspector:
#
#   npm run demo:inspect
#
# One succeeds, one fails, one is denied a file, one cannot be started, one ignores the request
# to stop, and one keeps running.

job "inspector" {
  type = "batch"

  group "well" {
    task "well" {
      driver = "exec2"
      config {
        command = "sh"
        args    = ["-c", "sleep 1; echo done"]
      }
    }
  }

  group "fails" {
    task "fails" {
      driver = "exec2"
      config {
        command = "sh"
        args    = ["-c", "sleep 1; echo 'no configuration' >&2; exit 3"]
      }
    }
  }

  group "denied" {
    task "denied" {
      driver = "exec2"
      config {
        command = "cat"
        args    = ["/etc/shadow"]
      }
    }
  }

  group "refused" {
    task "refused" {
      driver = "exec2"
      config {
        command = "/sbin/ldconfig"
      }
    }
  }

  group "stubborn" {
    # Runs beside main, and is asked to stop once main has ended.
    task "stubborn" {
      driver       = "exec2"
      kill_timeout = "2s"
      lifecycle {
        hook    = "prestart"
        sidecar = true
      }
      config {
        command = "sh"
        args    = ["-c", "trap '' INT TERM; while :; do sleep 1; done"]
      }
    }

    task "main" {
      driver = "exec2"
      config {
        command = "sleep"
        args    = ["2"]
      }
    }
  }

  group "runs" {
    task "runs" {
      driver = "exec2"
      config {
        command = "sleep"
        args    = ["3600"]
      }
    }
  }
}
