/**
 * The zod schemas that options are built from. A message completes a sentence that begins `option "name"`. No
 * message repeats an argument of the task's command, because arguments may hold secrets. The documentation of
 * an option is its schema's `meta`: a description, and a valid value as an example. Pure.
 */

import { z } from "zod";
import { parseDuration } from "../../units/durations.ts";
import { callProblem, deniedCallProblem, profileProblem } from "../seccomp/profileOptions.ts";
import { capabilityProblem } from "../values/capabilities.ts";
import { historyProblem } from "../values/history.ts";
import { isHostName, parseHostEntry } from "../values/hostNames.ts";
import { idRangesProblem } from "../values/idRanges.ts";
import { parseMetricsAddress } from "../values/metricsAddress.ts";
import type { OptionProblem } from "../values/optionProblem.ts";
import { ulimitProblem } from "../values/ulimits.ts";
import { unveilProblem } from "../values/unveil.ts";

export const flag = () => z.boolean(mustBe("true or false"));

export const wholeNumber = () =>
  z.number(mustBe("a number")).refine(Number.isInteger, "must be a whole number");

/**
 * Number of processes and threads of a task. The minimum is two, because every run has its init and the
 * task's main process. The maximum is the kernel's own (`PID_MAX_LIMIT` of linux/threads.h), because a higher
 * limit would have no effect.
 */
export const pidsLimit = () =>
  wholeNumber().refine(
    (limit) => limit >= 2 && limit <= maxPids,
    `must be from 2 to ${maxPids}, because every task has an init and a main process`,
  );

const maxPids = 4_194_304;

/** A string without NUL bytes. For the kernel, a NUL byte ends a string. */
export const text = () => z.string(mustBe("a string")).refine(withoutNul, "must not contain a NUL byte");

export const absolutePath = () =>
  text().refine((path) => path.startsWith("/"), "must be an absolute path, one that begins with /");

export const list = <Entry extends z.ZodType>(entry: Entry, of = "strings") =>
  z.array(entry, mustBe(`a list of ${of}`));

/** A list of ports. `minPort` is 0 if the list may have 0, which means any free port. */
export const ports = (minPort: 0 | 1) =>
  list(
    wholeNumber().refine((port) => port >= minPort && port <= 65_535, `must be a port: ${minPort} to 65535`),
    "numbers",
  );

/** `NAME:ADDRESS`; an IPv6 address contains further colons. */
export const hostEntry = () =>
  z.string(mustBe("a string")).refine((entry) => {
    const { name, address } = parseHostEntry(entry);
    return isHostName(name) && ipAddress.safeParse(address).success;
  }, "must be a name, a colon and an IP address, such as db.internal:192.0.2.5");

const ipAddress = z.union([z.ipv4(), z.ipv6()]);

export const unveilEntry = () =>
  checkedText((entry) => {
    const problem = unveilProblem(entry);
    return problem && { ...problem, message: `(${JSON.stringify(entry)}) ${problem.message}` };
  });

export const capabilityName = () => checkedText(capabilityProblem);

/** The name of a system call, or of a group of calls. */
export const allowedCall = () => checkedText(callProblem);
export const deniedCall = () => checkedText(deniedCallProblem);

/** Blocks of profiles. Each profile lists what it allows and refuses. */
export const seccompProfileBlocks = () =>
  z
    .array(z.record(z.string(), list(text()), mustBe("a block of profiles")), mustBe("a block of profiles"))
    .superRefine((blocks, context) => {
      for (const [name, entries] of eachOnce(blocks, context))
        addProblem(context, profileProblem(name, entries));
    });

export const idRanges = () =>
  checkedText((ranges) => {
    const message = idRangesProblem(ranges);
    return message === undefined ? undefined : { message, hint: 'Write ids and ranges, such as "0,100-999"' };
  });

/** MiB of swap; -1 means no limit. */
export const swapLimit = () =>
  wholeNumber().refine((limit) => limit >= -1, "must be a number of MiB, or -1 for no limit");

/** Blocks of names and values, which are merged. */
export const ulimitBlocks = () => textBlocks("limits", ulimitProblem);

/** `history { … }` blocks, which are merged like {@link ulimitBlocks}. */
export const historyBlocks = () => textBlocks("bounds", historyProblem);

/** Interval between samples of tasks' usage. */
export const sampleInterval = () =>
  text().refine((interval) => {
    const ms = parseDuration(interval);
    return ms === 0 || (ms !== undefined && ms >= 1_000 && ms <= 86_400_000);
  }, "must be a duration from 1s to 24h, such as 30s or 5m; or 0");

/** Address of a server that only this host can reach; empty for no server. */
export const localAddress = () =>
  text().refine(
    (address) => address === "" || parseMetricsAddress(address) !== undefined,
    "must be an address of this host with a port, such as 127.0.0.1:9464 or [::1]:9464, or the absolute path of a socket",
  );

export const oneOf = <const Values extends readonly [string, ...string[]]>(values: Values) =>
  z.enum(values, { error: () => `must be ${values.map((value) => JSON.stringify(value)).join(" or ")}` });

function textBlocks(of: string, problemOf: (name: string, value: string) => OptionProblem | undefined) {
  const block = z.record(z.string(), text(), mustBe(`a block of ${of}`));
  return z.array(block, mustBe(`a block of ${of}`)).superRefine((blocks, context) => {
    for (const [name, value] of eachOnce(blocks, context)) addProblem(context, problemOf(name, value));
  });
}

/** The entries of all blocks. A repeated name is a problem. */
function eachOnce<Value>(
  blocks: readonly Readonly<Record<string, Value>>[],
  context: z.core.$RefinementCtx,
): [string, Value][] {
  const entries = blocks.flatMap((each) => Object.entries(each));
  const names = entries.map(([name]) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) context.addIssue(`has ${JSON.stringify(twice)} twice`);
  return entries;
}

function checkedText(problemOf: (value: string) => OptionProblem | undefined) {
  return text().superRefine((value, context) => addProblem(context, problemOf(value)));
}

function addProblem(context: z.core.$RefinementCtx, problem: OptionProblem | undefined): void {
  if (problem === undefined) return;
  context.addIssue({ code: "custom", message: problem.message, params: { hint: problem.hint } });
}

function mustBe(what: string) {
  return {
    error: ({ input }: { readonly input?: unknown }) =>
      input === undefined ? "is missing" : `must be ${what}, not ${typeOf(input)}`,
  };
}

function withoutNul(value: string): boolean {
  return !value.includes("\0");
}

function typeOf(value: unknown): string {
  if (value === null) return "nothing";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "a map" : `a ${typeof value}`;
}
