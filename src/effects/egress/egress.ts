/**
 * Where a task may connect: the entries of `egress` and `egress_denied`, and what they say to a destination.
 * Pure.
 */

import {
  type AddressRange,
  firstOf,
  formatAddress,
  isInRange,
  isLoopback,
  loopbackOf,
  parseAddress,
} from "../network/addresses.ts";
import type { OptionProblem } from "../options/optionProblem.ts";

/** An entry: what it names, and the protocol and the port that it is limited to. */
export interface EgressEntry {
  /** Null: TCP and UDP. */
  readonly protocol: EgressProtocol | null;
  readonly to: EgressTarget;
  /** Null: every port. */
  readonly port: number | null;
}

export type EgressProtocol = "tcp" | "udp";

type EgressTarget =
  | { readonly kind: "range"; readonly range: AddressRange }
  /** A host name, in lower case. */
  | { readonly kind: "name"; readonly name: string };

/** An entry, as the kernel checks it: for addresses. */
export interface EgressRule extends AddressRange {
  readonly protocol: EgressProtocol | null;
  readonly port: number | null;
}

/** Rules for the destinations of a task. Loopback addresses are always allowed, unless a rule denies them. */
export interface EgressRules {
  /** Null: everything that is not denied. */
  readonly allowed: readonly EgressRule[] | null;
  /** They win over `allowed`, however long the prefixes are. */
  readonly denied: readonly EgressRule[];
}

/** The addresses of names; a name that has not been resolved is missing. */
export type NameAddresses = ReadonlyMap<string, readonly string[]>;

/** The settled options of a task, as texts. */
export interface EgressOptions {
  /** Undefined: everything that is not denied. */
  readonly egress?: readonly string[] | undefined;
  readonly egressDenied: readonly string[];
}

export const maxEgressEntries = 256;

/** Maximum number of names in a list: each is looked up, again and again, and may have many addresses. */
export const maxEgressNames = 64;

/** What is wrong with an entry; undefined if nothing is. */
export function egressProblem(text: string): OptionProblem | undefined {
  const read = parse(text);
  return "problem" in read ? { message: `(${JSON.stringify(text)}) ${read.problem}`, hint } : undefined;
}

/** The same for an entry of `egress_denied`, which cannot have a name. */
export function deniedProblem(text: string): OptionProblem | undefined {
  const read = parse(text);
  if (!("problem" in read) && read.to.kind === "name") {
    return {
      message: `(${JSON.stringify(text)}) must be an address`,
      hint: "A task could reach what the name stands for by another name. Write addresses",
    };
  }
  return egressProblem(text);
}

const hint =
  'Write an address, a range or a name, with a port if only that is meant: "192.0.2.7", "10.0.0.0/8:5432", "[2001:db8::/32]:443", "udp:10.0.0.53:53", "api.example.org:443"';

/** @throws Error for a text that {@link egressProblem} refuses */
export function parseEgress(text: string): EgressEntry {
  const read = parse(text);
  if ("problem" in read) throw new Error(`${JSON.stringify(text)} ${read.problem}`);
  return read;
}

type Parsed = EgressEntry | { readonly problem: string };

/**
 * Texts that were read before: a start reads each entry several times, and the next start reads the same ones.
 */
const parsed = new Map<string, Parsed>();
const maxParsed = 4_096;

function parse(text: string): Parsed {
  const known = parsed.get(text);
  if (known !== undefined) return known;
  const read = parseAnew(text);
  if (parsed.size >= maxParsed) parsed.clear();
  parsed.set(text, read);
  return read;
}

function parseAnew(text: string): Parsed {
  const [, prefix, rest = ""] = /^(?:(tcp|udp):)?(.*)$/s.exec(text) ?? [];
  const protocol = (prefix as EgressProtocol | undefined) ?? null;
  const { host, digits } = split(rest);
  const port = digits === undefined ? null : Number(digits);
  if (digits !== undefined && (!/^[1-9]\d{0,4}$/.test(digits) || Number(digits) > 65_535))
    return { problem: `has ${JSON.stringify(digits)} where a port from 1 to 65535 belongs` };
  const to = parseTarget(host);
  return "problem" in to ? to : { protocol, to, port };
}

