# A host volume that is mounted twice: writable in the task's folder, and read-only in /tmp. The
# task can reach it at these two paths, but not at its path on the host.
#
#   mkdir -m 1777 /var/tmp/notes
#   nomad-driver-exec2 run --host-volume notes=/var/tmp/notes examples/volume.nomad.hcl
#
# On a cluster, the client's configuration defines the volume:
#   client { host_volume "notes" { path = "/var/tmp/notes" } }

job "volume" {
  type = "batch"

  group "volume" {
    volume "notes" {
      type   = "host"
      source = "notes"
    }

    task "write" {
      driver = "exec2"

      config {
        command = "sh"
        args    = ["${NOMAD_TASK_DIR}/write.sh"]
      }

      # The driver makes this destination, because it is in the task's folder.
      volume_mount {
        volume      = "notes"
        destination = "local/notes"
      }

      volume_mount {
        volume      = "notes"
        destination = "/tmp/notes"
        read_only   = true

        # With "host-to-task", mounts that the host makes in the volume later would appear, too.
        propagation_mode = "private"
      }

      # The files belong to the task's user. Each run has a different user.
      template {
        destination = "local/write.sh"
        data        = <<-EOF
          set -e
          echo "run $NOMAD_SHORT_ALLOC_ID, user $(id -u)" >> "$NOMAD_TASK_DIR/notes/$NOMAD_SHORT_ALLOC_ID"
          echo "notes so far:"
          cat /tmp/notes/*
          if (echo more > /tmp/notes/more) 2> /dev/null; then echo "the read-only mount was written to"; exit 1; fi
          if ls /var/tmp/notes 2> /dev/null; then echo "the source is open"; exit 1; fi
        EOF
      }

      resources {
        cpu    = 100
        memory = 32
      }
    }
  }
}
