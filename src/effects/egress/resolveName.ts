/**
 * Looks up the addresses of a name without blocking the event loop or one of libuv's threads, as getaddrinfo(3)
 * would: in hosts(5), then at the name servers of resolv.conf(5), or at others. Other sources of
 * nsswitch.conf(5) are not asked.
 */
import { Resolver } from "node:dns/promises";
import { readFile } from "node:fs/promises";
import { parseAddress } from "../network/addresses.ts";

/** The addresses of a name, and how long they may be used. */
export interface NameAnswer {
  /** At least one. */
  readonly addresses: readonly string[];
  /** Time to live, in milliseconds. */
  readonly ttlMs: number;
}

/** Names in hosts(5) have no time to live. */
const hostsTtlMs = 60_000;

/** Each server is asked this many times, for this many milliseconds at first. */
const patience = { timeout: 1_000, tries: 3 };

/**
 * @param name in full: no search domain is added
 * @param servers addresses of name servers; none for the host's, and its hosts file
 * @throws Error whose message says why the name has no address
 */
export async function resolveName(name: string, servers: readonly string[]): Promise<NameAnswer> {
  const listed = servers.length > 0 ? [] : addressesIn(await readHosts(), name);
  if (listed.length > 0) return { addresses: listed, ttlMs: hostsTtlMs };
  const resolver = new Resolver(patience);
  if (servers.length > 0) resolver.setServers(servers);
  const results = await Promise.allSettled([
    resolver.resolve4(name, { ttl: true }),
    resolver.resolve6(name, { ttl: true }),
  ]);
  const records = results.flatMap((result) => (result.status === "fulfilled" ? result.value : []));
  if (records.length === 0) throw new Error(reasonOf(results));
  return {
    addresses: records.map(({ address }) => address),
    ttlMs: Math.min(...records.map(({ ttl }) => ttl)) * 1_000,
  };
}

function readHosts(): Promise<string> {
  return readFile("/etc/hosts", "utf8").catch(() => "");
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
function reasonOf(results: readonly PromiseSettledResult<unknown>[]): string {
  const codes = results.flatMap((result) =>
    result.status === "rejected" ? [String((result.reason as { code?: unknown }).code)] : [],
  );
  // If one of the questions failed for another reason than a missing record, the name may have addresses.
  const code =
    codes.find((each) => !(each in meanings)) ?? codes.find((each) => each !== "ENODATA") ?? "ENODATA";
  return meanings[code] ?? failures[code] ?? `the look-up failed with ${code}`;
}

/** dns(3) of c-ares: answers. */
const meanings: Readonly<Record<string, string>> = {
  ENOTFOUND: "there is no such name",
  ENODATA: "it has no address",
};

const failures: Readonly<Record<string, string>> = {
  ETIMEOUT: "no name server answered",
  ECONNREFUSED: "no name server could be reached",
  ESERVFAIL: "the name server failed (SERVFAIL)",
  EREFUSED: "the name server refused to answer",
};
