/**
 * What-if edits: drops, changes or inserts events, and shows the machine's result beside the recorded
 * history.
 */

import { useEffect, useState } from "preact/hooks";
import type { WhatIfView } from "../../views/diffView.ts";
import { ask } from "../api.ts";
import { LinkButton } from "../buttons.tsx";
import { useAnswer } from "../live.ts";
import { useChoice } from "../navigation.ts";
import { Details } from "../table.tsx";
import { DiffTable } from "./diffTable.tsx";

/** An edit in the format of a file for `replay --what-if`. */
type Edit =
  | { readonly drop: number }
  | { readonly change: number; readonly data: unknown }
  | { readonly insert: number; readonly type: string; readonly data: unknown };

interface Properties {
  /** The part of an API query that names the task. */
  readonly query: string;
  /** Number of the shown event. */
  readonly seq: number;
  readonly type: string;
  readonly data: unknown;
  /** Types of events to offer for an insertion. */
  readonly types: readonly string[];
}

export function WhatIfPanel({ query, seq, type, data, types }: Properties) {
  const [text, setText] = useChoice("edits");
  const edits = editsIn(text);
  const [form, setForm] = useState<"change" | "insert">();
  const set = (next: readonly Edit[]) => setText(next.length === 0 ? "" : JSON.stringify(next));
  const add = (edit: Edit) => {
    set([...edits, edit]);
    setForm(undefined);
  };
  return (
    <section class="card whatif" aria-label="What if">
      <h2>
        What if <span class="faint">the machine's answer; nothing is stored</span>
      </h2>
      <div class="tools">
        <span>
          Event {seq}, <code>{type}</code>:
        </span>
        <button type="button" onClick={() => add({ drop: seq })}>
          Remove it
        </button>
        <button type="button" aria-pressed={form === "change"} onClick={() => setForm("change")}>
          Change it…
        </button>
        <button type="button" aria-pressed={form === "insert"} onClick={() => setForm("insert")}>
          Insert an event after it…
        </button>
      </div>
      {form === "change" ? (
        <DataForm
          key={`change ${seq}`}
          data={data}
          onDone={(changed) => add({ change: seq, data: changed })}
        />
      ) : null}
      {form === "insert" ? (
        <InsertForm
          key={`insert ${seq}`}
          types={types}
          query={query}
          onDone={(made, of) => add({ insert: seq, type: of, data: made })}
        />
      ) : null}
      {edits.length === 0 ? null : (
        <>
          <Edits edits={edits} set={set} />
          <Result query={query} text={text} />
          <Details title="The edits, as a file for replay --what-if" text={JSON.stringify(edits, null, 2)} />
        </>
      )}
    </section>
  );
}

interface EditsProperties {
  readonly edits: readonly Edit[];
  readonly set: (edits: readonly Edit[]) => void;
}

function Edits({ edits, set }: EditsProperties) {
  return (
    <ul class="edits">
      {edits.map((edit, index) => (
        <li key={`${index} ${JSON.stringify(edit)}`}>
          {nameOf(edit)} <LinkButton act={() => set(edits.filter((each) => each !== edit))}>undo</LinkButton>
        </li>
      ))}
    </ul>
  );
}

/**
 * Parses the list of edits in the address. Returns no edits for a text that this panel did not write. The
 * server checks each edit.
 */
function editsIn(text: string): readonly Edit[] {
  try {
    const parsed: unknown = JSON.parse(text);
    return Array.isArray(parsed) ? parsed : [];
  } catch {
    return [];
  }
}

function nameOf(edit: Edit): string {
  if ("drop" in edit) return `Without event ${edit.drop}`;
  if ("change" in edit) return `Event ${edit.change} with ${JSON.stringify(edit.data)}`;
  return `After event ${edit.insert}, ${edit.type}`;
}

function Result({ query, text }: { readonly query: string; readonly text: string }) {
  const [result, setResult] = useState<WhatIfView | string>();
  useEffect(() => {
    const controller = new AbortController();
    ask(`/api/whatif?${query}&edits=${encodeURIComponent(text)}`, { signal: controller.signal })
      .then(async (response) => {
        if (response.status === 431) return setResult("Too many edits for this page: use replay --what-if.");
        setResult(response.ok ? ((await response.json()) as WhatIfView) : await response.text());
      })
      .catch(() => undefined);
    return () => controller.abort();
  }, [query, text]);
  if (result === undefined) return <p class="faint">Computing…</p>;
  if (typeof result === "string") return <pre class="bad">{result}</pre>;
  return (
    <>
      <p role="status">{result.text}</p>
      <DiffTable key={text} view={result.diff} names={["As recorded", "What if"]} isBrief />
    </>
  );
}

/** @param onDone called with the fields that differ */
function DataForm({ data, onDone }: { readonly data: unknown; readonly onDone: (changed: object) => void }) {
  const before = (data ?? {}) as Record<string, unknown>;
  const changesTo = (after: object) =>
    Object.entries(after).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(before[name]));
  return (
    <JsonForm
      first={JSON.stringify(data, null, 2)}
      button="Change it"
      onDone={(after) => onDone(Object.fromEntries(changesTo(after)))}
    />
  );
}

interface InsertProperties {
  readonly types: readonly string[];
  readonly query: string;
  readonly onDone: (data: object, type: string) => void;
}

/** The form begins with the data of the first recorded event of the type, if there is one. */
function InsertForm({ types, query, onDone }: InsertProperties) {
  const [type, setType] = useState("");
  const template = useAnswer<object>(
    type === "" ? undefined : `/api/whatif/template?${query}&type=${encodeURIComponent(type)}`,
  );
  const first = JSON.stringify(template ?? {}, null, 2);
  return (
    <>
      <label>
        Type{" "}
        <input
          type="text"
          list="event-types"
          value={type}
          onInput={({ currentTarget: { value } }) => setType(value)}
        />
      </label>
      <datalist id="event-types">
        {types.map((each) => (
          <option key={each} value={each} />
        ))}
      </datalist>
      <JsonForm
        key={first}
        first={first}
        button="Insert it"
        onDone={(made) => type !== "" && onDone(made, type)}
      />
    </>
  );
}

interface JsonProperties {
  readonly first: string;
  readonly button: string;
  readonly onDone: (value: object) => void;
}

function JsonForm({ first, button, onDone }: JsonProperties) {
  const [text, setText] = useState(first);
  const [problem, setProblem] = useState("");
  const submit = (event: Event) => {
    event.preventDefault();
    try {
      const value: unknown = JSON.parse(text);
      if (typeof value === "object" && value !== null) onDone(value);
      else setProblem("The data must be a JSON object.");
    } catch (thrown) {
      setProblem(`This is not JSON: ${thrown instanceof Error ? thrown.message : ""}`);
    }
  };
  return (
    <form onSubmit={submit}>
      <textarea
        aria-label="Data of the event, as JSON"
        rows={Math.min(16, text.split("\n").length + 1)}
        value={text}
        onInput={({ currentTarget: { value } }) => setText(value)}
      />
      <button type="submit">{button}</button> <span class="bad">{problem}</span>
    </form>
  );
}
