/** Capabilities, capabilities(7): their names, and sets of them. Pure. */

/** Names without `CAP_`, indexed by their numbers in `linux/capability.h`. */
export const capabilityNames = [
  "chown",
  "dac_override",
  "dac_read_search",
  "fowner",
  "fsetid",
  "kill",
  "setgid",
  "setuid",
  "setpcap",
  "linux_immutable",
  "net_bind_service",
  "net_broadcast",
  "net_admin",
  "net_raw",
  "ipc_lock",
  "ipc_owner",
  "sys_module",
  "sys_rawio",
  "sys_chroot",
  "sys_ptrace",
  "sys_pacct",
  "sys_admin",
  "sys_boot",
  "sys_nice",
  "sys_resource",
  "sys_time",
  "sys_tty_config",
  "mknod",
  "lease",
  "audit_write",
  "audit_control",
  "setfcap",
  "mac_override",
  "mac_admin",
  "syslog",
  "wake_alarm",
  "block_suspend",
  "audit_read",
  "perfmon",
  "bpf",
  "checkpoint_restore",
] as const;

export type CapabilityName = (typeof capabilityNames)[number];

/** Stands for every capability. */
export const ALL = "all";

/** A bit set: bit n is capability number n. */
export type CapabilitySet = bigint;

export const noCapabilities: CapabilitySet = 0n;
export const everyCapability: CapabilitySet = (1n << BigInt(capabilityNames.length)) - 1n;

/** The set of these capabilities. The names must be valid. */
export function capabilitySet(names: readonly string[]): CapabilitySet {
  return names.map(plainName).reduce((set, name) => set | setOf(name), noCapabilities);
}

/**
 * The numbers of a set's capabilities, in ascending order. Some may have no name in {@link capabilityNames}.
 */
export function capabilityNumbers(set: CapabilitySet): number[] {
  const bits = [...set.toString(2)].reverse();
  return bits.flatMap((bit, number) => (bit === "1" ? [number] : []));
}

/**
 * A capability's name, such as `net_bind_service`; the number, such as `41`, if the capability is newer than
 * {@link capabilityNames}.
 */
export function capabilityName(number: number): string {
  return capabilityNames[number] ?? String(number);
}

/** A set as text, such as `net_bind_service, net_raw`. */
export function formatCapabilities(set: CapabilitySet): string {
  return capabilityNumbers(set).map(capabilityName).join(", ");
}

function setOf(plain: string): CapabilitySet {
  return plain === ALL ? everyCapability : 1n << BigInt(numberOf(plain));
}

/** A name in lower case, without `CAP_`. */
export function plainName(name: string): string {
  return name.trim().toLowerCase().replace(/^cap_/, "");
}

/** The number of a plain name; -1 if there is none. */
export function numberOf(plain: string): number {
  return (capabilityNames as readonly string[]).indexOf(plain);
}
