# A task whose root is a folder that the job brings, here the content of Debian's package busybox-static, and not
# the host's programs. The first task unpacks it; with a cluster, an artifact block does.
#
#   apt-get download busybox-static && dpkg-deb -x busybox-static_*.deb /var/tmp/busybox
#   nomad-driver-exec2 run -o allow_root_dir=true --host-volume busybox=/var/tmp/busybox examples/root-dir.nomad.hcl

job "root-dir" {
  type = "batch"

  group "root-dir" {
    volume "busybox" {
      type      = "host"
      source    = "busybox"
      read_only = true
    }

    task "unpack" {
      driver = "exec2"

      lifecycle {
        hook = "prestart"
      }

      config {
        command = "sh"
        args    = ["-c", "mkdir -p $NOMAD_ALLOC_DIR/rootfs/srv && chmod 777 $NOMAD_ALLOC_DIR/rootfs/srv && cp -a local/busybox/. $NOMAD_ALLOC_DIR/rootfs"]
      }

      volume_mount {
        volume      = "busybox"
        destination = "local/busybox"
        read_only   = true
      }

      resources {
        cpu    = 100
        memory = 32
      }
    }

    task "run" {
      driver = "exec2"

      config {
        command           = "/usr/bin/busybox"
        args              = ["sh", "-c", "busybox ls /; echo x > /srv/file && busybox cat /srv/file; busybox ls /usr/share/perl5 || echo nothing of the host"]
        root_dir          = "alloc/rootfs"
        root_dir_writable = true
      }

      resources {
        cpu    = 100
        memory = 32
      }
    }
  }
}
