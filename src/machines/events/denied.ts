/** What the sandbox refused to a running task, according to the kernel's audit records. Pure. */
import { z } from "zod";
import { blockerNames, describeDenial } from "../../effects/landlock/denial.ts";
import { formatCount, formatRepetition } from "../../units/counts.ts";
import { defineEvent } from "./defineEvent.ts";

const refusal = z.object({
  /** `blockers` and `object` are those of `Denial`. */
  blockers: z.array(z.string()),
  object: z.string().nullable(),
  /** Path of the program that was refused the access; null if the audit record lacks it. */
  program: z.string().nullable(),
  /** Pid, on the host, of the first process that was refused the access. */
  pid: z.number().nullable(),
  /** Time of the first refusal, in milliseconds since the epoch. */
  firstAt: z.number(),
  /** Number of refusals up to this event. */
  count: z.number(),
});

/** A kind of refusal: all refusals of the same access by the same program. */
export type Refusal = z.infer<typeof refusal>;

const denialHistory = z.object({
  /** The kinds whose counts have changed; in the task's context, all kinds so far. */
  refusals: z.array(refusal),
  /** Number of refusals so far of kinds that are not listed, because the list has a limited length. */
  others: z.number(),
  /** Number of refusals so far that the kernel counted, but whose records did not arrive. */
  lost: z.number(),
  /**
   * Ids of the Landlock domains of the task's processes. Audit records name the domain, so these ids link a
   * record to the task.
   */
  domains: z.array(z.string()),
});

export type DenialHistory = z.infer<typeof denialHistory>;

/**
 * Identifies a kind of refusal within a task. Paths that differ only in the pid, such as `/proc/7/stat` and
 * `/proc/8/stat`, count as the same path.
 */
export function refusalKey({ blockers, object, program }: Refusal): string {
  return JSON.stringify([blockers, object?.replace(/^\/proc\/\d+/, "/proc/self"), program]);
}

/** Stands for denials without a record. */
const other = "other";

/**
 * The sandbox refused something. The first refusal of a kind is recorded at once. Of later refusals only the
 * count is recorded: at the tenth, the hundredth and so on, and when the task has ended.
 */
const denied = defineEvent({
  schema: denialHistory,
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
  counts: {
    name: "exec2_denials_total",
    help: "Recorded denials of the sandbox, by the part that refused.",
    label: ["blocker", [...blockerNames, other]],
    totals: ({ denials: { refusals, others, lost } }: { readonly denials: DenialHistory }) => {
      const totals = new Map([[other, others + lost]]);
      for (const { blockers, count } of refusals) {
        const [blocker = other] = blockers;
        totals.set(blocker, (totals.get(blocker) ?? 0) + count);
      }
      return totals;
    },
  },
  shown: { tone: "bad", category: "run", group: "continues", parties: ["task", "driver"] },
  fields: {
    ignored: ["refusals.pid", "refusals.firstAt", "refusals.count", "others", "lost", "domains"],
    masked: {},
  },
});

/** Such as `reading /etc/passwd (/usr/bin/grep), twice`. May contain control characters: see `visible`. */
export function describeRefusal(refusal: Refusal): string {
  const { program, count } = refusal;
  const times = formatRepetition(count);
  return `${describeDenial(refusal)}${program === null ? "" : ` (${program})`}${times && `, ${times}`}`;
}

export const denials = { denied };
