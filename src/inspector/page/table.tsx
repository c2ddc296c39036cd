/** Plain tables, lists of facts, and values. */
import type { ComponentChildren } from "preact";

interface TableProperties {
  readonly label: string;
  readonly heads: readonly string[];
  /** The first cell names the row. */
  readonly rows: readonly (readonly ComponentChildren[])[];
}

export function Table({ label, heads, rows }: TableProperties) {
  return (
    <Scroll label={label}>
      <table>
        <thead>
          <tr>
            {heads.map((head) => (
              <th key={head} scope="col">
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(([name, ...cells], row) => (
            <tr key={row}>
              <th scope="row">{name}</th>
              {cells.map((cell, index) => (
                <td key={heads[index + 1]}>{cell}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

export type FactLine = readonly [name: string, value: ComponentChildren];

interface FactsProperties {
  readonly facts: readonly FactLine[];
  /** `facts`: one fact per line. `strip`: all in one line. `figures`: large figures. */
  readonly kind?: "facts" | "strip" | "figures";
}

export function Facts({ facts, kind = "facts" }: FactsProperties) {
  return (
    <dl class={kind}>
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

interface DetailsProperties {
  readonly title: string;
  readonly text: string;
}

/** Preformatted lines, shown on request. A long text scrolls, also with the keyboard. */
export function Details({ title, text }: DetailsProperties) {
  return (
    <details>
      <summary>{title}</summary>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard */}
      <section class="code" aria-label={title} tabIndex={0}>
        <pre>{text}</pre>
      </section>
    </details>
  );
}

interface Properties {
  readonly label: string;
  readonly children: ComponentChildren;
}

/** Content that may be wider than a phone. It scrolls on its own, also with the keyboard. */
export function Scroll({ label, children }: Properties) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
    <section class="scroll" aria-label={label} tabIndex={0}>
      {children}
    </section>
  );
}

/** Maximum length of a shown value. A longer value is cut. */
const maxLetters = 220;

interface ValueProperties {
  /** `del`: the value before a change, or on the left. `ins`: the value after the change, or on the right. */
  readonly kind: "del" | "ins";
  readonly value: unknown;
}

/** A value as JSON. Shows nothing for null. */
export function Value({ kind: Kind, value }: ValueProperties) {
  if (value === null) return null;
  const text = JSON.stringify(value);
  return <Kind>{text.length > maxLetters ? `${text.slice(0, maxLetters)}…` : text}</Kind>;
}
