/** Columns of text, as wide as what is in them; the last one takes the rest of the line and wraps. */
import { blanks, cellsOf, wrap } from "../../units/widths.ts";

const gap = "  ";
/** Below this the last column is not worth wrapping: it runs on. */
const narrowest = 24;

/**
 * @param rows cells may hold colours, which take no room
 * @param width of the terminal
 * @param least widths of the columns, so that rows which come later line up
 */
export function formatTable(
  rows: readonly (readonly string[])[],
  width: number,
  least: readonly number[] = [],
): string {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(least[column] ?? 0, ...rows.map((row) => cellsOf(row[column] ?? ""))),
  );
  const indent = widths.slice(0, -1).reduce((sum, each) => sum + each + gap.length, 0);
  return rows.map((row) => formatRow(row, widths, indent, width)).join("\n");
}

function formatRow(row: readonly string[], widths: readonly number[], indent: number, width: number): string {
  const head = row
    .slice(0, widths.length - 1)
    .map((cell, column) => cell + blanks(cell, widths[column] ?? 0));
  const room = width - indent >= narrowest ? width - indent : Number.POSITIVE_INFINITY;
  const [first = "", ...rest] = wrap(row[widths.length - 1] ?? "", room);
  const lines = [[...head, first].join(gap), ...rest.map((line) => " ".repeat(indent) + line)];
  return lines.map((line) => line.trimEnd()).join("\n");
}
