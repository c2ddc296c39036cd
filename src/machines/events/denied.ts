/** What the sandbox refused to a running task, as the kernel's audit records tell. */
import { z } from "zod";
import { describeDenial } from "../../denial.ts";
import { formatCount, formatRepetition } from "../../units/counts.ts";
import { defineEvent } from "./defineEvent.ts";

const refusal = z.object({
  /** `Denial.blockers` and `Denial.object`. */
  blockers: z.array(z.string()),
  object: z.string().nullable(),
  /** Path of the program that asked for it; null if the kernel did not tell. */
  program: z.string().nullable(),
  /** The first process that asked, by its pid on the host. */
  pid: z.number().nullable(),
  /** When it was first refused, in milliseconds since the epoch. */
  firstAt: z.number(),
  /** How often it was refused, up to this event. */
  count: z.number(),
});

/** A kind of refusal: the same thing, refused to the same program. */
export type Refusal = z.infer<typeof refusal>;

export interface DenialHistory {
  /** In the order of their first occurrence. */
  readonly refusals: readonly Refusal[];
  readonly others: number;
  readonly lost: number;
  readonly domains: readonly string[];
}

/** Identifies a kind of refusal within a task. Each process's own folder in /proc has another name. */
export function refusalKey({ blockers, object, program }: Refusal): string {
  return JSON.stringify([blockers, object?.replace(/^\/proc\/\d+/, "/proc/self"), program]);
}

/**
 * The sandbox refused something. The first refusal of a kind is recorded at once, later ones only as counts:
 * with the tenth, the hundredth and so on, and when the task has ended.
 */
const denied = defineEvent({
  schema: z.object({
    /** The kinds whose counts have changed. */
    refusals: z.array(refusal),
    /** Refusals so far of kinds beyond those that are listed: their number is limited. */
    others: z.number(),
    /** Refusals so far that the kernel counted, and of which no record arrived. */
    lost: z.number(),
    /** Landlock's ids of the domains of the task's processes: by these its records are known. */
    domains: z.array(z.string()),
  }),
  evolve: ({ data }, { denials }: { readonly denials: DenialHistory }) => {
    const refusals = new Map(denials.refusals.map((each) => [refusalKey(each), each]));
    for (const each of data.refusals) refusals.set(refusalKey(each), each);
    return { denials: { ...data, refusals: [...refusals.values()] } };
  },
  title: "Denied",
  summary: ({ refusals, others, lost }) =>
    [
      ...refusals.map(describeRefusal),
      ...(others === 0 ? [] : [`${formatCount(others)} of other kinds`]),
      ...(lost === 0 ? [] : [`${formatCount(lost)} without a record`]),
    ].join("; "),
  shown: { tone: "bad", category: "run", group: "continues", parties: ["task", "driver"] },
  fields: {
    ignored: ["refusals.pid", "refusals.firstAt", "refusals.count", "others", "lost", "domains"],
    masked: {},
  },
});

/** `reading /etc/passwd (/usr/bin/grep), twice`. Its texts may need to be made visible. */
export function describeRefusal(refusal: Refusal): string {
  const { program, count } = refusal;
  const times = formatRepetition(count);
  return `${describeDenial(refusal)}${program === null ? "" : ` (${program})`}${times && `, ${times}`}`;
}

export const denials = { denied };
