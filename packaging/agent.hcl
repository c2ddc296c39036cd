# An example configuration of a Nomad client that runs tasks with this driver. Put it into
# /etc/nomad.d, beside the agent's other configuration.

client {
  enabled = true
}

# The label is the name of the executable in plugin_dir, which is data_dir/plugins by default.
plugin "nomad-driver-exec2" {
  config {
    # What jobs may unveil beyond the default paths: what is at or below one of these, with no more rights.
    unveil_allowed = ["r:/etc/mime.types", "r:/etc/ssl", "rx:/usr"]

    # The host's own users are no task's: tasks run as dynamic users.
    allowed_users = []

    # What no task reaches: the addresses at which clouds hand out a machine's keys (docs/egress.md).
    egress_denied = ["169.254.169.254", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192", "168.63.129.16:80", "168.63.129.16:32526"]
  }
}
