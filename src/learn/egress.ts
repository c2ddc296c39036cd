/** The entries of `egress` that a task's connections need. Pure. */

import { type EgressProtocol, egressProblem, formatEgress, parseEgress } from "../effects/egress/egress.ts";
import { isLoopback, parseAddress } from "../effects/network/addresses.ts";
import type { Access, AnsweredAccess } from "../effects/observe/access.ts";

type Connected = Extract<Access, { readonly kind: "connected" }>;

/** A place to which a task has connected. */
interface Place {
  readonly address: string;
  readonly port: number;
  readonly protocols: Set<EgressProtocol>;
}

const DNS = 53;
/** The Go programs' port for connections of UDP that only find out the way to an address. */
const DISCARD = 9;

/**
 * An address of which a name server of the task has told a name is proposed as this name. A name server is left
 * out if the task asked it only for addresses of such names: the driver looks them up for the task.
 * @returns entries in the form of the option, names first
 */
export function learnEgress(accesses: readonly Access[]): string[] {
  const places = placesOf(accesses.filter((access) => access.kind === "connected"));
  const isServer = (server: string) =>
    places.some(({ address, port }) => address === server && port === DNS) || isLocal(server);
  const answers = accesses
    .filter((access) => access.kind === "answered")
    .filter(({ server, name }) => isServer(server) && isName(name));
  const namesOf = (address: string) =>
    new Set(answers.flatMap(({ name, addresses }) => (addresses.includes(address) ? [name] : [])));
  const proposed = new Set(places.flatMap(({ address }) => [...namesOf(address)]));
  const needed = places.filter((place) => !isReplaced(place, answers, proposed));
  const entries = needed.flatMap(({ address, port, protocols }) => {
    const names = namesOf(address);
    const hosts = names.size > 0 ? [...names] : [address];
    return hosts.map((host) => ({ host, port, protocols, isName: names.size > 0 }));
  });
  // Two addresses of a name are one entry.
  const merged = Map.groupBy(entries, ({ host, port }) => `${host} ${port}`);
  return [...merged.values()]
    .flatMap(([first, ...rest]) => (first === undefined ? [] : [[first, ...rest] as const]))
    .toSorted(([one], [other]) => Number(other.isName) - Number(one.isName) || compare(one, other))
    .map((group) => textOf(group[0], new Set(group.flatMap(({ protocols }) => [...protocols]))));
}

function placesOf(connections: readonly Connected[]): Place[] {
  const places = new Map<string, Place>();
  for (const { address, port, tcp } of connections) {
    if (port === 0 || isLocal(address)) continue;
    const key = `${address} ${port}`;
    const place = places.get(key) ?? { address, port, protocols: new Set() };
    place.protocols.add(tcp ? "tcp" : "udp");
    places.set(key, place);
  }
  const all = [...places.values()];
  const isConnectedElse = (address: string) =>
    all.some((each) => each.address === address && each.port !== DISCARD);
  return all.filter(
    ({ address, port, protocols }) => port !== DISCARD || protocols.has("tcp") || !isConnectedElse(address),
  );
}

/** Loopback is always allowed; the unspecified addresses reach it. */
function isLocal(address: string): boolean {
  const parsed = parseAddress(address);
  return parsed === undefined || isLoopback(parsed) || parsed.address.every((byte) => byte === 0);
}

function isName(name: string): boolean {
  return egressProblem(name) === undefined && parseEgress(name).to.kind === "name";
}

/** Whether a place is a name server that the task does not need any more. */
function isReplaced(
  { address, port, protocols }: Place,
  answers: readonly AnsweredAccess[],
  proposed: ReadonlySet<string>,
): boolean {
  if (port !== DNS || protocols.has("tcp")) return false;
  const own = answers.filter(({ server }) => server === address);
  const isFor = ({ asksForAddress, addresses, name }: AnsweredAccess) =>
    asksForAddress && (proposed.has(name) || addresses.length === 0);
  return own.some(({ name }) => proposed.has(name)) && own.every(isFor);
}

function textOf(
  { host, port }: { readonly host: string; readonly port: number },
  protocols: ReadonlySet<EgressProtocol>,
): string {
  const [only, ...others] = protocols;
  const protocol = others.length > 0 ? null : (only ?? null);
  return formatEgress({ ...parseEgress(host), protocol, port });
}

function compare(
  one: { readonly host: string; readonly port: number },
  other: { readonly host: string; readonly port: number },
): number {
  if (one.host !== other.host) return one.host < other.host ? -1 : 1;
  return one.port - other.port;
}
