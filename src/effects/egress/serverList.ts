/**
 * Name servers: how lists of them are written, and which of a job's the driver asks. It sends a question only where
 * the client lets a task connect: otherwise a job would reach by the driver what its tasks do not reach. Pure.
 */
import { isLoopback, loopbackOf, parseAddress } from "../network/addresses.ts";
import { type EgressOptions, egressAnswer } from "./egress.ts";

export interface NameServer {
  /** An IPv6 address may have a zone: `fe80::1%eth0`. */
  readonly host: string;
  readonly port: number;
}

/** @param texts addresses, with a port if it is not 53: `10.0.0.53`, `10.0.0.53:5353`, `[fd00::53]:5353` */
export function serversOf(texts: readonly string[]): NameServer[] {
  return texts.flatMap((text) => {
    const [, six, four, port] = /^(?:\[(.+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
    const host = six ?? four ?? text;
    return addressOf(host) === undefined ? [] : [{ host, port: Number(port ?? 53) }];
  });
}

export interface JobServers {
  /** Those that are asked, as the job names them. */
  readonly asked: readonly string[];
  /** Why none is; undefined if some are, or if the job names none. */
  readonly problem: string | undefined;
}

/**
 * @param named the servers of a job's `dns` block
 * @param client the client's lists. Both protocols count, because a long answer comes by TCP
 * @param hasOwnNetwork whether the task's loopback device is its own, where the driver does not get
 */
export function jobServers(
  named: readonly string[],
  client: EgressOptions,
  hasOwnNetwork: boolean,
): JobServers {
  const found = named.map((text) => ({ text, why: whyNot(text, client, hasOwnNetwork) }));
  const asked = found.flatMap(({ text, why }) => (why === undefined ? [text] : []));
  const [first] = found;
  const problem =
    asked.length > 0 || first === undefined ? undefined : `${first.text} is not asked: ${first.why}`;
  return { asked, problem };
}

function whyNot(text: string, client: EgressOptions, hasOwnNetwork: boolean): string | undefined {
  const [server] = serversOf([text]);
  const written = server && addressOf(server.host);
  if (server === undefined || written === undefined) return "it is no address";
  // The unspecified addresses reach loopback: ip(7).
  const address = written.address.some((byte) => byte !== 0) ? written : loopbackOf(written.family);
  if (hasOwnNetwork && isLoopback(address)) return "it is in the task's own network";
  for (const protocol of ["udp", "tcp"] as const) {
    const place = { protocol, address, name: undefined, port: server.port };
    const { allowed, by } = egressAnswer(place, client, new Map());
    if (!allowed) return by === undefined ? "this client's egress lacks it" : `this client denies ${by}`;
  }
  return undefined;
}

function addressOf(host: string) {
  const [address = "", zone] = host.split("%");
  const found = parseAddress(address);
  return zone !== undefined && found?.family === 4 ? undefined : found;
}
