/**
 * The suite of honesty: ends of the outputs of programs, with what the host and the kernel show, and the true cause of
 * each failure. A cause is *named* if something witnesses it, *told* if the program's words are about it and the host
 * shows the same, *quoted* if only the words tell of it, and *silent* if nothing does. No cause may be *false*: named or
 * told, but another than the true one.
 *
 * A case is a file in `programs`: facts, a line with `---`, and the output. Facts, each a line of `name: value`:
 * - `truth`: the kind of the true cause, or `other` for a cause that nobody can see from outside
 * - `expect`: `named`, `told`, `quoted` or `silent`
 * - `says`: what the cause has to say
 * - `exit`, `signal`: how it ended; by default with exit code 1
 * - `has`: a path of the host that the task's root lacks; `nowhere`: a path that nobody has
 * - `link`: a symbolic link in the task's root, whose target is missing; with ` -> ` and the target if the host has that
 * - `owned`: a folder of root; `volume`: where the task has a volume
 * - `missed`: a path of the host that the record has as missed; `calls`: other failed calls of the record, each with
 *   the call, the errno and the object or `-`; `by`: the process of both, by default the main one;
 *   `thread`: the thread, by default the process's first; `before`: how many milliseconds before the end
 * - `ended`: the thread that ended the main process, by default its first; `code`: the exit code of the process `by`, by
 *   default the run's
 * - `denied`: the last denial of the sandbox, a right and its object
 * - `listening`: `nobody`, or the program that listens at the port that the output names
 * - `disk`: `full` or `free`; `refused_processes`: how many processes a limit has refused
 */

import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { expect, it } from "vitest";
import { readCause } from "../../../src/fleet/causeText.ts";
import { causeOf } from "../../../src/history/cause/cause.ts";
import { callFor } from "../../../src/history/cause/decisive.ts";
import type { HostEvidence, PathFacts, RefusalBeforeEnd } from "../../../src/history/cause/evidence.ts";
import { readEnd } from "../../../src/history/cause/knownTexts.ts";
import type { BlackBoxRecord } from "../../../src/machines/events/blackBox.ts";
import { type Cause, causeText } from "../../../src/machines/events/cause.ts";
import type { Exit } from "../../../src/machines/events/ending.ts";
import { fold } from "../../../src/machines/taskMachine.ts";
import { event, sampleData } from "../../support/history/history.ts";

const folder = `${import.meta.dirname}/programs`;

interface Case {
  readonly name: string;
  readonly lines: readonly string[];
  /** The values of a fact. */
  readonly all: (fact: string) => readonly string[];
  readonly one: (fact: string) => string | undefined;
}

const cases = readdirSync(folder).map(readCase);

function readCase(file: string): Case {
  const text = readFileSync(`${folder}/${file}`, "utf8");
  const [facts = "", output = ""] = text.split(/^---\n/m);
  const pairs = facts
    .trim()
    .split("\n")
    .map((line) => line.split(/: (.*)/));
  const all = (fact: string) => pairs.flatMap(([name, value = ""]) => (name === fact ? [value] : []));
  return { name: file.replace(".txt", ""), lines: output.split("\n"), all, one: (fact) => all(fact)[0] };
}

const { cause: _, ...sampleEnd } = sampleData("exited");
const { endedAt } = sampleEnd;

function contextOf({ one }: Case) {
  const volume = one("volume");
  const mount = {
    source: "/srv/volume",
    target: volume ?? "",
    readOnly: false,
    propagation: "private" as const,
  };
  return fold([
    event("requested", volume === undefined ? {} : { mounts: [mount] }),
    event("fingerprinted"),
    event("sandboxed", { root: "private", unveiled: [{ path: "/usr", mode: "rx", source: "default" }] }),
    event("started"),
  ]).context;
}

const main = contextOf({ name: "", lines: [], all: () => [], one: () => undefined }).process?.task.pid ?? 0;

function recordOf({ all, one }: Case): BlackBoxRecord | undefined {
  const [missed, calls] = [all("missed"), all("calls")];
  if (missed.length + calls.length === 0) return undefined;
  const pid = Number(one("by") ?? main);
  const thread = Number(one("thread") ?? pid);
  const by = { pid, thread, program: "app", at: endedAt - Number(one("before") ?? 9) };
  const exitCode = Number(one("exit") ?? 1);
  const other = { ...by, thread: pid, exitCode: Number(one("code") ?? exitCode), at: endedAt - 1 };
  const own = { ...by, pid: main, thread: Number(one("ended") ?? main), exitCode, at: endedAt };
  return {
    missed: missed.map((path) => ({ path, ...by })),
    calls: calls.map((each) => {
      const [call = "", error = "", object = "-"] = each.split(" ");
      return { call, error, object: object === "-" ? null : object, ...by };
    }),
    signals: [],
    crash: null,
    ends: pid === main ? [own] : [other, own],
  };
}

