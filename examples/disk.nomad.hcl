# A task with a /tmp of its own in memory, which holds at most 16 MiB. What is in it counts as the task's memory.
#
#   nomad-driver-exec2 run examples/disk.nomad.hcl

job "disk" {
  type = "batch"

  group "disk" {
    task "fill" {
      driver = "exec2"

      config {
        command  = "sh"
        args     = ["local/fill.sh"]
        tmp_size = 16
      }

      template {
        destination = "local/fill.sh"
        data        = <<-EOF
          echo "temporary files are in $TMPDIR"
          head -c 32M /dev/zero > /tmp/large || echo "16 MiB of /tmp are full"
        EOF
      }

      resources {
        cpu    = 100
        memory = 64
      }
    }
  }
}
