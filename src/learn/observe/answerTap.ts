/**
 * Copies the answers of name servers that reach the sockets of watched cgroups, by a BPF program in each cgroup.
 * Answers by TCP, encrypted ones, and those that a service of the host passes on by a unix socket are not seen.
 */
import { closeSync, constants, openSync } from "node:fs";
import { createMap } from "../../effects/bpf/bpf.ts";
import { attachToCgroup, loadCgroupProgram } from "../../effects/bpf/cgroupPrograms.ts";
import { Program } from "../../effects/bpf/program.ts";
import { Ring } from "../../effects/bpf/ring.ts";
import { helpers } from "../../effects/bpf/traceProgram.ts";
import { pageSize } from "../../effects/kernel/pageSize.ts";
import type { AnsweredAccess } from "../../effects/observe/access.ts";
import { readAnswer } from "./dnsAnswer.ts";

/** Layout of a record: the watched cgroup's id, the packet's length in the record, and the packet. */
const layout = { cgroup: 0, length: 8, packet: 16, packetBytes: 2_048, bytes: 2_064 } as const;

/** Room for two thousand answers. */
const ringBytes = 2 ** 22;

/** Numbers of `enum bpf_prog_type` and `enum bpf_attach_type`: packets that arrive. */
const ingress = { type: 8, attachType: 0 } as const;

export class AnswerTap implements Disposable {
  readonly #opened = new DisposableStack();
  readonly #map: number;
  readonly #ring: Ring;
  readonly #answers = new Map<bigint, AnsweredAccess[]>();

  /** @throws DriverError `KERNEL_CALL_FAILED` */
  constructor() {
    using opened = new DisposableStack();
    const shape = { type: "ring", keyBytes: 0, valueBytes: 0, entries: ringBytes } as const;
    this.#map = opened.adopt(createMap(shape), closeSync);
    this.#ring = opened.use(new Ring(this.#map, ringBytes, pageSize()));
    this.#opened.use(opened.move());
  }

  /** @throws DriverError `KERNEL_CALL_FAILED` */
  watch(cgroup: string, id: bigint): void {
    using opened = new DisposableStack();
    const program = loadCgroupProgram({ ...ingress, bytes: tapProgram(this.#map, id) }, "exec2_answers");
    opened.adopt(program, closeSync);
    const folder = openSync(cgroup, constants.O_RDONLY | constants.O_DIRECTORY);
    opened.adopt(folder, closeSync);
    attachToCgroup(folder, program, ingress.attachType);
  }

  /** The answers so far. */
  read(id: bigint): readonly AnsweredAccess[] {
    for (const record of this.#ring.take(Number.POSITIVE_INFINITY)) {
      const end = layout.packet + record.readUInt32LE(layout.length);
      const answer = readAnswer(record.subarray(layout.packet, end));
      if (answer === undefined) continue;
      const of = record.readBigUInt64LE(layout.cgroup);
      this.#answers.set(of, [...(this.#answers.get(of) ?? []), answer]);
    }
    return this.#answers.get(id) ?? [];
  }

  /** The programs stay until their cgroups are removed. */
  [Symbol.dispose](): void {
    this.#opened.dispose();
  }
}

/** Copies packets of UDP that come from port 53, and lets all packets pass. */
function tapProgram(ring: number, cgroup: bigint): Uint8Array {
  const [context, header, length, record, stack] = [6, 7, 8, 9, 10] as const;
  const [UDP, FIRST_BYTES, NO_WAKEUP] = [17, 28, 1];
  const program = new Program().compute("move", context, { of: 1 });
  const loadByte = (offset: number | { readonly of: typeof header }, bytes = 1) =>
    program
      .compute("move", 1, { of: context })
      .compute("move", 2, offset)
      .compute("move", 3, { of: stack })
      .compute("add", 3, -8)
      .compute("move", 4, bytes)
      .call(helpers.packetBytes)
      .jump("notEqual", 0, 0, "end");
  loadByte(0)
    .load(1, 1, stack, -8)
    .compute("move", header, { of: 1 })
    .compute("and", header, 0xf)
    .compute("shiftLeft", header, 2)
    .compute("shiftRight", 1, 4)
    .jump("equal", 1, 4, "four")
    .jump("notEqual", 1, 6, "end")
    .compute("move", header, 40);
  loadByte(6).goto("known").label("four");
  loadByte(9).label("known").load(1, 1, stack, -8).jump("notEqual", 1, UDP, "end");
  loadByte({ of: header }, 2)
    .load(1, 1, stack, -8)
    .jump("notEqual", 1, 0, "end")
    .load(1, 1, stack, -7)
    .jump("notEqual", 1, 53, "end")
    .load(4, length, context, 0)
    .jump("less", length, FIRST_BYTES, "end")
    .jump("less", length, layout.packetBytes, "fits")
    .compute("move", length, layout.packetBytes)
    .label("fits")
    .constant(1, { map: ring })
    .compute("move", 2, layout.bytes)
    .compute("move", 3, 0)
    .call(helpers.ringReserve)
    .jump("equal", 0, 0, "end")
    .compute("move", record, { of: 0 })
    .constant(1, cgroup)
    .store(8, record, layout.cgroup, { of: 1 })
    .store(4, record, layout.length, { of: length })
    .compute("move", 1, { of: context })
    .compute("move", 2, 0)
    .compute("move", 3, { of: record })
    .compute("add", 3, layout.packet)
    .compute("move", 4, { of: length })
    .call(helpers.packetBytes)
    .compute("move", 1, { of: record })
    .compute("move", 2, NO_WAKEUP)
    .jump("equal", 0, 0, "copied")
    .call(helpers.ringDiscard)
    .goto("end")
    .label("copied")
    .call(helpers.ringSubmit)
    .label("end")
    .compute("move", 0, 1)
    .exit();
  return program.bytes();
}
