/** Two histories side by side: the events of both, those of only one, and differences in the data. */

import { useState } from "preact/hooks";
import { countOf } from "../../../units/counts.ts";
import { formatDuration } from "../../../units/durations.ts";
import { formatRatio } from "../../../units/ratios.ts";
import type { DiffCell, DiffLine, DiffView } from "../../views/diffView.ts";
import { LinkButton } from "../buttons.tsx";
import { Value } from "../table.tsx";

interface Properties {
  readonly view: DiffView;
  /** Names of the two sides. */
  readonly names: readonly [string, string];
  /** Whether to show at first only the rows that differ, each with the row before it. */
  readonly isBrief?: boolean;
}

/** A table with more rows is brief at first. */
const fewRows = 40;

export function DiffTable({ view: { rows, omitted }, names: [left, right], isBrief = false }: Properties) {
  const [isWhole, setWhole] = useState(!isBrief && rows.length <= fewRows);
  const shown = isWhole ? rows : rows.filter((row, index) => row.differs || rows[index + 1]?.differs);
  const hidden = rows.length - shown.length + omitted;
  return (
    <>
      <table class="diff">
        <thead>
          <tr>
            <th scope="col">{left}</th>
            <th scope="col">
              <span class="unseen">Difference</span>
            </th>
            <th scope="col">{right}</th>
          </tr>
        </thead>
        {shown.map((row) => (
          <Row key={`${row.left?.seq} ${row.right?.seq}`} row={row} />
        ))}
      </table>
      {hidden === 0 ? null : (
        <p class="faint">
          Not shown: {countOf(hidden, "row")} without a difference.{" "}
          {omitted === rows.length || isWhole ? null : (
            <LinkButton act={() => setWhole(true)}>show them</LinkButton>
          )}
        </p>
      )}
    </>
  );
}

function Row({ row: { left, right, differs, diverges, changes, ratio } }: { readonly row: DiffLine }) {
  const [sign, meaning, kind] =
    right === null
      ? ["<", "only on the left", "only-left"]
      : left === null
        ? [">", "only on the right", "only-right"]
        : differs
          ? ["|", "differs", "differs"]
          : ["", "the same", "same"];
  return (
    <tbody class={`pair ${kind}${diverges ? " diverges" : ""}`}>
      <tr>
        <Cell cell={left} />
        <td class="sign">
          <span role="img" aria-label={meaning}>
            {sign}
          </span>
        </td>
        <Cell cell={right} ratio={ratio} />
      </tr>
      {changes.map(({ path, left: before, right: after }) => (
        <tr key={path + JSON.stringify([before, after])} class="change">
          <ChangedValue path={path} kind="del" value={before} />
          <td />
          <ChangedValue path={path} kind="ins" value={after} />
        </tr>
      ))}
    </tbody>
  );
}

/** A value in the column of the side that has it. */
function ChangedValue({ path, kind, value }: { path: string; kind: "del" | "ins"; value: unknown }) {
  return (
    <td>
      {value === null ? null : (
        <>
          <code>{path}</code> <Value kind={kind} value={value} />
        </>
      )}
    </td>
  );
}

function Cell({ cell, ratio = null }: { readonly cell: DiffCell | null; readonly ratio?: number | null }) {
  if (cell === null) return <td />;
  const { seq, title, text, from, to, bad, refused, spanMs } = cell;
  return (
    <td class={bad ? "bad" : undefined}>
      <span class="number">{seq}</span> <b>{title}</b>{" "}
      <span class="faint">{from === to ? to : `${from} → ${to}`}</span>
      {refused ? <span class="bad"> the machine refuses it</span> : null}
      <br />
      {text}
      {spanMs === null ? null : (
        <span class="faint">
          {" "}
          +{formatDuration(Math.max(0, spanMs))}
          {ratioText(ratio)}
        </span>
      )}
    </td>
  );
}

/** The ratio of durations; empty if they are about equal. */
function ratioText(ratio: number | null): string {
  if (ratio === null || (ratio > 0.8 && ratio < 1.25)) return "";
  return ` ${formatRatio(ratio)}`;
}
