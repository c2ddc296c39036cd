/**
 * The default of `state_dir`, in a module of its own, so that a verb that needs only this path loads no
 * schemas. Pure.
 */
export const defaultStateDir = "/var/lib/nomad-driver-exec2";
