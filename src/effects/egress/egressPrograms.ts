/**
 * The BPF programs that check where a task connects and sends: cgroup/connect4, cgroup/sendmsg4 and their
 * relatives of Documentation/bpf/libbpf/program_types.rst. The kernel chooses them by the cgroup in which a socket
 * was made, whoever uses the socket. To return 0 refuses the call with EPERM. All tasks have the same programs; a
 * value that the kernel keeps for each cgroup (`BPF_MAP_TYPE_CGROUP_STORAGE`) says whose limits apply. Pure.
 */
import { Program, type Register } from "../bpf/program.ts";
import { helpers } from "../bpf/traceProgram.ts";
import { entryLayout, keyBits, limitFlags, listBits } from "./egressEntries.ts";
import { refusalLayout, refusalMarks } from "./egressRefusal.ts";

/** A task's value in the storage of its cgroup. */
export const storageLayout = {
  /** Id of the cgroup, or {@link nothingAllowed}. */
  cgroup: 0,
  /** Number of refusals, and of those that were told. */
  refused: 8,
  told: 16,
  /** Begin of the second in which refusals are counted, in ns of CLOCK_MONOTONIC, and those told in it. */
  second: 24,
  toldInSecond: 32,
  bytes: 40,
} as const;

/** In place of a cgroup's id: no run has it yet, or any more, and all is refused. New storage has it, too. */
export const nothingAllowed = 0n;

/**
 * A cgroup's limits, which a single write replaces: the number of its set of rules, flags, and how many changes of the
 * run's list they contain. The programs do not read the last one.
 */
export const limitsLayout = { set: 0, flags: 8, changes: 12, bytes: 16 } as const;

/** Refusals of one task that are told in a second; more are only counted. */
export const maxToldPerSecond = 64;

/** Descriptors of the maps. */
export type EgressMaps = Readonly<Record<"storage" | "limits" | "entries" | "ring", number>>;

/** Where the kernel runs a program: numbers of `enum bpf_prog_type` and `enum bpf_attach_type`. */
export interface EgressHook {
  readonly name: "connect4" | "connect6" | "sendmsg4" | "sendmsg6" | "socket" | "packet";
  readonly type: number;
  readonly attachType: number;
  /** Whether only tasks with a list of what they may reach have it. */
  readonly onlyListed: boolean;
}

/** The first of them is attached to every limited cgroup. */
export const egressHooks: readonly [EgressHook, ...EgressHook[]] = [
  { name: "connect4", type: 18, attachType: 10, onlyListed: false },
  { name: "connect6", type: 18, attachType: 11, onlyListed: false },
  { name: "sendmsg4", type: 18, attachType: 14, onlyListed: false },
  { name: "sendmsg6", type: 18, attachType: 15, onlyListed: false },
  { name: "socket", type: 9, attachType: 2, onlyListed: true },
  { name: "packet", type: 8, attachType: 1, onlyListed: true },
];

export function egressProgram({ name }: EgressHook, maps: EgressMaps): Uint8Array {
  if (name === "socket") return socketProgram(maps);
  if (name === "packet") return packetProgram(maps);
  return addressProgram(name.endsWith("4") ? 4 : 6, maps);
}

/** Fields of `struct bpf_sock_addr` and `struct bpf_sock`. */
const addressFields = { four: 4, six: 8, port: 24, protocol: 36 } as const;
const socketFields = { type: 8, protocol: 12 } as const;
/** Fields of `struct __sk_buff`. */
const packetFields = { data: 76, dataEnd: 80 } as const;

const stack: Register = 10;
const context: Register = 6;
const storage: Register = 7;
const limits: Register = 8;
/** {@link refusalMarks} of a refusal. */
const marks: Register = 9;

/**
 * The key of an entry is between the others so that its words are aligned, as the kernel requires.
 * Offsets from the end of the stack.
 */
const key = -8 - entryLayout.bytes;
const at = {
  word: -8,
  key,
  refusal: -48 - refusalLayout.bytes,
  set: key + entryLayout.set,
  zeros: key + entryLayout.zeros,
  list: key + entryLayout.list,
  protocol: key + entryLayout.protocol,
  port: key + entryLayout.port,
  address: key + entryLayout.address,
} as const;

