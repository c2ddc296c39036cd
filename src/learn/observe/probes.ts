/**
 * The BPF programs of an observed run of `run --learn`: they record each use of a task once, because a note is a key
 * of a map. Pure.
 */

import type { KernelTypes } from "../../effects/bpf/btf.ts";
import type { Program } from "../../effects/bpf/program.ts";
import { at, buffer, helpers, stack } from "../../effects/bpf/traceProgram.ts";
import type { Architecture } from "../../effects/kernel/systemCalls.ts";
import { noteLayout } from "../../effects/observe/notes.ts";
import { bufferBytes, type UseMaps, UseProgram } from "../../effects/observe/useProgram.ts";

/** Size of a buffer: a note, and then the length of the note's text. */
export const BUFFER_BYTES = bufferBytes(noteLayout.textBytes);

/** Descriptors of the maps that the programs use. */
export interface ProbeMaps extends UseMaps {
  /** Ids of the watched cgroups. */
  readonly watched: number;
  /** The notes, as keys. */
  readonly notes: number;
  /** A counter of uses that could not be noted. */
  readonly lost: number;
}

export interface Probe {
  /** The tracepoint at which the program runs. */
  readonly tracepoint: "sys_exit" | "sched_process_exec" | "cap_capable";
  /** Whether kernels may lack the tracepoint. */
  readonly optional?: true;
  readonly body: (probe: ProbeProgram) => void;
}

const BPF_NOEXIST = 1;
const EEXIST = 17;

export interface ProbePlace {
  /** Index of the program's buffer, from 1 on. */
  readonly index: number;
  /** Depth of the watched cgroups below the root cgroup. */
  readonly level: number;
  readonly architecture: Architecture;
}

export class ProbeProgram extends UseProgram<ProbeMaps> {
  constructor(types: KernelTypes, maps: ProbeMaps, { index, level, architecture }: ProbePlace) {
    super(types, maps, { index, architecture, textBytes: noteLayout.textBytes });
    this.program
      .compute("move", 1, level)
      .call(helpers.ancestorCgroupId)
      .store(8, stack, at.cgroup, { of: 0 });
    this.lookUp(maps.watched, at.cgroup);
  }

  /** Adds the note to the map. */
  protected write(): Program {
    const { notes, lost } = this.maps;
    this.program
      .store(8, stack, at.word, 1)
      .constant(1, { map: notes })
      .compute("move", 2, { of: buffer })
      .compute("move", 3, { of: stack })
      .compute("add", 3, at.word)
      .compute("move", 4, BPF_NOEXIST)
      .call(helpers.mapUpdate)
      .jump("equal", 0, 0, "end")
      .jump("equal", 0, -EEXIST, "end")
      .label("lost")
      .store(4, stack, at.index, 0);
    return this.lookUp(lost, at.index)
      .compute("move", 1, 1)
      .increase(0, 0, 1)
      .label("end")
      .compute("move", 0, 0)
      .exit();
  }
}

/** All programs. */
export const probes: readonly Probe[] = [
  { tracepoint: "sys_exit", body: (probe) => probe.noteNames("names") },
  { tracepoint: "sys_exit", body: (probe) => probe.noteNames("secondNames") },
  { tracepoint: "sys_exit", body: (probe) => probe.noteOpened() },
  { tracepoint: "sys_exit", body: (probe) => probe.noteAddresses() },
  { tracepoint: "sys_exit", body: (probe) => probe.noteControl() },
  { tracepoint: "sched_process_exec", body: (probe) => probe.noteExecutedName() },
  { tracepoint: "sched_process_exec", body: (probe) => probe.noteExecuted() },
  { tracepoint: "cap_capable", optional: true, body: (probe) => probe.noteCapability() },
];
