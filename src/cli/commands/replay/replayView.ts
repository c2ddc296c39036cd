/** Moments of a history as text. Pure. */

import { type Change, contextDiff } from "../../../history/replay/contextDiff.ts";
import { effectOutcomes, type History, type Moment } from "../../../history/replay/history.ts";
import { isError } from "../../../history/replay/search.ts";
import { formatClock, formatDay } from "../../../units/times.ts";
import { visible, visibleJson } from "../../../units/visible.ts";
import { wrap } from "../../../units/widths.ts";
import { changeParts, reportText, spanBetween, summarizeMoment } from "../../histories/momentSummary.ts";
import { jsonOf } from "../../terminal/json.ts";
import type { Style } from "../../terminal/style.ts";

const margin = "      ";
/** Longer values are cut; `--json` has all of them. */
const maxValueLength = 100;

export class ReplayView {
  readonly #style: Style;
  readonly #width: number;

  constructor(style: Style, width: number) {
    this.#style = style;
    this.#width = width;
  }

  /** A note on the task's other runs, then name, job, day and id of this run. */
  title(history: History, note: string | undefined): string {
    const { stream, events, length } = history;
    const { request } = history.finalState.context;
    const name = this.#style.bold(visible(request?.taskName ?? stream));
    const day = formatDay(events[0]?.time ?? 0);
    const first = note === undefined ? "" : `${this.#style.dim(note)}\n`;
    const job = visible(request?.jobId ?? "unknown");
    return `${first}${name} of job ${job}, ${day}, ${visible(stream)}: ${length} events`;
  }

  /** A moment on several lines: the event, the machine's effects, and the changes. */
  moment(history: History, moment: Moment): string {
    return [
      this.#heading(moment),
      ...this.#block(this.#summary(moment)),
      ...effectOutcomes(history, moment).flatMap(({ effect, report }) =>
        this.#block(this.#effect(effect, moment, report)),
      ),
      ...contextDiff(moment.before.context, moment.after.context).map(
        (change) => margin + this.#change(change),
      ),
    ].join("\n");
  }

  /** A moment as one JSON object. */
  json(moment: Moment): string {
    const { seq, stored, before, after, effects, accepted, asRecorded, problem, sinceBefore } = moment;
    const { type, time, data } = stored;
    const changes = contextDiff(before.context, after.context);
    const states = { from: before.value, to: after.value };
    return jsonOf("replay", {
      ...{ seq, type, time, sinceBefore, ...states, effects, accepted, asRecorded, problem, data, changes },
    });
  }

  #heading(moment: Moment): string {
    const { seq, stored, sinceBefore, before, after } = moment;
    const clock = formatClock(stored.time);
    const delta = sinceBefore === undefined ? "" : ` ${spanBetween(sinceBefore)}`;
    const type = this.#style[isError(moment) ? "red" : "cyan"](visible(stored.type));
    const [from, to] = [before.value, after.value];
    const states = from === to ? this.#style.dim(to) : `${from} → ${this.#style.bold(to)}`;
    return `${String(seq).padStart(4)}  ${type}  ${states}  ${this.#style.dim(clock + delta)}`;
  }

  #summary(moment: Moment): string {
    const { text, isProblem } = summarizeMoment(moment);
    return isProblem ? this.#style.red(text) : text;
  }

  #effect(effect: string, moment: Moment, report: Moment | undefined): string {
    const name = `${this.#style.dim("effect")} ${effect}`;
    return report === undefined ? name : `${name} ${this.#style.dim(reportText(moment, report))}`;
  }

  #change(change: Change): string {
    const { sign, name, values } = changeParts(change);
    const painted = { "+": this.#style.green, "-": this.#style.red, "~": this.#style.yellow }[sign](sign);
    return `${painted} ${name} ${values.map(shown).join(" → ")}`;
  }

  #block(text: string): string[] {
    return wrap(text, this.#width - margin.length).map((line) => margin + line);
  }
}

function shown(value: unknown): string {
  const text = visibleJson(value);
  if (text.length <= maxValueLength) return text;
  const count = Array.isArray(value) ? ` (${value.length} entries)` : "";
  return `${text.slice(0, maxValueLength - 1)}…${count}`;
}