/** What the host shows, as `diagnose` looks for it: only what the last message or its call names. */
function evidenceOf(each: Case): HostEvidence {
  const { all, one, lines } = each;
  const { known } = readEnd(lines);
  const record = recordOf(each);
  const file = { uid: 0, gid: 0, mode: 0o100644, isFolder: false };
  const owned = all("owned");
  const factsAt = (path: string): PathFacts[] => {
    const link = all("link")
      .map((each) => each.split(" -> "))
      .find(([from]) => from === path);
    if (link !== undefined) {
      const target = link[1] === undefined ? undefined : { path: link[1], found: file };
      return [{ path, found: { ...file, mode: 0o120777 }, target }];
    }
    if (all("has").includes(path)) return [{ path, found: file }];
    if (all("nowhere").includes(path)) return [{ path, found: undefined }];
    const folder = [path, posix.dirname(path)].find((place) => owned.includes(place));
    return folder === undefined
      ? []
      : [{ path: folder, found: { uid: 0, gid: 0, mode: 0o040755, isFolder: true } }];
  };
  const object = known && callFor(known, record, endedAt)?.object;
  const paths = [...(known?.paths ?? []), ...(object?.startsWith("/") ? [object] : [])];
  const listening = one("listening");
  const disk = one("disk");
  return {
    paths: known?.kind === "missing_path" || known?.kind === "permission" ? paths.flatMap(factsAt) : [],
    disk:
      disk === undefined
        ? undefined
        : { path: "/srv", freeBytes: disk === "full" ? 0 : 2 ** 36, totalBytes: 2 ** 38, freeFiles: 9 },
    listener: listening === "nobody" ? undefined : listening,
    isListening: listening === undefined ? undefined : listening !== "nobody",
    cpuSeconds: undefined,
    refusedProcesses: Number(one("refused_processes") ?? 0),
    ...(record && { recorded: { record, missed: record.missed.flatMap(({ path }) => factsAt(path)) } }),
  };
}

function refusedIn({ one }: Case): RefusalBeforeEnd | undefined {
  const [blocker, object = null] = one("denied")?.split(" ") ?? [];
  if (blocker === undefined) return undefined;
  const refusal = {
    blockers: [blocker],
    object,
    program: "/usr/bin/app",
    pid: 1,
    firstAt: endedAt,
    count: 1,
  };
  return { refusal, beforeMs: 9 };
}

function causeIn(each: Case): Cause {
  const signal = Number(each.one("signal") ?? 0);
  const exitCode = signal > 0 ? 128 + signal : Number(each.one("exit") ?? 1);
  const end: Exit = { ...sampleEnd, exitCode, signal };
  return causeOf(contextOf(each), end, readEnd(each.lines), evidenceOf(each), refusedIn(each));
}

function verdict(each: Case): "named" | "told" | "quoted" | "silent" | "false" {
  const { grade, kind, advice = [] } = causeIn(each);
  const isTrue = kind === each.one("truth");
  if (grade === "witnessed") return isTrue ? "named" : "false";
  if (grade === "words" && isTrue && advice.length === 0) return "told";
  if (advice.length > 0 || kind !== "unknown") return "false";
  return grade === "words" ? "quoted" : "silent";
}

it.each(cases.map((each) => [each.name, each] as const))("%s", (_, each) => {
  const text = causeText(causeIn(each));
  expect(`${verdict(each)}: ${text}`).toMatch(new RegExp(`^${each.one("expect")}: `));
  expect(text).toContain(each.one("says") ?? "");
});

it("names no false cause of two hundred ends", () => {
  const counts = { named: 0, told: 0, quoted: 0, silent: 0, false: 0 };
  for (const each of cases) counts[verdict(each)] += 1;
  console.info(`${cases.length} outputs: ${JSON.stringify(counts)}`);
  expect(cases.length).toBeGreaterThanOrEqual(200);
  expect(counts.false).toBe(0);
});

it("says each cause in words by which fleet knows its kind again", () => {
  const causes = cases.map(causeIn).filter(({ kind }) => kind !== "unknown");
  expect(causes.map(({ text }) => `${readCause(text)?.kind}: ${text}`)).toEqual(
    causes.map(({ kind, text }) => `${kind}: ${text}`),
  );
});

it("opens the sandbox only by advice that a recorded call or a denial stands behind", () => {
  for (const each of cases) {
    const { advice = [] } = causeIn(each);
    if (advice.every(({ option }) => option === "identity_files")) continue;
    expect(
      [each.name, ...each.all("missed"), ...each.all("calls"), ...each.all("denied")].length,
    ).toBeGreaterThan(1);
    expect(each.one("truth")).not.toBe("other");
  }
});
