/** The layout of the debugger's screen, for terminals of any size. Pure. */
import type { DebuggerState } from "./debuggerState.ts";

export interface Box {
  readonly columns: number;
  readonly rows: number;
}

export interface Layout {
  /** 1 if there is room for the title. */
  readonly titleRows: number;
  readonly barRows: number;
  /** The list of events; undefined if it is off or has no room. */
  readonly list: Box | undefined;
  /** Whether the list is beside the moment, with a line between them. Otherwise it is above. */
  readonly beside: boolean;
  /** The current moment (an event and the state after it), or another page. */
  readonly page: Box;
}

/** Columns between list and moment. */
const separatorColumns = 3;
/** Minimum width for list and moment side by side. */
const besideColumns = 76;
const wideColumns = 110;
const listColumns = { narrow: 32, wide: 48 } as const;
/** Minimum rows of the moment below a list. */
const minMoment = 5;

/** The last row is always for the prompt, notices and keys. */
export function layoutOf({ size, page, listShown }: DebuggerState): Layout {
  const { columns, rows } = size;
  const barRows = rows >= 3 ? 1 : 0;
  const titleRows = rows >= 6 ? 1 : 0;
  const left = Math.max(0, rows - 1 - barRows - titleRows);
  const whole = { titleRows, barRows, list: undefined, beside: false, page: { columns, rows: left } };
  if (!listShown || page !== "moment") return whole;
  if (columns >= besideColumns) {
    const list = columns >= wideColumns ? listColumns.wide : listColumns.narrow;
    const box = { columns: columns - list - separatorColumns, rows: left };
    return { ...whole, list: { columns: list, rows: left }, beside: true, page: box };
  }
  const listRows = Math.min(8, Math.floor(left / 3));
  if (listRows < 3 || left - listRows - 1 < minMoment) return whole;
  return { ...whole, list: { columns, rows: listRows }, page: { columns, rows: left - listRows - 1 } };
}
