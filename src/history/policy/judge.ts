/** What other options of its task would have refused an observed run. Pure. */
import { isDeepStrictEqual } from "node:util";
import { egressAnswer, namesIn, parseEgress } from "../../effects/egress/egress.ts";
import { capabilitySet, formatCapabilities } from "../../effects/kernel/capabilities.ts";
import { portNames, portOptions } from "../../effects/network/ports.ts";
import { refusedMoves } from "./moves.ts";
import type { ObservedRun, RecordedOptions } from "./observedRun.ts";
import { covers, entriesIn, isBelow, listIn, pathNeeds } from "./requirements.ts";

interface RunVerdict {
  /** What would have been refused, such as `r:/etc/ssl`, sorted. */
  readonly refused: readonly string[];
  /** What cannot be judged, as sentences without full stops. */
  readonly unclear: readonly string[];
}

/** Judges a run by other options. What they allow in addition does not count. */
export function judgeRun(run: ObservedRun, candidate: RecordedOptions): RunVerdict {
  const judges = [
    ...[judgePaths, judgeMoves, judgeEgress, judgePorts],
    ...[judgeCapabilities, judgeProcesses, judgeOthers],
  ];
  const parts = judges.map((judge) => judge(run, candidate));
  return {
    refused: [...new Set(parts.flatMap(({ refused }) => refused ?? []))].toSorted(),
    unclear: parts.flatMap(({ unclear }) => unclear ?? []),
  };
}

type Part = (run: ObservedRun, candidate: RecordedOptions) => Partial<RunVerdict>;

const judgePaths: Part = (run, candidate) => {
  const entries = entriesIn(candidate, run.links);
  const { needs, unexplained } = pathNeeds(run);
  const refused = needs.flatMap(({ path, letters, isWhole }) => {
    const around = entries.filter((entry) => covers(entry, path));
    const isThere = around.length > 0 || (!isWhole && entries.some((entry) => isBelow(entry, path)));
    if (letters === "") return isThere ? [] : [`${path} would not be there`];
    const missing = [...letters].filter((letter) => !around.some((entry) => entry.letters.includes(letter)));
    return missing.length === 0 ? [] : [`${missing.join("")}:${path}`];
  });
  const before = listIn(run.options, "unveil");
  const isWider = before.every((text) => entries.some((entry) => entry.text === text));
  return {
    refused,
    unclear: isWider ? [] : unexplained.map((text) => `no known rule explains that it used ${text}`),
  };
};

const judgeMoves: Part = (run, candidate) => {
  const { moves, isCertain, hasMore } = refusedMoves(run, candidate);
  const hasSame = isDeepStrictEqual(listIn(run.options, "unveil"), listIn(candidate, "unveil"));
  const more = hasMore && !hasSame ? ["it moved files among too many folders to know them all"] : [];
  if (isCertain)
    return { refused: moves.map(({ from, to }) => `moving from ${from} to ${to}`), unclear: more };
  const pairs = moves.map(
    ({ from, to, gained }) =>
      `it may have moved a file from ${from} to ${to}, where that would gain ${gained}`,
  );
  return { unclear: [...pairs, ...more] };
};

const judgeEgress: Part = ({ uses, sandbox, names }, { egress }) => {
  if (!Array.isArray(egress)) return {};
  const lists = { egress: egress.map(String), egressDenied: sandbox.egress?.denied ?? [] };
  const addresses = new Map(
    names.map(({ name, addresses, former }) => [
      name,
      [...addresses, ...former.map(({ address }) => address)],
    ]),
  );
  const refused = uses.connects.filter((text) => !reaches(text, lists, addresses));
  const strange = namesIn(lists.egress).filter((name) => !addresses.has(name));
  // A name that the run has not looked up may have any address.
  if (refused.length > 0 && strange.length > 0)
    return { unclear: refused.map((text) => `${text} may be an address of ${strange.join(", ")}`) };
  return { refused: refused.map((text) => `connecting to ${text}`) };
};

/** Whether lists allow a destination such as `tcp:192.0.2.7:443`. */
export function reaches(
  text: string,
  lists: Parameters<typeof egressAnswer>[1],
  addresses: Parameters<typeof egressAnswer>[2],
): boolean {
  const { protocol, to, port } = parseEgress(text);
  if (protocol === null || to.kind !== "range" || port === null) return false;
  const destination = { protocol, address: to.range, name: undefined, port };
  return egressAnswer(destination, lists, addresses).allowed;
}

/** For each option of ports: the protocol of the uses, and whether they are bound. */
export const portUses = {
  connectTcp: ["tcp:", "ports"],
  bindTcp: ["tcp:", "binds"],
  connectUdp: ["udp:", "ports"],
  bindUdp: ["udp:", "binds"],
} as const;

