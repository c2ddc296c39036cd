# A host volume, twice: writable where the task keeps its notes, and read-only
# elsewhere. The task reaches it at these two places, not where it comes from.
#
#   mkdir -m 1777 /var/tmp/notes
#   nomad-driver-exec2 run --host-volume notes=/var/tmp/notes examples/volume.nomad.hcl
#
# On a cluster the client's configuration has the volume:
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

      # The driver makes the destination in the task's folder. Anywhere else, but for
      # the task's own /tmp, it has to exist on the host already.
      volume_mount {
        volume      = "notes"
        destination = "local/notes"
      }

      volume_mount {
        volume      = "notes"
        destination = "/tmp/notes"
        read_only   = true

        # What the host mounts in the volume later would show up with "host-to-task".
        propagation_mode = "private"
      }

      # Files that the task makes belong to the user that it runs as, a new one each time.
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
