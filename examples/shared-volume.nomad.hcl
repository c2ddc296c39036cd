# A host volume that belongs to another user than the tasks: each task has a user of its own, and in each of
# them the volume belongs to that user. What they write belongs to the volume's owner on the host.
#
#   install -d -o games -g games -m 700 /var/tmp/shared
#   nomad-driver-exec2 run -o allow_idmapped_volumes=true --host-volume shared=/var/tmp/shared examples/shared-volume.nomad.hcl
#   ls -l /var/tmp/shared

job "shared-volume" {
  type = "batch"

  group "shared-volume" {
    volume "shared" {
      type   = "host"
      source = "shared"
    }

    task "write" {
      driver = "exec2"

      lifecycle {
        hook = "prestart"
      }

      config {
        command          = "sh"
        args             = ["-c", "id -u > local/shared/user && ls -ln local/shared"]
        idmapped_volumes = ["local/shared"]
      }

      volume_mount {
        volume      = "shared"
        destination = "local/shared"
      }

      resources {
        cpu    = 100
        memory = 32
      }
    }

    task "read" {
      driver = "exec2"

      config {
        command          = "sh"
        args             = ["-c", "echo user $(id -u) reads what user $(cat local/shared/user) wrote; ls -ln local/shared"]
        idmapped_volumes = ["local/shared"]
      }

      volume_mount {
        volume      = "shared"
        destination = "local/shared"
      }

      resources {
        cpu    = 100
        memory = 32
      }
    }
  }
}
