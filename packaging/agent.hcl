# An example configuration of a Nomad client that runs tasks with this driver. Put it into
# /etc/nomad.d, beside the agent's other configuration.

client {
  enabled = true
}

# The label is the name of the executable in plugin_dir, which is data_dir/plugins by default.
plugin "nomad-driver-exec2" {
  config {
    # Jobs may unveil further paths.
    unveil_by_task = true
  }
}
