/** Where the driver keeps its state unless it is told otherwise. By itself, so that to know it nothing has to be loaded. */
export const defaultStateDir = "/var/lib/nomad-driver-exec2";
