/** Describes what a task's list of destinations refused, and says what would allow it. Pure. */
import { formatZonedTime } from "../../units/times.ts";
import type { Denial, Verdict } from "../denial.ts";
import { parseAddress } from "../network/addresses.ts";
import {
  type Destination,
  type EgressOptions,
  type EgressProtocol,
  egressAnswer,
  type NameAddresses,
} from "./egress.ts";

/** What `egress` and `egress_denied` say, and what they knew of names. */
export interface EgressAllowance extends EgressOptions {
  readonly names: NameAddresses;
  /** Addresses that names had earlier, the newest last. */
  readonly former: readonly { readonly name: string; readonly address: string; readonly until: number }[];
}

const EGRESS = "egress.";

/** The blocker of a refused destination, or of a kind of socket that has none. */
export function egressBlocker(kind: EgressProtocol | "socket"): string {
  return `${EGRESS}${kind}`;
}

/** The words that follow "denied", by {@link egressBlocker}. */
export const egressWords: Readonly<Record<string, string>> = {
  "egress.tcp": "connecting to",
  "egress.udp": "sending by UDP to",
  "egress.socket": "a socket of the kind",
};

/** The object of a denial. */
export function destinationText(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** The verdict of a task's list of destinations; undefined if it does not refuse what was denied. */
export function egressVerdict(
  { blockers: [blocker = ""], object }: Denial,
  allowance: EgressAllowance,
): Verdict | undefined {
  if (!blocker.startsWith(EGRESS)) return undefined;
  const { egress, names, former } = allowance;
  const kind = blocker.slice(EGRESS.length);
  if (kind === "socket") {
    return egress === undefined
      ? undefined
      : { never: "Only tasks without egress use sockets other than TCP and UDP" };
  }
  const asked = destinationOf(kind, object);
  if (asked === undefined || object === null) return { never: "" };
  const { allowed, by } = egressAnswer(asked, allowance, names);
  if (allowed) return undefined;
  if (by !== undefined) return { never: `The client's egress_denied has ${by}` };
  const entry = `${kind}:${object}`;
  const last = former.findLast(
    ({ address }) => parseAddress(address)?.address.join() === asked.address?.address.join(),
  );
  if (last !== undefined) {
    const now = names.get(last.name) ?? [];
    return {
      risk: `It was an address of ${last.name} until ${formatZonedTime(last.until)}, which ${now.length === 0 ? "has no address now" : `is ${now.join(", ")} now`}. A program that looks the name up again reaches it`,
    };
  }
  // Whoever may ask a name server can send anything to anybody, in the names that it asks for.
  if (asked.port === 53) {
    return {
      risk: `The task needs no name server for the names in its egress, if its hosts file has them. The entry ${JSON.stringify(entry)} would allow it, and to send data to anybody in the names that it asks for`,
    };
  }
  return {
    settings: [{ option: "egress", value: [...(egress ?? []), entry] }],
    permission: `${entry} in egress, if this option is set there`,
  };
}

function destinationOf(kind: string, object: string | null): Destination | undefined {
  if (object === null || (kind !== "tcp" && kind !== "udp")) return undefined;
  const [, host = "", digits = ""] = /^(.*):(\d{1,5})$/.exec(object) ?? [];
  const text = host.replace(/^\[(.*)\]$/, "$1");
  const address = parseAddress(text);
  const name = address === undefined ? text.toLowerCase() : undefined;
  return { protocol: kind, address, name, port: Number(digits) };
}