/** The host of an entry without its brackets, and its port. An address with several colons needs brackets for one. */
function split(text: string): { readonly host: string; readonly digits: string | undefined } {
  const [, inside, after] = /^\[([^\]]*)\](?::(.*))?$/s.exec(text) ?? [];
  if (inside !== undefined) return { host: inside.includes(":") ? inside : text, digits: after };
  const colons = text.split(":").length - 1;
  if (colons !== 1) return { host: text, digits: undefined };
  const at = text.indexOf(":");
  return { host: text.slice(0, at), digits: text.slice(at + 1) };
}

function parseTarget(host: string): EgressTarget | { readonly problem: string } {
  const [text = "", length, ...more] = host.split("/");
  const address = parseAddress(text);
  if (address === undefined) {
    if (host.includes("*"))
      return { problem: "has a wildcard: nobody can list the names that it stands for" };
    return isName(host)
      ? { kind: "name", name: host.toLowerCase() }
      : { problem: "is no address, range or name" };
  }
  if (length === undefined) return { kind: "range", range: address };
  // The prefix of an IPv4 address that is written as an IPv6 one counts from the IPv6 address's first bit.
  const shift = address.family === 4 && text.includes(":") ? 96 : 0;
  const bits = Number(length) - shift;
  if (!/^\d{1,3}$/.test(length) || more.length > 0 || bits < 0 || bits > address.bits)
    return { problem: `has no prefix length from ${shift} to ${shift + address.bits}` };
  const range = { ...address, bits };
  const first = firstOf(range);
  if (!first.every((byte, index) => byte === range.address[index]))
    return { problem: `has bits after its prefix: the range is ${formatAddress(first)}/${bits}` };
  return { kind: "range", range };
}

/** Whether a text is a host name, RFC 1123; with underscores, which some services' names have. */
function isName(text: string): boolean {
  const labels = text.split(".");
  return (
    text.length <= 253 &&
    labels.every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label)) &&
    // An address that is mistyped is not to be taken for a name.
    !/^\d+$/.test(labels.at(-1) ?? "")
  );
}

/** The text of an entry. */
export function formatEgress({ protocol, to, port }: EgressEntry): string {
  const host = to.kind === "name" ? to.name : formatRange(to.range);
  const needsBrackets = port !== null && host.includes(":");
  return `${protocol === null ? "" : `${protocol}:`}${needsBrackets ? `[${host}]` : host}${port === null ? "" : `:${port}`}`;
}

function formatRange({ family, address, bits }: AddressRange): string {
  const isOne = bits === (family === 4 ? 32 : 128);
  return `${formatAddress(address)}${isOne ? "" : `/${bits}`}`;
}

/** The names in a list of entries, each once. */
export function namesIn(entries: readonly string[]): string[] {
  const names = entries.flatMap((text) => {
    const { to } = parseEgress(text);
    return to.kind === "name" ? [to.name] : [];
  });
  return [...new Set(names)];
}

/** What the rules of a task come from. */
export interface EgressTerms extends EgressOptions {
  readonly names: NameAddresses;
}

/** The rules of a task's options, with the addresses of names. */
export function egressRules({ egress, egressDenied, names }: EgressTerms): EgressRules {
  return {
    allowed: egress === undefined ? null : egress.flatMap((text) => rulesOf(parseEgress(text), names)),
    denied: egressDenied.flatMap((text) => rulesOf(parseEgress(text), names)),
  };
}

function rulesOf({ protocol, to, port }: EgressEntry, names: NameAddresses): EgressRule[] {
  const ranges =
    to.kind === "range"
      ? [to.range]
      : (names.get(to.name) ?? []).flatMap((address) => parseAddress(address) ?? []);
  return ranges.map((range) => ({ ...range, protocol, port }));
}

/** A place that a task connects or sends to. */
export interface Destination {
  readonly protocol: EgressProtocol;
  /** Undefined for a name that is not resolved. */
  readonly address: AddressRange | undefined;
  readonly name: string | undefined;
  readonly port: number;
}

