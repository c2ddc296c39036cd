/**
 * The rules on a task's destinations as entries of a map in the kernel. The map is a trie that finds the longest
 * prefix (`BPF_MAP_TYPE_LPM_TRIE`). All tasks share one, so a start makes no map: the first part of a key, which
 * has to match exactly, says of which set of rules it is. A list contains a destination if an entry matches it.
 * Which one does not matter, so a longer match never hides a shorter one. egressPrograms.ts looks entries up. Pure.
 */
import type { AddressRange } from "../network/addresses.ts";
import type { EgressRules } from "./egress.ts";

/** Offsets in a key. The length of its prefix, in bits, counts from `set`. */
export const entryLayout = {
  prefixBits: 0,
  /** Number of the set of rules, eight bytes. */
  set: 4,
  /** Four bytes of zeros, which align the address: the kernel requires it of the programs. */
  zeros: 12,
  list: 16,
  /** IP protocol. */
  protocol: 17,
  /** Two bytes, in network order; 0 for every port. */
  port: 18,
  /** Sixteen bytes; an IPv4 address is in the IPv6 address that stands for it. */
  address: 20,
  bytes: 36,
  valueBytes: 4,
} as const;

/** Bits of `entryLayout.list`. The families have lists of their own, so that `::/0` is no range of IPv4. */
export const listBits = { denied: 1, ipv6: 2 } as const;

/** Bits of a key before its address, and of a whole key. */
export const exactBits = (entryLayout.address - entryLayout.set) * 8;
export const keyBits = (entryLayout.bytes - entryLayout.set) * 8;

/** Numbers of `netinet/in.h`. */
export const ipProtocols = { tcp: 6, udp: 17 } as const;

/** Flags of a task's limits. */
export const limitFlags = { onlyListed: 1, hasDenied: 2 } as const;

export function limitFlagsOf({ allowed, denied }: EgressRules): number {
  return (allowed === null ? 0 : limitFlags.onlyListed) + (denied.length === 0 ? 0 : limitFlags.hasDenied);
}

/** The keys of all rules, one after the other, without repetitions. @param set its number */
export function egressKeys({ allowed, denied }: EgressRules, set: bigint): Uint8Array[] {
  const keys = new Map<string, Buffer>();
  for (const [list, rules] of [
    [0, allowed ?? []],
    [listBits.denied, denied],
  ] as const) {
    for (const { protocol, port, ...range } of rules) {
      for (const each of protocol === null ? (["tcp", "udp"] as const) : [protocol]) {
        const key = keyOf(range, set, { list, protocol: ipProtocols[each], port: port ?? 0 });
        keys.set(key.toString("latin1"), key);
      }
    }
  }
  return [...keys.values()];
}

function keyOf(
  { family, address, bits }: AddressRange,
  set: bigint,
  { list, protocol, port }: { readonly list: number; readonly protocol: number; readonly port: number },
): Buffer {
  const key = Buffer.alloc(entryLayout.bytes);
  const isFour = family === 4;
  key.writeUInt32LE(exactBits + (isFour ? 96 : 0) + bits, entryLayout.prefixBits);
  key.writeBigUInt64LE(set, entryLayout.set);
  key.writeUInt8(list + (isFour ? 0 : listBits.ipv6), entryLayout.list);
  key.writeUInt8(protocol, entryLayout.protocol);
  key.writeUInt16BE(port, entryLayout.port);
  if (isFour) key.fill(0xff, entryLayout.address + 10, entryLayout.address + 12);
  key.set(address, entryLayout.address + (isFour ? 12 : 0));
  return key;
}

/** The number of the set that has a key. */
export function setOf(key: Buffer): bigint {
  return key.readBigUInt64LE(entryLayout.set);
}
