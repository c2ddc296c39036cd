/** The rows of "What happened", and the row of each group and step. Pure. */
import { partitionPoint } from "../../../base/partitionPoint.ts";
import { type StepGroup, stepsInTitle } from "../../views/eventGroups.ts";

export type StoryRow =
  | { readonly kind: "step"; readonly seq: number }
  /** The title of a group. Its steps follow, unless the group is folded and closed. */
  | { readonly kind: "group"; readonly group: StepGroup; readonly isOpen: boolean };

export class StoryRows {
  readonly #groups: readonly StepGroup[];
  readonly #opened: number | undefined;
  /** The number of rows before each group, and before the end. */
  readonly #starts: Int32Array;

  /** @param opened any step of the folded group that is open; undefined if none is */
  constructor(groups: readonly StepGroup[], opened: number | undefined) {
    this.#groups = groups;
    this.#opened = opened;
    this.#starts = new Int32Array(groups.length + 1);
    for (const [index, group] of groups.entries()) {
      this.#starts[index + 1] = (this.#starts[index] ?? 0) + this.#rowsOf(group);
    }
  }

  get length(): number {
    return this.#starts.at(-1) ?? 0;
  }

  /** The rows from one index up to another, which is not included. */
  slice(from: number, to: number): StoryRow[] {
    const rows: StoryRow[] = [];
    let index = this.#groupBefore(from, (each) => this.#starts[each] ?? 0);
    for (let row = from; row < Math.min(to, this.length); row++) {
      while ((this.#starts[index + 1] ?? 0) <= row) index++;
      rows.push(this.#rowIn(index, row - (this.#starts[index] ?? 0)));
    }
    return rows;
  }

  /** The row of a step. If the step is folded away, the row of its group. */
  indexOf(seq: number): number {
    const index = this.#groupBefore(seq, (each) => this.#groups[each]?.from ?? 0);
    const group = this.#groups[index];
    if (group === undefined) return 0;
    const start = this.#starts[index] ?? 0;
    return this.#hasTitle(group) ? (this.#showsSteps(group) ? start + 1 + seq - group.from : start) : start;
  }

  #rowIn(index: number, row: number): StoryRow {
    const group = this.#groups[index] as StepGroup;
    if (!this.#hasTitle(group)) return { kind: "step", seq: group.from };
    if (row === 0) return { kind: "group", group, isOpen: this.#showsSteps(group) };
    return { kind: "step", seq: group.from + row - 1 };
  }

  #rowsOf(group: StepGroup): number {
    if (!this.#hasTitle(group)) return 1;
    return this.#showsSteps(group) ? 2 + group.to - group.from : 1;
  }

  #hasTitle({ from, to }: StepGroup): boolean {
    return to > from;
  }

  #showsSteps({ from, to, folded }: StepGroup): boolean {
    return folded === 1 || (this.#opened !== undefined && this.#opened >= from && this.#opened <= to);
  }

  /**
   * The last group that begins at or before a place.
   * @param placeOf returns the place where a group begins: a row or a step
   */
  #groupBefore(place: number, placeOf: (index: number) => number): number {
    return Math.max(0, partitionPoint(0, this.#groups.length, (index) => placeOf(index) <= place) - 1);
  }
}

/** The steps whose texts the rows show. */
export function stepsIn(rows: readonly StoryRow[]): Set<number> {
  return new Set(
    rows.flatMap((row) => {
      if (row.kind === "step") return row.seq;
      return row.group.folded > 1 ? row.group.to : stepsInTitle(row.group);
    }),
  );
}