/** The parts of `::ffff:127.0.0.1` and `::1`, as the words of a little-endian machine. */
const MAPPED = -0x10000;
const LOOPBACK_4 = 0x0100007f;
const LOOPBACK_6 = 1n << 56n;

function addressProgram(family: 4 | 6, maps: EgressMaps): Uint8Array {
  const program = new Program();
  findLimits(program, maps, "end");
  program
    .load(4, 1, context, addressFields.protocol)
    .store(1, stack, at.protocol, { of: 1 })
    .load(4, 1, context, addressFields.port)
    .store(2, stack, at.port, { of: 1 })
    .store(4, stack, key, keyBits);
  if (family === 4) program.load(4, 1, context, addressFields.four).goto("four");
  else {
    program
      .load(8, 1, context, addressFields.six)
      .load(8, 2, context, addressFields.six + 8)
      .jump("notEqual", 1, 0, "six")
      // An unspecified address reaches loopback: ip(7). The rules on loopback apply to it.
      .jump("notEqual", 2, 0, "specified")
      .constant(2, LOOPBACK_6)
      .goto("six")
      .label("specified")
      .compute("move", 3, { of: 2 })
      .compute("shiftLeft", 3, 32)
      .constant(4, BigInt(MAPPED) << 32n)
      .jump("notEqual", 3, { of: 4 }, "six")
      .compute("move", 1, { of: 2 })
      .compute("shiftRight", 1, 32)
      .goto("four")
      .label("six")
      .store(8, stack, at.address, { of: 1 })
      .store(8, stack, at.address + 8, { of: 2 })
      .store(1, stack, at.list, listBits.ipv6)
      .goto("known");
  }
  program
    .label("four")
    .jump("notEqual", 1, 0, "specified4")
    .compute("move", 1, LOOPBACK_4)
    .label("specified4")
    .store(8, stack, at.address, 0)
    .store(4, stack, at.address + 8, MAPPED)
    .store(4, stack, at.address + 12, { of: 1 })
    .store(1, stack, at.list, 0)
    .label("known");

  program.jump("anyBit", limits, limitFlags.hasDenied, "deniedList").goto("loopback").label("deniedList");
  changeList(program, listBits.denied);
  program.compute("move", marks, refusalMarks.denied);
  lookUp(program, maps, "refuse");
  changeList(program, listBits.denied);

  program
    .label("loopback")
    .load(1, 1, stack, at.list)
    .jump("notEqual", 1, 0, "loopback6")
    .load(1, 1, stack, at.address + 12)
    .jump("equal", 1, 127, "allow")
    .goto("allowedList")
    .label("loopback6")
    .load(8, 1, stack, at.address)
    .jump("notEqual", 1, 0, "allowedList")
    .load(8, 1, stack, at.address + 8)
    .constant(2, LOOPBACK_6)
    .jump("equal", 1, { of: 2 }, "allow")
    .label("allowedList")
    .jump("anyBit", limits, limitFlags.onlyListed, "listed")
    .goto("allow")
    .label("listed");
  lookUp(program, maps, "allow");
  program.compute("move", marks, 0).label("refuse");
  refuse(program, maps, (refusal) =>
    refusal
      .load(1, 1, stack, at.protocol)
      .store(1, stack, at.refusal + refusalLayout.protocol, { of: 1 })
      .load(4, 1, context, addressFields.port)
      .store(2, stack, at.refusal + refusalLayout.port, { of: 1 })
      .load(1, 1, stack, at.list)
      .compute("and", 1, listBits.ipv6)
      .jump("equal", 1, 0, "refusedFour")
      .compute("or", marks, refusalMarks.ipv6)
      .label("refusedFour")
      .load(4, 1, stack, at.address)
      .store(4, stack, at.refusal + refusalLayout.address, { of: 1 })
      .load(4, 1, stack, at.address + 4)
      .store(4, stack, at.refusal + refusalLayout.address + 4, { of: 1 })
      .load(8, 1, stack, at.address + 8)
      .store(8, stack, at.refusal + refusalLayout.address + 8, { of: 1 }),
  );
  return program.bytes();
}

