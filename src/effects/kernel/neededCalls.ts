/**
 * System calls that tasks need, and that a kernel may lack. All of them are younger than Node's own needs; Landlock's,
 * whose ABI tells, and those that only an option needs are left out.
 */
import { libc } from "./bindings.ts";
import { errnoName } from "./kernelError.ts";
import { isArchitecture, type SystemCall, systemCallNumber } from "./systemCalls.ts";

/** The first version of Linux that has the call with the flags that the driver gives it. */
export const neededCalls = {
  clone3: "5.7",
  close_range: "5.11",
  fsconfig: "5.2",
  fsmount: "5.2",
  fsopen: "5.2",
  mount_setattr: "5.12",
  move_mount: "5.2",
  open_tree: "5.2",
  openat2: "5.6",
  pidfd_getfd: "5.6",
  pidfd_open: "5.3",
  pidfd_send_signal: "5.1",
} as const satisfies Partial<Record<SystemCall, string>>;

/**
 * The needed calls that the kernel does not know, or that a filter around the plugin hides. Each call is made with
 * arguments that it refuses: a wrong descriptor or pid, and no addresses. Takes some microseconds.
 */
export function findMissingCalls(): readonly SystemCall[] {
  const { probe, errno } = libc();
  const arch: string = process.arch;
  if (!isArchitecture(arch)) return [];
  return (Object.keys(neededCalls) as SystemCall[]).filter(
    (call) => probe(systemCallNumber(call, arch), -1, 0, 0, 0, 0) < 0 && errnoName(errno()) === "ENOSYS",
  );
}
