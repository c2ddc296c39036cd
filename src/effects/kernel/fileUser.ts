/**
 * Lets the kernel decide what another user may reach. The plugin's main thread becomes that user for calls on
 * files: credentials(7) belong to a thread, and setfsuid(2) changes only the ids by which the kernel judges
 * accesses to files. So no code here reads modes or access control lists, and no child process is needed: that
 * takes a millisecond, this some ten microseconds.
 *
 * Other threads, and so Node's asynchronous calls on files, stay root. Nobody gets rights over this process by
 * the change: kill(2) and ptrace(2) ignore these ids of their target, and the process cannot be dumped.
 */
import { libc } from "./bindings.ts";
import { type CapabilitySet, capabilitySet, noCapabilities } from "./capabilities.ts";
import { kernelError } from "./kernelError.ts";
import { checked, setThreadCapabilities, setThreadGroups } from "./libc.ts";
import { capabilityData, capabilityHeader, groupList } from "./structs.ts";

/** A user, as far as accesses to files are concerned. */
export interface FileUser {
  readonly uid: number;
  readonly gid: number;
  /** Gids of supplementary groups. */
  readonly groups: readonly number[];
  /** Undefined for none. Only those count that open files and folders. */
  readonly capabilities: { readonly kept: CapabilitySet } | undefined;
}

/**
 * Makes calls on files as a user, with this thread's system calls. Restores this thread's ids afterwards; if the
 * kernel refuses that, the process ends, because it could not do its work any more.
 * @param act must be synchronous, and must not throw between a change and its end
 * @throws DriverError `KERNEL_CALL_FAILED` if this process may not become the user
 */
export function asFileUser<Result>(user: FileUser, act: () => Result): Result {
  const own = ownCredentials();
  const kept = (user.capabilities?.kept ?? noCapabilities) & own.permitted & fileCapabilities;
  const groups = groupList(user.groups);
  const capabilities = capabilityData({ ...own, effective: (own.effective & ~fileCapabilities) | kept });
  // If the kernel refuses this, nothing has changed.
  setThreadGroups(groups);
  try {
    become(user, capabilities);
    return act();
  } finally {
    restore(own);
  }
}

/** The capabilities that let a process pass by modes and lists: capabilities(7). */
const fileCapabilities = capabilitySet(["dac_override", "dac_read_search"]);

interface Credentials {
  readonly uid: number;
  readonly gid: number;
  readonly groups: Uint8Array;
  readonly effective: bigint;
  readonly permitted: bigint;
  readonly inheritable: bigint;
}

let known: Credentials | undefined;

/** The main thread's credentials, which change only in this file. */
function ownCredentials(): Credentials {
  if (known !== undefined) return known;
  const { getgroups, setfsuid, setfsgid, capget } = libc();
  const groups = new Uint8Array(4 * checked(getgroups(0, null), "getgroups"));
  checked(getgroups(groups.byteLength / 4, groups), "getgroups");
  const data = new Uint32Array(6);
  checked(capget(capabilityHeader(), data), "capget");
  const set = (index: number) => BigInt(data[index] ?? 0) | (BigInt(data[index + 3] ?? 0) << 32n);
  known = {
    // An invalid id changes nothing, and the calls return the present one.
    uid: setfsuid(invalidId) >>> 0,
    gid: setfsgid(invalidId) >>> 0,
    groups,
    effective: set(0),
    permitted: set(1),
    inheritable: set(2),
  };
  return known;
}

const invalidId = 0xffffffff;

function become(user: FileUser, capabilities: Uint8Array): void {
  const { setfsuid, setfsgid } = libc();
  setfsgid(user.gid);
  setfsuid(user.uid);
  if (setfsuid(invalidId) >>> 0 !== user.uid) throw kernelError("setfsuid", "EPERM");
  if (setfsgid(invalidId) >>> 0 !== user.gid) throw kernelError("setfsgid", "EPERM");
  setThreadCapabilities(capabilities);
}

function restore(own: Credentials): void {
  const { setfsuid, setfsgid } = libc();
  try {
    setfsuid(own.uid);
    setfsgid(own.gid);
    setThreadCapabilities(capabilityData(own));
    setThreadGroups(own.groups);
  } catch {
    process.abort();
  }
  if (setfsuid(invalidId) >>> 0 !== own.uid || setfsgid(invalidId) >>> 0 !== own.gid) process.abort();
}