/**
 * Sockets for which none of the other programs runs when they send: raw ones, those of ICMP, SCTP, UDP-Lite and
 * others. The kernel has already replaced protocol 0 by the type's own. Before a run has its limits, only its init is
 * in the cgroup, which makes a socket for its loopback device.
 */
function socketProgram(maps: EgressMaps): Uint8Array {
  const { SOCK_STREAM, SOCK_DGRAM, IPPROTO_MPTCP } = { SOCK_STREAM: 1, SOCK_DGRAM: 2, IPPROTO_MPTCP: 262 };
  const program = new Program();
  findLimits(program, maps, "allow");
  program
    .jump("anyBit", limits, limitFlags.onlyListed, "listed")
    .goto("allow")
    .label("listed")
    .load(4, 1, context, socketFields.type)
    .load(4, 2, context, socketFields.protocol)
    .jump("equal", 1, SOCK_STREAM, "stream")
    .jump("notEqual", 1, SOCK_DGRAM, "refuse")
    .jump("equal", 2, 17, "allow")
    .goto("refuse")
    .label("stream")
    .jump("equal", 2, 6, "allow")
    .jump("equal", 2, IPPROTO_MPTCP, "allow")
    .label("refuse")
    .compute("move", marks, refusalMarks.socket);
  refuse(program, maps, (refusal) =>
    refusal
      .load(4, 1, context, socketFields.protocol)
      .store(2, stack, at.refusal + refusalLayout.port, { of: 1 })
      .load(4, 1, context, socketFields.type)
      .store(1, stack, at.refusal + refusalLayout.protocol, { of: 1 })
      .store(8, stack, at.refusal + refusalLayout.address, 0)
      .store(8, stack, at.refusal + refusalLayout.address + 8, 0),
  );
  return program.bytes();
}

/**
 * Packets that would first go elsewhere than to the address that was checked: with options of IPv4, which may
 * have a source route (`IP_OPTIONS` of ip(7)), and with extension headers of IPv6, which may have a routing header
 * (`IPV6_RTHDR` of RFC 3542). Both can also be set for a single message, which no program for calls sees.
 */
function packetProgram(maps: EgressMaps): Uint8Array {
  const [HOP_BY_HOP, ROUTING, DESTINATION] = [0, 43, 60];
  const program = new Program()
    .load(4, 2, 1, packetFields.data)
    .load(4, 3, 1, packetFields.dataEnd)
    .compute("move", 4, { of: 2 })
    .compute("add", 4, 20)
    .jump("greater", 4, { of: 3 }, "suspicious")
    .load(1, 4, 2, 0)
    // Version 4, and a header of five words.
    .jump("equal", 4, 0x45, "allow")
    .compute("and", 4, 0xf0)
    .jump("notEqual", 4, 0x60, "suspicious")
    .load(1, 4, 2, 6)
    .jump("equal", 4, HOP_BY_HOP, "suspicious")
    .jump("equal", 4, ROUTING, "suspicious")
    .jump("equal", 4, DESTINATION, "suspicious")
    .label("allow")
    .compute("move", 0, 1)
    .exit()
    // A later run of the cgroup may do without a list.
    .label("suspicious")
    .constant(1, { map: maps.storage })
    .compute("move", 2, 0)
    .call(helpers.localStorage)
    .load(8, 1, 0, storageLayout.cgroup);
  return lookUpLimits(program, maps, "refuse")
    .load(4, 1, 0, limitsLayout.flags)
    .jump("anyBit", 1, limitFlags.onlyListed, "refuse")
    .goto("allow")
    .label("refuse")
    .compute("move", 0, 0)
    .exit()
    .bytes();
}

/**
 * Sets `storage` and `limits`, and the exact part of the key. If no run has the cgroup, the
 * program goes on at `none`.
 */
