/** What an observed run has used, and what a candidate's options would have refused it. Pure. */
import { z } from "zod";
import type { Uses } from "../../effects/observe/uses.ts";
import { countOf } from "../../units/counts.ts";
import { defineEvent, MASK } from "./defineEvent.ts";

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
    /** Missing without any. */
    moves: z.array(z.string()).optional(),
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
    masked: { paths: "text", moves: "text", links: "text" },
  },
});

function usesTexts({ paths, connects, binds, capabilities }: Omit<Uses, "ports" | "moves">): string[] {
  return [
    countOf(paths.length, "path"),
    ...(connects.length > 0 ? [countOf(connects.length, "destination")] : []),
    ...(binds.length > 0 ? [countOf(binds.length, "bound port")] : []),
    ...(capabilities.length > 0 ? [`capabilities ${capabilities.join(" ")}`] : []),
  ];
}

export const candidateHistory = z.object({
  /** The job file; null before anything of the run would have been refused. */
  file: z.string().nullable(),
  /** Identifies the task's options in it. */
  digest: z.string(),
  /** What it would have refused, as far as events name it. */
  refused: z.array(z.string()),
  /** Number of further things that it would have refused. */
  others: z.number(),
  /** Why it may refuse more, as sentences without full stops. */
  unclear: z.array(z.string()),
  /** Number of different things that candidates would have refused. */
  total: z.number(),
});

export type CandidateHistory = z.infer<typeof candidateHistory>;

/**
 * What the candidate, narrower options of the operator's, would have refused the run. Each thing is in one event of the
 * run. Nothing is refused by it.
 */
const wouldDeny = defineEvent({
  schema: z.object({
    /** The job file. */
    candidate: z.string(),
    /** Identifies the task's options in it. */
    digest: z.string(),
    /** What no event before has, such as `r:/etc/ssl`. */
    refused: z.array(z.string()),
    /** Number of further things that no event names, because a run's events name a limited number. */
    others: z.number(),
    /** Why it may refuse more, and no event before has, as sentences without full stops. */
    unclear: z.array(z.string()),
  }),
  evolve: ({ data }, { wouldDeny: known }: { readonly wouldDeny: CandidateHistory }) => {
    const { candidate: file, digest, refused, others, unclear } = data;
    const before = known.digest === digest ? known : { refused: [], others: 0, unclear: [] };
    return {
      wouldDeny: {
        ...{ file, digest },
        refused: [...before.refused, ...refused],
        others: before.others + others,
        unclear: [...before.unclear, ...unclear],
        total: known.total + refused.length + others,
      },
    };
  },
  title: "Judged by the candidate",
  summary: ({ candidate, refused, others, unclear }) =>
    `${candidate} ${wouldDenyText(refused, others)}${unclear.length === 0 ? "" : `; not judged: ${namesOf(unclear, "reason")}`}`,
  sentences: (facts) => {
    const last = facts.at(-1)?.data;
    if (last === undefined) return [];
    const of = facts.filter(({ data }) => data.digest === last.digest);
    const refused = of.flatMap(({ data }) => data.refused);
    const others = of.reduce((sum, { data }) => sum + data.others, 0);
    const unclear = of.flatMap(({ data }) => data.unclear);
    return [
      ...(refused.length + others === 0
        ? []
        : [{ of, text: `The candidate ${last.candidate} ${wouldDenyText(refused, others)}` }]),
      ...(unclear.length === 0
        ? []
        : [{ of, text: `The candidate ${last.candidate} may refuse more: ${namesOf(unclear, "reason")}` }]),
    ];
  },
  counts: {
    name: "exec2_would_deny_total",
    help: "Different things that runs used and the candidate would have refused.",
    totals: ({ wouldDeny: { total } }: { readonly wouldDeny: CandidateHistory }) => [["", total]],
  },
  shown: { tone: "plain", category: "run", group: "continues", parties: ["driver", "task"] },
  fields: { ignored: ["digest"], masked: { refused: "text", unclear: "text" } },
});

/** Such as `would have refused r:/etc/ssl and 2 other things`. */
function wouldDenyText(refused: readonly string[], others: number): string {
  const all = refused.length + others;
  if (all === 0) return "would have refused nothing that is known";
  const named = refused.filter((text) => text !== MASK).slice(0, maxNamed);
  if (named.length === 0) return `would have refused ${countOf(all, "thing")}`;
  const more = all - named.length;
  return `would have refused ${named.join(", ")}${more === 0 ? "" : ` and ${countOf(more, "other thing")}`}`;
}

function namesOf(texts: readonly string[], what: string): string {
  const named = texts.filter((text) => text !== MASK).slice(0, maxNamed);
  return named.length === 0 ? countOf(texts.length, what) : named.join("; ");
}

/** Maximum number of things that a line names. */
const maxNamed = 5;

export const observations = { observed, wouldDeny };
