/** Formats a table. Columns are as wide as their texts. The last column wraps within the rest of the line. */
import { blanks, cellsOf, wrap } from "../../units/widths.ts";

const gap = "  ";
/** A narrower last column is not wrapped: it runs over the edge. */
const minWrapWidth = 24;

/**
 * @param rows cells may contain colours, which take no columns
 * @param width of the terminal
 * @param minWidths of the columns, so that later rows line up
 */
export function formatTable(
  rows: readonly (readonly string[])[],
  width: number,
  minWidths: readonly number[] = [],
): string {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(minWidths[column] ?? 0, ...rows.map((row) => cellsOf(row[column] ?? ""))),
  );
  const indent = widths.slice(0, -1).reduce((sum, each) => sum + each + gap.length, 0);
  return rows.map((row) => formatRow(row, widths, indent, width)).join("\n");
}

function formatRow(row: readonly string[], widths: readonly number[], indent: number, width: number): string {
  const head = row
    .slice(0, widths.length - 1)
    .map((cell, column) => cell + blanks(cell, widths[column] ?? 0));
  const room = width - indent >= minWrapWidth ? width - indent : Number.POSITIVE_INFINITY;
  const [first = "", ...rest] = wrap(row[widths.length - 1] ?? "", room);
  const lines = [[...head, first].join(gap), ...rest.map((line) => " ".repeat(indent) + line)];
  return lines.map((line) => line.trimEnd()).join("\n");
}
