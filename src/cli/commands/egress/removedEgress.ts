/** Which connections of a task are to what was removed from its egress, by its history. Pure. */
import { egressAnswer, namesIn } from "../../../effects/egress/egress.ts";
import type { TaskConnection } from "../../../effects/egress/taskConnections.ts";
import { parseAddress } from "../../../effects/network/addresses.ts";
import type { TaskEvent } from "../../../machines/events.ts";
import type { TaskContext } from "../../../machines/taskContext.ts";

export interface EgressOfTask {
  readonly context: Pick<TaskContext, "sandbox" | "names">;
  readonly events: readonly TaskEvent[];
}

/**
 * A connection counts as removed if an entry that the list had allows it, and neither the present list does nor an
 * address that one of the present names had. Others of the task may be older than a name's addresses, or have come in.
 * @returns undefined if nothing was removed
 */
export function removedEgress({
  context,
  events,
}: EgressOfTask):
  | ((connection: Pick<TaskConnection, "protocol" | "address" | "port">) => boolean)
  | undefined {
  const { allowed = null, denied = [] } = context.sandbox?.egress ?? {};
  if (allowed === null) return undefined;
  const formerly = new Set<string>();
  const addresses = new Map<string, Set<string>>();
  for (const { type, data } of events) {
    if (type === "egressChanged") for (const entry of data.removed) formerly.add(entry);
    const names =
      type === "sandboxed"
        ? data.egress?.names
        : type === "egressChanged" || type === "namesResolved"
          ? data.names
          : [];
    for (const each of names ?? []) {
      const known = addresses.get(each.name) ?? new Set();
      for (const address of each.addresses) known.add(address);
      addresses.set(each.name, known);
    }
  }
  const egress = [...formerly].filter((entry) => !allowed.includes(entry));
  if (egress.length === 0) return undefined;
  const past = new Map(Array.from(addresses, ([name, known]) => [name, [...known]]));
  const present = new Map(namesIn(allowed).map((name) => [name, past.get(name) ?? []]));
  return ({ protocol, address, port }) => {
    const destination = { protocol, address: parseAddress(address), name: undefined, port };
    const now = egressAnswer(destination, { egress: allowed, egressDenied: denied }, present);
    if (now.allowed || now.by === "loopback") return false;
    return egressAnswer(destination, { egress, egressDenied: [] }, past).allowed;
  };
}
