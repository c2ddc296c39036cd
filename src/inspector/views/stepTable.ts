/**
 * The steps of a history in eight bytes each: the event's time and type, the state after it, and whether it
 * is an error. With this table, the page quickly draws even a history of tens of thousands of events. Server
 * and page keep the same table. Pure.
 */

/** A type of event, as the page shows it. */
export interface EventKind {
  readonly type: string;
  /** What happened, in a few words. */
  readonly title: string;
  readonly category: "input" | "start" | "run" | "command" | "end" | "takeover";
  readonly group: "opens" | "continues" | "closes";
}

/** The names of types and states by number, the same in server and page. */
export interface StepNames {
  readonly kinds: readonly EventKind[];
  readonly states: readonly string[];
}

export interface Step {
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** Index in {@link StepNames.kinds}; {@link unknown} for a type that this version does not know. */
  readonly kind: number;
  /** The state after the step: index in {@link StepNames.states}, or {@link unknown}. */
  readonly state: number;
  readonly bad: boolean;
}

/** Stands for a name without a number. */
export const unknown = 63;

const unknownKind: EventKind = { type: "unknown", title: "Event", category: "run", group: "continues" };

/** A step is time · 2¹¹ + kind · 2⁵ + state · 2 + bad: exact in a double until the year 2109. */
const codes = 2 ** 11;
const maxStates = 15;

export class StepTable {
  #packed = new Float64Array(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  add({ time, kind, state, bad }: Step): void {
    if (this.#length === this.#packed.length) {
      const larger = new Float64Array(Math.max(8, Math.ceil(this.#length * 1.5)));
      larger.set(this.#packed);
      this.#packed = larger;
    }
    const code = (kind << 5) | (Math.min(state, maxStates) << 1) | (bad ? 1 : 0);
    this.#packed[this.#length++] = Math.max(0, Math.round(time)) * codes + code;
  }

  /** Time of event number `seq`, from 1. */
  timeOf(seq: number): number {
    return Math.floor((this.#packed[seq - 1] ?? 0) / codes);
  }

  kindOf(seq: number): number {
    return this.#codeOf(seq) >> 5;
  }

  /** The state after an event; 0, the initial state, before the first event. */
  stateAfter(seq: number): number {
    return (this.#codeOf(seq) >> 1) & maxStates;
  }

  isBad(seq: number): boolean {
    return (this.#codeOf(seq) & 1) === 1;
  }

  /**
   * Steps from a number on, in the form that is sent. Each step is two numbers: the time since the previous
   * step (for the first step, since the epoch), and the step's other values as one code.
   */
  toNumbers(from: number): number[] {
    const numbers: number[] = [];
    for (let seq = from, before = 0; seq <= this.#length; seq++) {
      const time = this.timeOf(seq);
      numbers.push(time - before, this.#codeOf(seq));
      before = time;
    }
    return numbers;
  }

  /** Adds steps in the form of {@link toNumbers}. */
  addNumbers(numbers: readonly number[]): void {
    for (let at = 0, time = 0; at + 1 < numbers.length; at += 2) {
      time += numbers[at] ?? 0;
      const code = numbers[at + 1] ?? 0;
      this.add({ time, kind: code >> 5, state: (code >> 1) & maxStates, bad: (code & 1) === 1 });
    }
  }

  #codeOf(seq: number): number {
    return (this.#packed[seq - 1] ?? 0) % codes;
  }
}

/** A task's steps up to a given number, with the names of their types and states. */
export class Steps {
  readonly #table: StepTable;
  readonly #names: StepNames;
  /** Number of steps. The table may have more. */
  readonly length: number;

  constructor(table: StepTable, names: StepNames, length = table.length) {
    this.#table = table;
    this.#names = names;
    this.length = length;
  }

  timeOf(seq: number): number {
    return this.#table.timeOf(seq);
  }

  kindOf(seq: number): EventKind {
    return this.#names.kinds[this.#table.kindOf(seq)] ?? unknownKind;
  }

  /** The state after an event; before the first one, the initial state. */
  stateAfter(seq: number): string {
    return this.#names.states[this.#table.stateAfter(seq)] ?? "unknown";
  }

  isBad(seq: number): boolean {
    return this.#table.isBad(seq);
  }

  /** The same steps up to event number `seq`. */
  upTo(seq: number): Steps {
    return new Steps(this.#table, this.#names, seq);
  }
}
