/**
 * Assembles filters for seccomp(2): classic BPF programs, as bytes. Jumps name labels, and may have any
 * length. Pure.
 */

/** The name of a position in a program. */
export type Label = string;

/** An instruction, or a label for the next one. A jump without a label continues with the next line. */
export type Line =
  | { readonly kind: "label"; readonly label: Label }
  /** Loads 32 bits of `struct seccomp_data`. */
  | { readonly kind: "load"; readonly offset: number }
  | ({ readonly kind: "jump" } & Jump)
  | { readonly kind: "goto"; readonly label: Label }
  | { readonly kind: "return"; readonly value: number };

/** Compares the last loaded number, which is unsigned. */
interface Jump {
  /** `anyBit` holds if the loaded number has one of the value's bits. */
  readonly compare: keyof typeof comparisons;
  readonly value: number;
  readonly ifTrue?: Label;
  readonly ifFalse?: Label;
}

/** `sizeof(struct sock_filter)` of `linux/filter.h`. */
export const INSTRUCTION_BYTES = 8;

/** `BPF_MAXINSNS` of `linux/bpf_common.h`. */
const MAX_INSTRUCTIONS = 4096;

/**
 * @returns an array of `struct sock_filter`, for little-endian machines
 * @throws RangeError for a label that is missing, duplicate or before its jump, and for a program that is too
 *   long
 */
export function assemble(lines: readonly Line[]): Uint8Array {
  const layout = layOut(lines);
  if (layout.length > MAX_INSTRUCTIONS) throw new RangeError(`a filter of ${layout.length} instructions`);
  const program = new DataView(new ArrayBuffer(layout.length * INSTRUCTION_BYTES));
  for (const [index, line] of lines.entries()) {
    let at = layout.positions[index] as number;
    for (const [code, k, jt, jf] of instructionsOf(line, at, layout)) {
      const offset = at * INSTRUCTION_BYTES;
      program.setUint16(offset, code, true);
      program.setUint8(offset + 2, jt);
      program.setUint8(offset + 3, jf);
      program.setUint32(offset + 4, k, true);
      at += 1;
    }
  }
  return new Uint8Array(program.buffer);
}

/** `code`, `k`, `jt`, `jf`. */
type Instruction = readonly [number, number, number, number];

/** Codes of `linux/bpf_common.h`. */
const LOAD_WORD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const GOTO = 0x05; // BPF_JMP | BPF_JA
const RETURN = 0x06; // BPF_RET | BPF_K
const comparisons = {
  equal: 0x15, // BPF_JMP | BPF_JEQ | BPF_K
  greaterOrEqual: 0x35, // BPF_JMP | BPF_JGE | BPF_K
  anyBit: 0x45, // BPF_JMP | BPF_JSET | BPF_K
} as const;

/** The position of each line and label, in instructions. */
interface Layout {
  readonly positions: readonly number[];
  readonly labels: ReadonlyMap<Label, number>;
  readonly length: number;
}

/**
 * Lays out a program. A jump can skip at most 255 instructions. A longer jump gets a goto behind it, which
 * may make other jumps too long, so the layout is repeated until all jumps reach their labels.
 */
function layOut(lines: readonly Line[]): Layout {
  const sizes: number[] = lines.map(({ kind }) => (kind === "label" ? 0 : 1));
  for (;;) {
    const layout = positionsOf(lines, sizes);
    let grown = false;
    for (const [index, line] of lines.entries()) {
      if (line.kind !== "jump") continue;
      const size = instructionsOf(line, layout.positions[index] as number, layout).length;
      // A jump that has a goto keeps it, so that the repetition ends.
      if (size <= (sizes[index] as number)) continue;
      sizes[index] = size;
      grown = true;
    }
    if (!grown) return layout;
  }
}

function positionsOf(lines: readonly Line[], sizes: readonly number[]): Layout {
  const labels = new Map<Label, number>();
  const positions: number[] = [];
  let at = 0;
  for (const [index, line] of lines.entries()) {
    positions.push(at);
    at += sizes[index] as number;
    if (line.kind !== "label") continue;
    if (labels.has(line.label)) throw new RangeError(`label ${line.label} is defined twice`);
    labels.set(line.label, at);
  }
  return { positions, labels, length: at };
}

function instructionsOf(line: Line, at: number, layout: Layout): Instruction[] {
  switch (line.kind) {
    case "label":
      return [];
    case "load":
      return [[LOAD_WORD, line.offset, 0, 0]];
    case "goto":
      return [[GOTO, distance(line.label, at, layout), 0, 0]];
    case "return":
      return [[RETURN, line.value, 0, 0]];
    case "jump":
      return jumpOf(line, at, layout);
  }
}

function jumpOf({ compare, value, ifTrue, ifFalse }: Jump, at: number, layout: Layout): Instruction[] {
  const far = [ifTrue, ifFalse].flatMap((label) =>
    label !== undefined && distance(label, at, layout) > MAX_JUMP ? [label] : [],
  );
  const next = far.length;
  const leg = (label: Label | undefined) => {
    if (label === undefined) return next;
    const goto = far.indexOf(label);
    return goto === -1 ? distance(label, at, layout) : goto;
  };
  return [
    [comparisons[compare], value, leg(ifTrue), leg(ifFalse)],
    ...far.map((label, index): Instruction => [GOTO, distance(label, at + 1 + index, layout), 0, 0]),
  ];
}

/** `jt` and `jf` have eight bits. */
const MAX_JUMP = 255;

/** Number of instructions between the instruction at a position and the label. */
function distance(label: Label, at: number, { labels }: Layout): number {
  const target = labels.get(label);
  if (target === undefined) throw new RangeError(`label ${label} is missing`);
  if (target <= at) throw new RangeError(`label ${label} is before its jump`);
  return target - at - 1;
}