/** What a task's options say to a destination, and the entry that decides; undefined if none does. */
export interface EgressAnswer {
  readonly allowed: boolean;
  readonly by: string | "loopback" | undefined;
}

/** The answer to a destination, as the kernel gives it. */
export function egressAnswer(
  { protocol, address, name, port }: Destination,
  { egress, egressDenied }: EgressOptions,
  names: NameAddresses,
): EgressAnswer {
  // The unspecified addresses reach loopback: ip(7).
  const reached = address?.address.every((byte) => byte === 0) ? loopbackOf(address.family) : address;
  const covers = (text: string) => {
    const entry = parseEgress(text);
    if ((entry.protocol ?? protocol) !== protocol || (entry.port ?? port) !== port) return false;
    if (entry.to.kind === "name" && entry.to.name === name) return true;
    return reached !== undefined && rulesOf(entry, names).some((rule) => isInRange(reached, rule));
  };
  const denying = egressDenied.find(covers);
  if (denying !== undefined) return { allowed: false, by: denying };
  if (reached !== undefined && isLoopback(reached)) return { allowed: true, by: "loopback" };
  if (egress === undefined) return { allowed: true, by: undefined };
  const allowing = egress.find(covers);
  return { allowed: allowing !== undefined, by: allowing };
}

/** Entries of a list that other entries do not cover. A name is covered only by itself, or by all addresses. */
export function egressBeyond(entries: readonly string[], allowed: readonly string[]): string[] {
  const wide = allowed.map(parseEgress);
  return entries.filter((text) => !isCovered(parseEgress(text), wide));
}

/** Entries of which nothing is left by `egress_denied`. */
export function egressWithin(entries: readonly string[], denied: readonly string[]): string[] {
  const wide = denied.map(parseEgress);
  return entries.filter((text) => {
    const entry = parseEgress(text);
    return entry.to.kind === "range" && isCovered(entry, wide);
  });
}

function isCovered(entry: EgressEntry, wide: readonly EgressEntry[]): boolean {
  const protocols = entry.protocol === null ? (["tcp", "udp"] as const) : [entry.protocol];
  return protocols.every((protocol) => {
    const around = wide.filter(
      (each) => (each.protocol ?? protocol) === protocol && (each.port === null || each.port === entry.port),
    );
    const { to } = entry;
    const contains = (range: AddressRange) =>
      around.some((each) => each.to.kind === "range" && isInRange(range, each.to.range));
    if (to.kind === "range") return contains(to.range);
    const isNamed = around.some((each) => each.to.kind === "name" && each.to.name === to.name);
    return isNamed || everything.every(contains);
  });
}

/** All addresses. */
const everything: readonly AddressRange[] = [
  { family: 4, address: new Uint8Array(4), bits: 0 },
  { family: 6, address: new Uint8Array(16), bits: 0 },
];

/**
 * The addresses at which clouds tell a machine about itself, with keys for its account: Amazon, Google, Azure,
 * Oracle, DigitalOcean and others; Amazon over IPv6; Google over IPv6; Alibaba; Oracle's older one; Azure's
 * agent, whose other service at port 53 resolves names.
 */
export const metadataAddresses: readonly string[] = [
  "169.254.169.254",
  "fd00:ec2::254",
  "fd20:ce::254",
  "100.100.100.200",
  "192.0.0.192",
  "168.63.129.16:80",
  "168.63.129.16:32526",
];

/** Where a task may connect, as events record it. */
export interface EgressLists {
  /** Null: everything that is not denied. */
  readonly allowed: readonly string[] | null;
  readonly denied: readonly string[];
}

/**
 * The lists of a task; undefined if nothing restricts it.
 * @param task its settled options
 */
export function egressLists(
  task: Pick<EgressOptions, "egress">,
  plugin: Pick<EgressOptions, "egressDenied">,
): EgressLists | undefined {
  if (task.egress === undefined && plugin.egressDenied.length === 0) return undefined;
  return { allowed: task.egress ?? null, denied: plugin.egressDenied };
}
