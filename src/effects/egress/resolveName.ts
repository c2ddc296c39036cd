/**
 * Looks up the addresses of a name without blocking the event loop or one of libuv's threads, as getaddrinfo(3)
 * would: in hosts(5), then at the name servers of resolv.conf(5), or at others. Other sources of
 * nsswitch.conf(5) are not asked.
 */
import { readFile } from "node:fs/promises";
import { parseAddress } from "../network/addresses.ts";
import { type Answer, addressTypes, codes, maxAddresses } from "./dnsMessage.ts";
import { ask, type Failure, hostServers, type NameServers, ownTurn } from "./nameServers.ts";
import { serversOf } from "./serverList.ts";

/** The addresses of a name, and how long they may be used. */
export interface NameAnswer {
  /** At least one, and at most {@link maxAddresses}. */
  readonly addresses: readonly string[];
  /** How many more the name has. */
  readonly unused: number;
  /** Time to live, in milliseconds. */
  readonly ttlMs: number;
}

/** Names in hosts(5) have no time to live. */
const hostsTtlMs = 60_000;

/**
 * @param name in full: no search domain is added
 * @param servers addresses of name servers; none for the host's, and its hosts file
 * @throws Error whose message says why the name has no address
 */
export async function resolveName(name: string, servers: readonly string[]): Promise<NameAnswer> {
  await ownTurn();
  const listed = servers.length > 0 ? [] : addressesIn(await textOf("/etc/hosts"), name);
  if (listed.length > 0) return { ...bounded(listed), ttlMs: hostsTtlMs };
  const asked: NameServers =
    servers.length > 0
      ? { servers: serversOf(servers), rotates: false, byTcp: false }
      : hostServers(await textOf("/etc/resolv.conf"));
  const results = await Promise.all(addressTypes.map((type) => ask(name, type, asked)));
  const answers = results.filter((result) => typeof result !== "string");
  const found = answers.filter(({ addresses }) => addresses.length > 0);
  if (found.length === 0) throw new Error(reasonOf(results));
  const { addresses, unused } = bounded(found.flatMap((answer) => answer.addresses));
  return {
    addresses,
    unused: found.reduce((sum, answer) => sum + answer.unused, unused),
    ttlMs: Math.min(...found.map(({ ttl }) => ttl)) * 1_000,
  };
}

function bounded(addresses: readonly string[]): Omit<NameAnswer, "ttlMs"> {
  return {
    addresses: addresses.slice(0, maxAddresses),
    unused: Math.max(0, addresses.length - maxAddresses),
  };
}

function textOf(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => "");
}

/** The addresses of a name in a hosts file. */
export function addressesIn(hosts: string, name: string): string[] {
  const found = hosts.split("\n").flatMap((line) => {
    const [address = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    const isNamed = names.some((each) => each.toLowerCase() === name);
    return isNamed && parseAddress(address) !== undefined ? [address] : [];
  });
  return [...new Set(found)];
}

/** What a failed look-up means, without the name. */
function reasonOf(results: readonly (Answer | Failure)[]): string {
  // If one of the questions failed, the name may have addresses.
  const failure = results.find((result) => typeof result === "string");
  if (failure !== undefined) return failures[failure];
  const isUnknown = results.some((result) => typeof result !== "string" && result.code === codes.noName);
  return isUnknown ? "there is no such name" : "it has no address";
}

const failures: Readonly<Record<Failure, string>> = {
  timeout: "no name server answered",
  unreachable: "no name server could be reached",
  unreadable: "the name server's answer is no message of DNS",
  failed: "the name server failed (SERVFAIL)",
  refused: "the name server refused to answer",
};
