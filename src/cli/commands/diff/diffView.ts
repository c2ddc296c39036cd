/** A diff of two histories as text: side by side, or on a narrow terminal one above the other. Pure. */

import type { Change } from "../../../history/replay/contextDiff.ts";
import type { History, Moment } from "../../../history/replay/history.ts";
import {
  type DiffRow,
  differs,
  divergenceText,
  type HistoryDiff,
  shownChange,
} from "../../../history/replay/historyDiff.ts";
import { summarize } from "../../../machines/events.ts";
import { shortResult } from "../../../machines/taskOutline.ts";
import { formatDuration } from "../../../units/durations.ts";
import { formatRatio } from "../../../units/ratios.ts";
import { formatTime } from "../../../units/times.ts";
import { visible, visibleTexts } from "../../../units/visible.ts";
import { cutText, wrap } from "../../../units/widths.ts";
import { jsonOf } from "../../terminal/json.ts";
import type { Style } from "../../terminal/style.ts";

/** Terminals at least this wide show the histories side by side. */
const wide = 100;
/** Maximum width, also for an output without a width, such as a file. */
const maxWidth = 120;
/** Columns of the mark between the sides, and of the ratio at the end of the row. */
const markWidth = 3;
const ratioWidth = 7;
const indent = 5;

export class DiffView {
  readonly #style: Style;
  readonly #width: number;
  /** Width of one side. */
  readonly #half: number;

  constructor(style: Style, width: number) {
    this.#style = style;
    this.#width = Math.min(width, maxWidth);
    this.#half = Math.floor((this.#width - markWidth - ratioWidth) / 2);
  }

  text(diff: HistoryDiff): string {
    const { left, right, rows } = diff;
    const titles = [
      `${this.#style.bold("A")} ${titleOf(left)}`,
      `${this.#style.bold("B")} ${titleOf(right)}`,
    ];
    const divergence = wrap(divergenceText(diff), this.#width).map((line) => this.#style.bold(line));
    const shown = rows.flatMap((row) => (this.#width >= wide ? this.#beside(row) : this.#stacked(row)));
    return [...titles.flatMap((title) => wrap(title, this.#width)), "", ...divergence, "", ...shown].join(
      "\n",
    );
  }

  #beside(row: DiffRow): string[] {
    const { left, right, spans } = row;
    const cells = [this.#cell(left, spans.left, this.#half), this.#cell(right, spans.right, this.#half)];
    const margin = left === undefined ? this.#half + markWidth : 0;
    const first = cells.join(this.#mark(row)) + ratioText(row);
    return [first.trimEnd(), ...this.#details(row, margin, this.#half)];
  }

  #stacked(row: DiffRow): string[] {
    const { left, right, spans } = row;
    const nameWidth = markWidth + 2;
    const columns = this.#width - nameWidth - ratioWidth;
    const mark = this.#mark(row);
    const secondMark = left === undefined ? mark : " ".repeat(markWidth);
    return [
      ...(left ? [`${mark}A ${this.#cell(left, spans.left, columns)}`] : []),
      ...(right ? [`${secondMark}B ${this.#cell(right, spans.right, columns)}${ratioText(row)}`] : []),
      ...this.#details(row, nameWidth, this.#width - nameWidth),
    ];
  }

  /** Number, type, new state and duration of a moment. */
  #cell(moment: Moment | undefined, spanMs: number | undefined, columns: number): string {
    if (moment === undefined) return " ".repeat(columns);
    const { type, from, to } = visibleTexts(moment.stored);
    const state = from === to ? "" : ` → ${to}`;
    const span = spanMs === undefined ? "" : ` +${formatDuration(Math.max(0, spanMs))}`;
    const text = `${String(moment.seq).padStart(indent - 2)}  ${type}${state}`;
    return `${text.padEnd(columns - span.length)}${this.#style.dim(span)}`;
  }

  /** The marks of sdiff(1): `<` or `>` for an event of the left or right side only, `|` for a difference. */
  #mark(row: DiffRow): string {
    if (row.right === undefined) return this.#style.red(" < ");
    if (row.left === undefined) return this.#style.green(" > ");
    return differs(row) ? this.#style.yellow(" | ") : "   ";
  }

  /** The lines below a row: the summary of an event that only one side has, or else the differences. */
  #details({ left, right, sameStep, changes }: DiffRow, margin: number, room: number): string[] {
    const block = (text: string, width: number) =>
      wrap(text, width).map((line) => " ".repeat(margin + indent) + this.#style.dim(line));
    const only = left === undefined ? right : right === undefined ? left : undefined;
    if (only !== undefined) return only.event ? block(summarize(only.event), room - indent) : [];
    const way =
      sameStep || !left || !right
        ? []
        : block(`${wayText(left)} in A, ${wayText(right)} in B`, this.#width - margin - indent);
    return [...way, ...changes.map((change) => " ".repeat(margin + indent) + this.#change(change))];
  }

  /** A change, cut to one line. `--json` shows all of it. */
  #change({ path, before, after }: Change): string {
    const { red, green, yellow } = this.#style;
    const [sign, text] =
      before === undefined
        ? [green("+"), valueText(after)]
        : after === undefined
          ? [red("-"), valueText(before)]
          : [yellow("~"), `${valueText(before)} → ${valueText(after)}`];
    return `${sign} ${cutText(visible(`${path.join(".")} ${text}`), this.#width - 2 * indent - 2)}`;
  }
}

function titleOf(history: History): string {
  const { context } = history.finalState;
  const job = context.request?.jobId ?? "unknown";
  const began = formatTime(history.events[0]?.time ?? 0);
  return visible(`${history.stream} of job ${job}, ${began}: ${shortResult(context)}`);
}

function wayText({ stored: { from, to, effects } }: Moment): string {
  return visible(effects.length === 0 ? `${from} → ${to}` : `${from} → ${to} (${effects.join(", ")})`);
}

function ratioText({ ratio }: DiffRow): string {
  return ratio === undefined ? "" : formatRatio(ratio).padStart(ratioWidth);
}

function valueText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** One JSON object; missing values are null. */
export function diffJson(diff: HistoryDiff): string {
  const { left, right, rows, divergence, same } = diff;
  return jsonOf("diff", {
    left: sideJson(left),
    right: sideJson(right),
    same,
    divergence: divergence
      ? { left: divergence.left?.seq ?? null, right: divergence.right?.seq ?? null }
      : null,
    text: divergenceText(diff),
    rows: rows.map((row) => ({
      left: momentJson(row.left, row.spans.left),
      right: momentJson(row.right, row.spans.right),
      sameStep: row.sameStep,
      ratio: row.ratio ?? null,
      changes: row.changes.map(shownChange),
    })),
  });
}

function sideJson(history: History) {
  const { value: state, context } = history.finalState;
  return { id: history.stream, job: context.request?.jobId ?? null, state, events: history.length };
}

function momentJson(moment: Moment | undefined, spanMs: number | undefined) {
  if (moment === undefined) return null;
  const { seq, stored } = moment;
  const { type, time, from, to, effects, data } = stored;
  return { seq, type, time, afterMs: spanMs ?? null, from, to, effects, data };
}
