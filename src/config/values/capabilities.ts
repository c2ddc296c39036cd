/** Capabilities, capabilities(7): their names, and those that a task's options request. Pure. */

import { suggestion } from "../../suggest.ts";
import type { OptionProblem } from "./optionProblem.ts";

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
const ALL = "all";

/** A bit set: bit n is capability number n. */
export type CapabilitySet = bigint;

export const noCapabilities: CapabilitySet = 0n;
const everyCapability: CapabilitySet = (1n << BigInt(capabilityNames.length)) - 1n;

/** The problem with a name; undefined for a valid one. A name may have any case, and begin with `CAP_`. */
export function capabilityProblem(name: string): OptionProblem | undefined {
  const plain = plainName(name);
  if (plain === ALL || numberOf(plain) >= 0) return undefined;
  return {
    message: `(${JSON.stringify(name)}) is not a capability`,
    hint: suggestion(plain, [...capabilityNames, ALL]),
  };
}

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

export interface CapabilityOptions {
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
}

/** How `cap_add` and `cap_drop` contradict each other; undefined if they do not. */
export function contradiction({ capAdd, capDrop }: CapabilityOptions): string | undefined {
  const dropped = new Set(capDrop.map(plainName));
  const both = capAdd.map(plainName).find((name) => dropped.has(name));
  return both && `"cap_add" and "cap_drop" both name ${both}`;
}

/**
 * The capabilities that a task requests. If one option is `all`, the other lists the exceptions: `cap_drop =
 * ["all"]` with `cap_add = ["kill"]` leaves only kill, `cap_add = ["all"]` with `cap_drop = ["kill"]` leaves
 * all but kill.
 * @param base the task's capabilities without these options: for root, those that the plugin allows; for
 *   other users, none
 */
export function wantedCapabilities(
  base: CapabilitySet,
  { capAdd, capDrop }: CapabilityOptions,
): CapabilitySet {
  const added = capabilitySet(capAdd);
  const dropped = capabilitySet(capDrop);
  return dropped === everyCapability ? added : (base | added) & ~dropped;
}

function setOf(plain: string): CapabilitySet {
  return plain === ALL ? everyCapability : 1n << BigInt(numberOf(plain));
}

function plainName(name: string): string {
  return name.trim().toLowerCase().replace(/^cap_/, "");
}

function numberOf(plain: string): number {
  return (capabilityNames as readonly string[]).indexOf(plain);
}
