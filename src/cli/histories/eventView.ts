/** Events as tables. Pure. */

import { shortNameOf } from "../../base/taskId.ts";
import { foldRepeats, isRepeat, type Repeat, repeatKey } from "../../history/replay/repeats.ts";
import { isDamaged } from "../../history/replay/storedHistory.ts";
import { maxTypeLength, summarize, traitsOf } from "../../machines/events.ts";
import type { StoredEvent } from "../../store/eventStore.ts";
import { formatDuration } from "../../units/durations.ts";
import { formatClock, formatDay } from "../../units/times.ts";
import { visible, visibleTexts } from "../../units/visible.ts";
import { blanks } from "../../units/widths.ts";
import type { Style } from "../terminal/style.ts";
import { formatTable } from "../terminal/table.ts";
import { readable, type TaskHistory } from "./readHistory.ts";

const eventHeader = ["SEQ", "TIME", "DELTA", "EVENT", "STATE"];
/** Minimum terminal width at which the description is in the same row. */
const wide = 110;
/** Minimum widths of columns, so that later rows line up with earlier ones. */
const eventWidths = [3, 12, 7, 14, 25];
const liveWidths = [12, 16, 14];

export class EventView {
  readonly #style: Style;
  readonly #width: number;
  /** The event that was shown last, in a view of a single task. */
  #before: StoredEvent | undefined;

  constructor(style: Style, width: number) {
    this.#style = style;
    this.#width = width;
  }

  /** The events of a task so far, with the notes on the task above them. */
  task(
    { id, task, job, begunAt }: TaskHistory,
    events: readonly StoredEvent[],
    notes: readonly string[] = [],
  ): string {
    const title = `${this.#style.bold(visible(task))} of job ${visible(job ?? "")}, ${formatDay(begunAt)}, ${visible(id)}`;
    const header = this.#format(
      eventHeader.map((name) => this.#style.dim(name)),
      this.#style.dim("WHAT"),
    );
    const first = notes.map((note) => this.#style.dim(note));
    const rows = foldRepeats(events, repeatKey).map((item) =>
      isRepeat(item) ? this.#repeat(item) : this.next(item),
    );
    return [...first, title, "", header, ...rows].join("\n");
  }

  /** One line in place of events that repeat those before them. */
  #repeat({ repeated, period }: Repeat<StoredEvent>): string {
    const [first, last] = [repeated[0], repeated.at(-1)];
    if (first === undefined || last === undefined) return "";
    this.#before = last;
    const rounds = repeated.length / period;
    const span = formatDuration(Math.max(0, last.time - first.time));
    const same = period === 1 ? "this again" : "these two again";
    return this.#style.dim(`  … ${same}, ${rounds} times in ${span}: events ${first.seq} to ${last.seq}`);
  }

  /** The task's next event. */
  next(event: StoredEvent): string {
    return this.#format(this.#row(event), this.#what(event));
  }

  /** A new event, in a view of all tasks. */
  live(event: StoredEvent): string {
    const { time, stream } = event;
    const row = [formatClock(time), visible(shortNameOf(stream)), this.#type(event), this.#what(event)];
    return formatTable([row], this.#width, liveWidths);
  }

  /** An event on one line of any length. The caller puts a prefix in front. */
  line(event: StoredEvent): string {
    const type = `${this.#type(event)}${blanks(visible(event.type), maxTypeLength)}`;
    return `${this.#style.dim(formatClock(event.time))} ${type} ${this.#what(event)}`;
  }

  /** Puts the description in the last column, or below the row if there is no room. */
  #format(row: readonly string[], what: string): string {
    if (this.#width >= wide) return formatTable([[...row, what]], this.#width, eventWidths);
    const below = formatTable([["", what]], this.#width, [3]);
    return `${formatTable([row], Number.POSITIVE_INFINITY, eventWidths)}\n${below}`;
  }

  #row(event: StoredEvent): string[] {
    const { seq, time, from, to } = visibleTexts(event);
    const before = this.#before;
    this.#before = event;
    return [
      String(seq).padStart(3),
      formatClock(event.time),
      before ? this.#style.dim(`+${formatDuration(Math.max(0, time - before.time))}`) : "",
      this.#type(event),
      from === to ? this.#style.dim(to) : `${from} → ${to}`,
    ];
  }

  #what(event: StoredEvent): string {
    if (isDamaged(event)) return this.#style.red("its bytes have changed: see replay --check");
    const known = readable(event);
    return known ? summarize(known) : this.#style.dim("written by another version of the driver");
  }

  #type({ type }: StoredEvent): string {
    return this.#style[looks[traitsOf(type)?.shown.tone ?? "plain"]](visible(type));
  }
}

const looks = { good: "green", plain: "cyan", bad: "red", wrong: "red" } as const;