function findLimits(program: Program, maps: EgressMaps, none: "allow" | "end"): void {
  program
    .compute("move", context, { of: 1 })
    .constant(1, { map: maps.storage })
    .compute("move", 2, 0)
    .call(helpers.localStorage)
    .compute("move", storage, { of: 0 })
    .load(8, 1, storage, storageLayout.cgroup)
    .jump("equal", 1, Number(nothingAllowed), none);
  lookUpLimits(program, maps, none)
    .load(4, limits, 0, limitsLayout.flags)
    .load(8, 1, 0, limitsLayout.set)
    .store(8, stack, at.set, { of: 1 })
    .store(4, stack, at.zeros, 0);
}

/** Looks up the limits of the cgroup whose id is in register 1. @param none where to go on if it has none */
function lookUpLimits(program: Program, maps: EgressMaps, none: string): Program {
  return program
    .store(8, stack, at.word, { of: 1 })
    .constant(1, { map: maps.limits })
    .compute("move", 2, { of: stack })
    .compute("add", 2, at.word)
    .call(helpers.mapLookUp)
    .jump("equal", 0, 0, none);
}

function changeList(program: Program, bit: number): void {
  program.load(1, 1, stack, at.list).compute("exclusiveOr", 1, bit).store(1, stack, at.list, { of: 1 });
}

/** Jumps to a label if an entry for the port or for every port matches. */
function lookUp(program: Program, maps: EgressMaps, found: string): void {
  const once = () =>
    program
      .constant(1, { map: maps.entries })
      .compute("move", 2, { of: stack })
      .compute("add", 2, key)
      .call(helpers.mapLookUp)
      .jump("notEqual", 0, 0, found);
  once().store(2, stack, at.port, 0);
  once().load(4, 1, context, addressFields.port).store(2, stack, at.port, { of: 1 });
}

/**
 * Counts a refusal, and tells it unless there were too many. Has the labels `allow` and `end`, too.
 * @param describe writes what was refused into the refusal
 */
function refuse(program: Program, maps: EgressMaps, describe: (program: Program) => Program): void {
  const SECOND = 1_000_000_000;
  const now = limits;
  program
    .compute("move", 1, 1)
    .increase(storage, storageLayout.refused, 1)
    .call(helpers.nanoseconds)
    .compute("move", now, { of: 0 })
    .load(8, 1, storage, storageLayout.second)
    .compute("move", 2, { of: now })
    .compute("subtract", 2, { of: 1 })
    .jump("less", 2, SECOND, "sameSecond")
    .store(8, storage, storageLayout.second, { of: now })
    .store(8, storage, storageLayout.toldInSecond, 0)
    .label("sameSecond")
    .load(8, 1, storage, storageLayout.toldInSecond)
    .jump("greater", 1, maxToldPerSecond - 1, "end")
    .compute("add", 1, 1)
    .store(8, storage, storageLayout.toldInSecond, { of: 1 })
    .store(8, stack, at.refusal + refusalLayout.time, { of: now })
    .load(8, 1, storage, storageLayout.cgroup)
    .store(8, stack, at.refusal + refusalLayout.cgroup, { of: 1 })
    .load(8, 1, storage, storageLayout.refused)
    .store(8, stack, at.refusal + refusalLayout.refused, { of: 1 })
    .load(8, 1, storage, storageLayout.told)
    .store(8, stack, at.refusal + refusalLayout.told, { of: 1 })
    .call(helpers.currentPid)
    .compute("shiftRight", 0, 32)
    .store(4, stack, at.refusal + refusalLayout.pid, { of: 0 })
    .compute("move", 1, { of: stack })
    .compute("add", 1, at.refusal + refusalLayout.program)
    .compute("move", 2, refusalLayout.programBytes)
    .call(helpers.currentComm);
  describe(program)
    .store(1, stack, at.refusal + refusalLayout.marks, { of: marks })
    .constant(1, { map: maps.ring })
    .compute("move", 2, { of: stack })
    .compute("add", 2, at.refusal)
    .compute("move", 3, refusalLayout.bytes)
    .compute("move", 4, 0)
    .call(helpers.ringOutput)
    // The ring is full.
    .jump("notEqual", 0, 0, "end")
    .compute("move", 1, 1)
    .increase(storage, storageLayout.told, 1)
    .label("end")
    .compute("move", 0, 0)
    .exit()
    .label("allow")
    .compute("move", 0, 1)
    .exit();
}
