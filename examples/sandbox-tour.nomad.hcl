# A tour of the sandbox: the task tries actions of ordinary and of hostile programs, and prints
# which were allowed.
#
#   nomad-driver-exec2 run examples/sandbox-tour.nomad.hcl
#
# The exit code is the number of unexpected results. The tour needs only a shell and the usual
# small programs.

job "sandbox-tour" {
  type = "batch"

  group "tour" {
    task "tour" {
      driver = "exec2"

      config {
        command = "sh"
        args    = ["${NOMAD_TASK_DIR}/tour.sh"]

        # A path beyond the defaults: /proc, which shows only the task's own processes. On a
        # cluster this needs unveil_allowed = ["r:/proc"] in the client's plugin block.
        unveil = ["r:/proc"]
      }

      # The script. Nomad replaces only ${…}, so $name is the shell's.
      template {
        destination = "local/tour.sh"
        data        = <<-EOF
          surprises=0

          title() { printf '\n%s\n' "$1"; }

          # expect allowed|denied "what is tried" command…
          expect() {
            wanted=$1 what=$2
            shift 2
            if "$@" >/dev/null 2>&1; then got=allowed; else got=denied; fi
            if [ "$got" = "$wanted" ]; then mark='  '; else mark='!!' surprises=$((surprises + 1)); fi
            printf '%s %-8s %s\n' "$mark" "$got" "$what"
          }

          # A refused redirection ends the shell, so this runs in a separate one.
          write() { sh -c 'echo written > "$1"' sh "$1"; }

          title 'Files: what is not unveiled is out of reach'
          expect allowed 'read /etc/hosts (one of the default paths)' cat /etc/hosts
          expect denied  'read /etc/passwd' cat /etc/passwd
          expect denied  'list the root folder' ls /
          expect denied  'list the home folders' ls /home /root
          expect denied  'write to /var/tmp, open to everybody on the host' write /var/tmp/sandbox-tour
          expect denied  'write to /usr/local/bin' write /usr/local/bin/sandbox-tour
          expect allowed "write to the task's own folder" write "$NOMAD_TASK_DIR/note"
          expect allowed "write to the allocation's shared folder" write "$NOMAD_ALLOC_DIR/data/note"
          expect denied  'run a program from outside the unveiled folders' /sbin/ldconfig --version

          title 'A /tmp of its own'
          expect allowed 'write to /tmp' write /tmp/note
          expect allowed "find it in the task's own tmp folder" cat "$TMPDIR/note"
          expect denied  'see files of others in /tmp' sh -c '[ "$(ls -A /tmp)" != note ]'

          title 'Processes: only its own'
          expect allowed 'see itself in /proc' grep -q . /proc/$$/comm
          expect denied  'see the processes of others there' sh -c 'set -- /proc/[0-9]*; [ $# -ge 10 ]'
          expect denied  'signal its init, process 1' kill -TERM 1
          expect allowed 'signal its own children' sh -c 'sleep 60 & kill $!'

          title 'Rights: a user of its own, without privileges'
          expect denied  'run as root or as a user of the system' test "$(id -u)" -lt 1000
          expect denied  'belong to a group of the host' test "$(id -G)" != "$(id -g)"
          expect denied  'gain rights by a program (no_new_privs is set)' grep -q 'NoNewPrivs:.0' /proc/self/status
          expect denied  'hold a capability' grep -q 'CapEff:.*[1-9a-f]' /proc/self/status
          expect denied  'become another user' su -c true

          title "The host's kernel, untouched"
          expect denied  'mount a file system' mount -t tmpfs none /tmp
          expect denied  'set the host name' hostname sandbox-tour

          printf '\nuid %s, %s, job %s\n' "$(id -u)" "$(uname -sr)" "$NOMAD_JOB_NAME"
          if [ $surprises -eq 0 ]; then echo 'The sandbox held everywhere.'; fi
          exit $surprises
        EOF
      }

      resources {
        cpu    = 100
        memory = 64
      }
    }
  }
}
