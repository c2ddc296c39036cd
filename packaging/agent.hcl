# An example of a Nomad client that runs tasks with this driver. The agent reads it from
# /etc/nomad.d beside its own configuration.

client {
  enabled = true
}

# The label is the name of the executable in plugin_dir, which is data_dir/plugins by default.
plugin "nomad-driver-exec2" {
  config {
    # Jobs may name further paths of their own.
    unveil_by_task = true
  }
}
