# A task that may write at most 8 MiB to its folders, and that has a /tmp of its own in memory, of 16 MiB.
#
#   nomad-driver-exec2 run examples/disk.nomad.hcl
#
# The limit needs a file system with project quotas (docs/configuration.md, "Disk"). Without one, the start is refused,
# and says how to turn them on. To run it all the same, without the limit:
#
#   nomad-driver-exec2 run -o disk_limit_missing=warn examples/disk.nomad.hcl

job "disk" {
  type = "batch"

  group "disk" {
    task "fill" {
      driver = "exec2"

      config {
        command    = "sh"
        args       = ["local/fill.sh"]
        disk_limit = 8
        tmp_size   = 16
      }

      template {
        destination = "local/fill.sh"
        data        = <<-EOF
          echo "temporary files are in $TMPDIR"
          head -c 32M /dev/zero > /tmp/large || echo "16 MiB of /tmp are full"
          head -c 12M /dev/zero > local/large && echo "12 MiB fit on the disk" || echo "8 MiB of the disk are full"
        EOF
      }

      resources {
        cpu    = 100
        memory = 64
      }
    }
  }
}
