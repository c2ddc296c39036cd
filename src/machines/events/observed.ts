/** What an observed run has used. Pure. */
import { z } from "zod";
import type { Uses } from "../../effects/observe/uses.ts";
import { countOf } from "../../units/counts.ts";
import { defineEvent } from "./defineEvent.ts";

/**
 * What an observed run has used: what is new since the event before, if there was one. A long run has such an event an
 * hour in which there is anything new, and each run one before its end.
 */
const observed = defineEvent({
  schema: z.object({
    /** When this process began to observe the run, in milliseconds since the epoch. */
    since: z.number(),
    /** Whether nothing of the run was before. After a restart of the plugin it is false: the set is that of the rest. */
    fromStart: z.boolean(),
    /** Whether the run had ended. */
    isLast: z.boolean(),
    /** As in `Uses` of src/effects/observe/uses.ts. */
    paths: z.array(z.string()),
    connects: z.array(z.string()),
    binds: z.array(z.string()),
    ports: z.array(z.string()),
    capabilities: z.array(z.string()),
    /** Paths of the options that are symlinks, or lead through one, and where they led. */
    links: z.array(z.object({ path: z.string(), leadsTo: z.string() })),
    /** The maxima so far; null if the host does not count them. */
    memoryBytes: z.number().nullable(),
    processes: z.number().nullable(),
    /** Uses that are missing: the run's set was full, or a path too long. Repeated ones count each time. */
    lost: z.number(),
    /** Times that the kernel has left out a note of any process of the node meanwhile. */
    missed: z.number(),
    /** Whether the kernel shows which capabilities are used. */
    seesCapabilities: z.boolean(),
  }),
  evolve: () => ({}),
  title: "Uses observed",
  summary: ({ lost, fromStart, since: _, ...uses }) =>
    [
      ...usesTexts(uses),
      ...(lost > 0 ? [`${countOf(lost, "use")} missing`] : []),
      ...(fromStart ? [] : ["not from the start"]),
    ].join(", "),
  shown: { tone: "plain", category: "run", group: "continues", parties: ["task", "driver"] },
  fields: {
    ignored: ["since", "memoryBytes", "processes", "lost", "missed"],
    masked: { paths: "text", links: "text" },
  },
});

function usesTexts({ paths, connects, binds, capabilities }: Omit<Uses, "ports">): string[] {
  return [
    countOf(paths.length, "path"),
    ...(connects.length > 0 ? [countOf(connects.length, "destination")] : []),
    ...(binds.length > 0 ? [countOf(binds.length, "bound port")] : []),
    ...(capabilities.length > 0 ? [`capabilities ${capabilities.join(" ")}`] : []),
  ];
}

export const observations = { observed };
