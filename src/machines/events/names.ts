/** The addresses of the names that a task may connect to. Pure. */
import { z } from "zod";
import { countOf } from "../../units/counts.ts";
import { defineEvent, type EventMessage } from "./defineEvent.ts";

/** What a name of the option `egress` stands for. */
export const resolvedName = z.object({
  name: z.string(),
  /** The addresses that the task may connect to, sorted. */
  addresses: z.array(z.string()),
  /** Why the last attempt to resolve the name failed, or how many addresses are not used; null if all is well. */
  problem: z.string().nullable(),
});

export type ResolvedName = z.infer<typeof resolvedName>;

const nameHistory = resolvedName.extend({
  /** Addresses that the task could connect to earlier, the newest last. */
  former: z.array(
    z.object({
      address: z.string(),
      /** Time of the event that no longer has the address, in milliseconds since the epoch. */
      until: z.number(),
    }),
  ),
});

/** A name and its earlier addresses. */
export type NameHistory = z.infer<typeof nameHistory>;

export const nameHistories = z.array(nameHistory);

/** Number of earlier addresses of a name that are remembered. */
const maxFormer = 32;

/** The histories of names after they have been resolved. Names that were not resolved now stay as they are. */
export function withNames(
  known: readonly NameHistory[],
  names: readonly ResolvedName[],
  time: number,
): NameHistory[] {
  const histories = new Map(known.map((each) => [each.name, each]));
  for (const { name, addresses, problem } of names) {
    const before = histories.get(name);
    const gone = (before?.addresses ?? []).filter((address) => !addresses.includes(address));
    const former = [
      ...(before?.former ?? []).filter(({ address }) => !addresses.includes(address)),
      ...gone.map((address) => ({ address, until: time })),
    ];
    histories.set(name, { name, addresses, problem, former: former.slice(-maxFormer) });
  }
  return [...histories.values()];
}

/** Names have other addresses than before, or could not be resolved, or can be again. */
const namesResolved = defineEvent({
  schema: z.object({ names: z.array(resolvedName) }),
  evolve: ({ data, time }, { names }: { readonly names: readonly NameHistory[] }) => ({
    names: withNames(names, data.names, time),
  }),
  title: "Names resolved",
  summary: ({ names }) => names.map(nameText).join("; "),
  shown: { tone: "plain", category: "run", group: "continues", parties: ["driver", "task"] },
  fields: { ignored: ["names.addresses"], masked: {} },
});

/** Such as `db.example.org is 192.0.2.7 and 2 more`. */
export function nameText({ name, addresses: [first, ...others], problem }: ResolvedName): string {
  const more = others.length === 0 ? "" : ` and ${countOf(others.length, "other")}`;
  const is = first === undefined ? `${name} has no address` : `${name} is ${first}${more}`;
  return problem === null ? is : `${is} (${problem})`;
}

/** One message for the names that the task may connect to, but that have no address yet. */
export function missingNames(known: readonly NameHistory[]): EventMessage | undefined {
  const missing = known.filter(({ addresses }) => addresses.length === 0);
  if (missing.length === 0) return undefined;
  const texts = missing.map(({ name, problem }) => `${name} (${problem ?? "the reason is unknown"})`);
  return {
    text: `Cannot connect yet to ${texts.join(", ")}: its egress has these names, which are looked up again`,
    annotations: { unresolved: missing.map(({ name }) => name).join(", ") },
  };
}

export const names = { namesResolved };
