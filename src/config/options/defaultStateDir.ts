/** The default of `state_dir`. It has a module of its own, so that reading it loads nothing else. */
export const defaultStateDir = "/var/lib/nomad-driver-exec2";
