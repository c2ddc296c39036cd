# A database server and a task that asks it something. PostgreSQL runs as the user of
# its task, whom it looks up by name, and shares memory between its processes.
#
#   nomad-driver-exec2 run -o unveil_by_task=true examples/postgres.nomad.hcl
#   Ctrl-C                                            # SIGINT: a fast shutdown
#
# It needs PostgreSQL on the host; where that is not Debian's version 17, name its
# folder: -var programs=/usr/lib/postgresql/15/bin. On a cluster the client's plugin
# block has to say unveil_by_task = true, or unveil /usr/share/postgresql for all tasks.

variable "programs" {
  type    = string
  default = "/usr/lib/postgresql/17/bin"
}

variable "password" {
  type    = string
  default = "not a secret"
}

job "postgres" {
  type = "service"

  group "postgres" {
    network {
      port "db" {}
    }

    task "postgres" {
      driver = "exec2"

      config {
        command = "sh"
        args    = ["local/serve.sh"]
        unveil  = ["r:/usr/share/postgresql"]

        # initdb and the server end if their user has no name.
        identity_files = true

        # Queries that run in several processes share memory in /dev/shm.
        shm_size = 128
      }

      # The data are the allocation's: a restarted task finds them again.
      template {
        destination = "local/serve.sh"
        data        = <<-EOF
          set -e
          data=$NOMAD_ALLOC_DIR/data/postgres
          if ! test -e "$data/PG_VERSION"; then
            ${var.programs}/initdb -D "$data" -U app --auth scram-sha-256 --pwfile secrets/password
          fi
          exec ${var.programs}/postgres -D "$data" -k /tmp -h "$NOMAD_IP_db" -p "$NOMAD_PORT_db"
        EOF
      }

      template {
        destination = "secrets/password"
        data        = "${var.password}\n"
      }

      kill_timeout = "30s"

      resources {
        cpu    = 500
        memory = 256
      }
    }

    task "ask" {
      driver = "exec2"

      lifecycle {
        hook = "poststart"
      }

      config {
        command = "sh"
        args    = ["local/ask.sh"]
      }

      template {
        destination = "local/ask.sh"
        data        = <<-EOF
          export PGHOST=$NOMAD_IP_db PGPORT=$NOMAD_PORT_db PGDATABASE=postgres PGUSER=app
          export PGPASSWORD=$(cat secrets/password)
          for attempt in $(seq 100); do
            ${var.programs}/pg_isready -q && break
            sleep 0.2
          done
          ${var.programs}/psql -AtX -c "select 'six times seven is ' || 6 * 7, 'asked by ' || current_user"
        EOF
      }

      template {
        destination = "secrets/password"
        data        = "${var.password}\n"
      }

      resources {
        cpu    = 100
        memory = 64
      }
    }
  }
}