const judgePorts: Part = ({ uses }, candidate) => {
  const parts = portOptions.map((option): Partial<RunVerdict> => {
    const limit = candidate[portNames[option]];
    if (!Array.isArray(limit)) return {};
    const allowed = limit.map(String);
    const [protocol, kind] = portUses[option];
    const refused = uses[kind]
      .filter((text) => text.startsWith(protocol) && !allowed.includes(text.slice(protocol.length)))
      .map((text) => `${kind === "binds" ? "binding" : "connecting to"} port ${text}`);
    const mayBind = option === "bindUdp" && sendsByUdp(uses) && !allowed.includes("0");
    const sending = "whether it sent by UDP without binding a port before, which takes port 0 of bind_udp";
    return { refused, unclear: mayBind ? [sending] : [] };
  });
  return {
    refused: parts.flatMap(({ refused = [] }) => refused),
    unclear: parts.flatMap(({ unclear = [] }) => unclear),
  };
};

/** Whether a socket may have been bound to a free port by sending (docs/configuration.md, ports). */
export function sendsByUdp({ ports }: ObservedRun["uses"]): boolean {
  return ports.some((text) => text.startsWith("udp:"));
}

const judgeCapabilities: Part = ({ uses, options, seesCapabilities }, candidate) => {
  const [had, has] = [capabilitySet(listIn(options, "cap_add")), capabilitySet(listIn(candidate, "cap_add"))];
  const lost = had & ~has;
  if (lost === 0n) return {};
  if (!seesCapabilities)
    return { unclear: ["its kernel does not show which capabilities are used (before Linux 6.13)"] };
  const used = lost & capabilitySet(uses.capabilities.filter((name) => !/^\d/.test(name)));
  return used === 0n ? {} : { refused: [`capability ${formatCapabilities(used)}`] };
};

const judgeProcesses: Part = ({ options, processes }, { pids_limit: limit }) => {
  if (typeof limit !== "number" || isDeepStrictEqual(limit, options.pids_limit)) return {};
  if (processes === null) return { unclear: ["its host did not count its processes"] };
  return processes > limit ? { refused: [`${processes} processes`] } : {};
};

/** Options that the other judges look at, and those that refuse nothing. */
const judged: ReadonlySet<string> = new Set([
  ...["unveil", "egress", "cap_add", "pids_limit", ...portOptions.map((option) => portNames[option])],
  ...["command", "args", "stop_command", "observe"],
  ...["log_collection", "log_max_files", "log_max_file_size"],
]);

const judgeOthers: Part = ({ options }, candidate) => {
  const names = [...new Set([...Object.keys(options), ...Object.keys(candidate)])];
  const other = names.filter(
    (name) => !judged.has(name) && !isDeepStrictEqual(options[name], candidate[name]),
  );
  return { unclear: other.map((name) => `it ran with another value of ${name}`) };
};

type Judgement = "refuses" | "unclear" | "allows";

export interface CandidateVerdict {
  /** `allows`: nothing that any observed run used would be refused, and all that they used is known. */
  readonly judgement: Judgement;
  readonly runs: number;
  /** What would have been refused: how many runs, and when the last of them was seen. */
  readonly refused: readonly { readonly what: string; readonly runs: number; readonly lastAt: number }[];
  /** Why that may not be all. */
  readonly unclear: readonly { readonly why: string; readonly runs: number }[];
}

/** The verdict on a task of the candidate. */
export interface TaskVerdict extends CandidateVerdict {
  readonly group: string;
  readonly task: string;
}

/** Judges all observed runs of a task by other options. */
export function judgeRuns(runs: readonly ObservedRun[], candidate: RecordedOptions): CandidateVerdict {
  const refused = new Map<string, { runs: number; lastAt: number }>();
  const unclear = new Map<string, number>();
  for (const run of runs) {
    const verdict = judgeRun(run, candidate);
    for (const what of verdict.refused) {
      const before = refused.get(what) ?? { runs: 0, lastAt: 0 };
      refused.set(what, { runs: before.runs + 1, lastAt: Math.max(before.lastAt, run.seenUntil) });
    }
    for (const why of [...verdict.unclear, ...run.gaps]) unclear.set(why, (unclear.get(why) ?? 0) + 1);
  }
  const isKnown = runs.length > 0 && unclear.size === 0;
  return {
    judgement: refused.size > 0 ? "refuses" : isKnown ? "allows" : "unclear",
    runs: runs.length,
    refused: [...refused].map(([what, each]) => ({ what, ...each })),
    unclear: [...unclear].map(([why, count]) => ({ why, runs: count })),
  };
}
