# A task that names a set of paths, and not the paths, which are the host's own.
#
#   nomad-driver-exec2 run examples/unveil-sets.nomad.hcl
#
# The host needs openssl. The set "openssl" is one of the driver's. On a cluster, the client's plugin block
# needs unveil_allowed with its paths, or a set of this name in unveil_sets. An operator defines any other
# set there, such as "cuda" in client.hcl.

job "unveil-sets" {
  type = "batch"

  group "unveil-sets" {
    task "request" {
      driver = "exec2"

      config {
        command     = "openssl"
        args        = ["req", "-newkey", "ed25519", "-noenc", "-keyout", "${NOMAD_SECRETS_DIR}/key.pem", "-subj", "/CN=web"]
        unveil_sets = ["openssl"]
      }

      resources {
        cpu    = 100
        memory = 32
      }
    }
  }
}
