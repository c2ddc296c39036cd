# A database server, and a task that sends it a query. PostgreSQL looks up the name of its user,
# and shares memory between its processes.
#
#   nomad-driver-exec2 run examples/postgres.nomad.hcl
#   Ctrl-C                                            # SIGINT: a fast shutdown
#
# The host needs PostgreSQL. If it is not Debian's version 17, name its folder:
# --var programs=/usr/lib/postgresql/15/bin. On a cluster, the client's plugin block needs
# unveil_allowed, or /usr/share/postgresql in unveil_paths.

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

        # initdb and the server fail if their user has no name.
        identity_files = true

        # The processes of a parallel query share memory in /dev/shm.
        shm_size = 128
      }

      # The data are in the allocation's folder, so they survive a restart of the task.
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
