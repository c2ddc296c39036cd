/** A bar that shows how far something is, on a terminal; elsewhere nothing. */
import { formatCount } from "../../units/counts.ts";
import type { TextStream } from "./style.ts";

export interface Progress {
  /** What is counted, in the plural. */
  readonly what: string;
  readonly done: number;
  /** Of the whole, between 0 and 1. */
  readonly share: number;
}

const cells = 24;
const startOfLine = "\r";
const restOfLine = "\x1b[K";

export function progressBar(stream: TextStream): {
  readonly show: (progress: Progress) => void;
  readonly clear: () => void;
} {
  if (stream.isTTY !== true) return { show: () => {}, clear: () => {} };
  return {
    show: (progress) => void stream.write(`${startOfLine}${progressText(progress)}${restOfLine}`),
    clear: () => void stream.write(`${startOfLine}${restOfLine}`),
  };
}

/** `[######············] 1,500 allocations` */
export function progressText({ what, done, share }: Progress): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * cells);
  return `[${"#".repeat(full)}${"·".repeat(cells - full)}] ${formatCount(done)} ${what}`;
}
