/**
 * Capabilities of tasks, capabilities(7): their names, and which ones a task has
 * by its options. Pure.
 */
import { suggestion } from "../../suggest.ts";

/** By their numbers, `linux/capability.h`, without `CAP_`. */
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

/** Stands for every capability. */
const ALL = "all";

/** As a set: bit n is the capability of number n. */
export type CapabilitySet = bigint;

export const noCapabilities: CapabilitySet = 0n;
const everyCapability: CapabilitySet = (1n << BigInt(capabilityNames.length)) - 1n;

/** What is wrong with a name as an option has it, with or without `CAP_`, in any case; undefined where nothing is. */
export function capabilityProblem(name: string): { message: string; hint: string } | undefined {
  const plain = plainName(name);
  if (plain === ALL || numberOf(plain) >= 0) return undefined;
  return {
    message: `(${JSON.stringify(name)}) is no capability`,
    hint: suggestion(plain, [...capabilityNames, ALL]),
  };
}

/** The set that checked names stand for. */
export function capabilitySet(names: readonly string[]): CapabilitySet {
  return names.map(plainName).reduce((set, name) => set | setOf(name), noCapabilities);
}

/** Numbers of a set's capabilities, ascending; those that have no name yet included. */
export function capabilityNumbers(set: CapabilitySet): number[] {
  const bits = [...set.toString(2)].reverse();
  return bits.flatMap((bit, number) => (bit === "1" ? [number] : []));
}

/** `net_bind_service`, or `41` for one that was not known when this was written. */
export function capabilityName(number: number): string {
  return capabilityNames[number] ?? String(number);
}

/** `net_bind_service, net_raw` */
export function formatCapabilities(set: CapabilitySet): string {
  return capabilityNumbers(set).map(capabilityName).join(", ");
}

export interface CapabilityWish {
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
}

/** What makes no sense about `cap_add` and `cap_drop` together; undefined where nothing does. */
export function contradiction({ capAdd, capDrop }: CapabilityWish): string | undefined {
  const dropped = new Set(capDrop.map(plainName));
  const both = capAdd.map(plainName).find((name) => dropped.has(name));
  return both && `"cap_add" and "cap_drop" both name ${both}`;
}

/**
 * The capabilities that a task asks for. Where one option says `all`, the other
 * tells the exceptions: `cap_drop = ["all"]` with `cap_add = ["kill"]` leaves kill,
 * `cap_add = ["all"]` with `cap_drop = ["kill"]` all but that.
 * @param base what it has without the options: root what the plugin allows, everybody else nothing
 */
export function wantedCapabilities(base: CapabilitySet, { capAdd, capDrop }: CapabilityWish): CapabilitySet {
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
