/** Where an agent makes its tasks' cgroups. */

export const cgroupMount = "/sys/fs/cgroup";

/** For tasks that share the node's cores. */
export const shareSlice = "nomad.slice/share.slice";

/** For tasks with cores of their own. */
export const reserveSlice = "nomad.slice/reserve.slice";
