# An example configuration of a Nomad client that runs tasks with this driver. Put it into
# /etc/nomad.d, beside the agent's other configuration.

client {
  enabled = true
}

# The label is the name of the executable in plugin_dir, which is data_dir/plugins by default.
plugin "nomad-driver-exec2" {
  config {
    # What jobs may unveil beyond the default paths: what is at or below one of these, with no more rights.
    unveil_allowed = ["r:/etc/mime.types", "r:/etc/ssl", "rx:/opt", "rx:/usr"]
  }
}
