/** Changes of the destinations that a running task may have. Pure. */
import { z } from "zod";
import { formatCount, formatTimes } from "../../units/counts.ts";
import { visible } from "../../units/visible.ts";
import { defineEvent } from "./defineEvent.ts";
import { type NameHistory, resolvedName, withNames } from "./names.ts";
import type { starting } from "./starting.ts";

const byWhom = {
  /** The operator's login, as the operator's program knows it; `exec2` if the driver took a change back. */
  by: z.string(),
  /** Empty if the operator gave none. */
  reason: z.string(),
};

export const egressHistory = z.object({
  /** How often the list was changed. */
  changes: z.number(),
  /** The entries in the present list that the task did not start with. */
  added: z.array(
    z.object({
      entry: z.string(),
      /** Time of the event, in milliseconds since the epoch. */
      at: z.number(),
      ...byWhom,
    }),
  ),
});

type Known = {
  readonly sandbox: z.infer<(typeof starting)["sandboxed"]["schema"]> | null;
  readonly names: readonly NameHistory[];
  readonly egress: z.infer<typeof egressHistory>;
};

/** From now on the task may connect where its list says now. */
const egressChanged = defineEvent({
  schema: z.object({
    /** The whole list after the change. */
    allowed: z.array(z.string()),
    added: z.array(z.string()),
    removed: z.array(z.string()),
    /** All names in the list. */
    names: z.array(resolvedName),
    ...byWhom,
  }),
  evolve: ({ data, time }, { sandbox, names, egress }: Known) => {
    const { allowed, added, removed, by, reason } = data;
    const kept = egress.added.filter(({ entry }) => !added.includes(entry) && !removed.includes(entry));
    return {
      sandbox: sandbox?.egress ? { ...sandbox, egress: { ...sandbox.egress, allowed } } : sandbox,
      names: withNames(
        names.filter(({ name }) => data.names.some((each) => each.name === name)),
        data.names,
        time,
      ),
      egress: {
        changes: egress.changes + 1,
        added: [...kept, ...added.map((entry) => ({ entry, at: time, by, reason }))],
      },
    };
  },
  title: "Egress changed",
  summary: ({ added, removed, by, reason }) => `${by} ${changeText({ added, removed })}${reasonText(reason)}`,
  sentences: (facts) => {
    const last = facts.at(-1)?.data;
    if (last === undefined) return [];
    const { by, reason } = last;
    const times = facts.length === 1 ? "" : `, the last of ${formatTimes(facts.length)}`;
    const what = visible(`${changeText(last)}${reasonText(reason)}`);
    return [{ of: facts, text: `Operator ${visible(by)} ${what}${times}` }];
  },
  shown: { tone: "plain", category: "run", group: "opens", parties: ["driver", "task"] },
  fields: { ignored: ["names.addresses"], masked: {} },
});

/** Entries that a line names; of more it says how many. */
const maxNamed = 4;

function changeText({
  added,
  removed,
}: {
  readonly added: readonly string[];
  readonly removed: readonly string[];
}) {
  const list = (entries: readonly string[]) =>
    entries.length <= maxNamed ? entries.join(", ") : `${formatCount(entries.length)} entries`;
  if (added.length === 0) return `removed ${list(removed)} from its egress`;
  return `added ${list(added)} to its egress${removed.length === 0 ? "" : `, and removed ${list(removed)}`}`;
}

function reasonText(reason: string): string {
  return reason === "" ? "" : ` (${reason})`;
}

export const egress = { egressChanged };
