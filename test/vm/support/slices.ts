/** The parents of an agent's task cgroups. */

export const cgroupMount = "/sys/fs/cgroup";

/** For tasks that share the node's cores. */
export const shareSlice = "nomad.slice/share.slice";

/** For tasks with reserved cores. */
export const reserveSlice = "nomad.slice/reserve.slice";
