/** The API of the page. All answers are masked as in bundles. */

import { DriverError } from "../../base/errors.ts";
import { partsOfTaskId } from "../../base/taskId.ts";
import { probeHost } from "../../effects/host/hostFacts.ts";
import { bundleLines } from "../../history/replay/bundle/exportBundle.ts";
import {
  type EffectOutcome,
  effectOutcomes,
  type History,
  type Moment,
} from "../../history/replay/history.ts";
import { diffHistories } from "../../history/replay/historyDiff.ts";
import { readHistory } from "../../history/replay/storedHistory.ts";
import { parseEdits } from "../../history/replay/whatIf.ts";
import { sequenceDiagram } from "../../history/why/sequenceDiagram.ts";
import { usageFigures } from "../../history/why/usage.ts";
import type { Status } from "../views/answers.ts";
import { diffView, whatIfView } from "../views/diffView.ts";
import { nodeView } from "../views/nodeView.ts";
import { phraseOf } from "../views/phrase.ts";
import { momentView, stepNames, type TaskSteps, usageView } from "../views/taskView.ts";
import type { Allocations } from "./allocations.ts";
import { bundleView, type DroppedBundles } from "./droppedBundles.ts";
import { searchEvents } from "./eventSearch.ts";
import type { FleetReading } from "./fleetReading.ts";
import type { LogRequests } from "./logs/logRequests.ts";
import type { LogWatch } from "./logWatch.ts";
import type { OpenHistory } from "./openHistory.ts";
import { permissionsOf } from "./permissions.ts";
import { type Answer, jsonAnswer, textAnswer } from "./responses.ts";
import type { TaskIndex } from "./taskIndex.ts";

export interface Sources extends TaskSources {
  readonly watch: LogWatch;
  /** Undefined if no cluster is read. */
  readonly fleet?: FleetReading | undefined;
  /** The dropped bundles, each with its own index. */
  readonly dropped: DroppedBundles;
}

/** A source of tasks: the inspector's logs, or a dropped bundle. */
interface TaskSources {
  readonly index: TaskIndex;
  readonly allocations: Allocations;
  readonly logs: LogRequests;
}

/** @param isWanted returns false once nobody waits for the answer */
type Route = (sources: Sources, query: URLSearchParams, isWanted: () => boolean) => Answer | Promise<Answer>;

const routes: Readonly<Record<string, Route>> = {
  "/api/status": (sources) => jsonAnswer(statusOf(sources)),
  "/api/fleet": async ({ fleet, index }) => {
    if (fleet === undefined) return notFound("The inspector reads no cluster: inspect --fleet reads one.");
    const known = new Set(index.rows().map(({ id }) => partsOfTaskId(id)?.allocId));
    return jsonAnswer(await fleet.answer((allocation) => known.has(allocation)));
  },
  "/api/tasks": ({ index }) => jsonAnswer(index.rows()),
  "/api/node": ({ index, watch }) => jsonAnswer(nodeView(index, probeHost(), watch.status(), Date.now())),
  "/api/bundle/about": ({ dropped }, query) => {
    const bundle = dropped.get(query.get("in") ?? "");
    return bundle === undefined ? notFound(noBundle) : jsonAnswer(bundleView(bundle));
  },
  "/api/allocation": async ({ allocations }, query) => {
    const view = await allocations.view(query.get("id") ?? "");
    return view === undefined ? notFound("No task of this allocation is known.") : jsonAnswer(view);
  },
  "/api/steps": async ({ allocations }, query) => {
    const steps = await allocations.stepsOf(query.get("id") ?? "");
    return steps === undefined ? notFound(noTask) : jsonAnswer(steps);
  },
  "/api/log": ({ logs }, query) => logs.page(query),
  "/api/log/tail": ({ logs }, query) => logs.tail(query),
  "/api/log/search": ({ logs }, query, isWanted) => logs.search(query, isWanted),
  "/api/task": ({ index }, query) => {
    const steps = index.steps(query.get("id") ?? "");
    if (steps === undefined) return notFound(noTask);
    const numbers = steps.toNumbers(numberOf(query, "from") ?? 1);
    return jsonAnswer({ names: stepNames, numbers } satisfies TaskSteps);
  },
  "/api/phrases": ({ index }, query) => {
    const [id, from] = [query.get("id") ?? "", numberOf(query, "from") ?? 1];
    const reader = index.readerOf(id);
    if (reader === undefined) return notFound(noTask);
    const count = Math.min(maxPhrases, numberOf(query, "count") ?? maxPhrases);
    return jsonAnswer(readHistory(reader, id, from, count).map(phraseOf));
  },
  "/api/search": async ({ index }, query, isWanted) => {
    const [words, type, from] = ["words", "type", "from"].map((name) => query.get(name) ?? "");
    const search = { words: words ?? "", type: type ?? "", from: from ?? "" };
    return jsonAnswer(await searchEvents([...index.readers()], search, isWanted));
  },
  "/api/why": ({ index }, query) =>
    withHistory(index, query, ({ stream }, open) => jsonAnswer(open.sentences(index.ofEarlierRuns(stream)))),
  "/api/moment": ({ index }, query) => {
    const seq = numberOf(query, "seq");
    const newest = index.newest(query.get("id") ?? "");
    // The newest moment is known without folding the history.
    if (newest !== undefined && newest.seq === seq) return jsonAnswer(momentView(newest, unreported(newest)));
    return withHistory(index, query, (history) => {
      if (seq === undefined || seq > history.length) return notFound("There is no such event.");
      const moment = history.at(seq);
      return jsonAnswer(momentView(moment, effectOutcomes(history, moment)));
    });
  },
  "/api/diff": ({ index, dropped }, query) => {
    const [left, right] = ["a", "b"].map((side) => {
      const key = query.get(`${side}in`) ?? "";
      const from = key === "" ? index : dropped.get(key)?.index;
      // The histories are compared unmasked, so that differences in masked fields are found. The result is
      // masked.
      return from?.unmasked(query.get(side) ?? "");
    });
    if (left === undefined || right === undefined) return notFound(noTask);
    return jsonAnswer(diffView(diffHistories(left, right)));
  },
  "/api/whatif": ({ index }, query) =>
    withHistory(index, query, (history) => {
      try {
        return jsonAnswer(whatIfView(history, parseEdits(query.get("edits") ?? "")));
      } catch (thrown) {
        if (!(thrown instanceof DriverError && thrown.code === "EDITS_INVALID")) throw thrown;
        const { summary, hint } = thrown;
        return textAnswer(hint === undefined ? summary : `${summary}. ${hint}`, 400);
      }
    }),
  "/api/whatif/template": ({ index }, query) =>
    // The form for an insertion begins with the first recorded event of the type.
    withHistory(index, query, ({ events }) =>
      jsonAnswer(events.find(({ type }) => type === query.get("type"))?.data ?? {}),
    ),
  "/api/permissions": async ({ index }, query, isWanted) => {
    const view = await permissionsOf(index, query.get("id") ?? "", isWanted);
    return view === undefined ? notFound(noTask) : jsonAnswer(view);
  },
  "/api/events": ({ index }, query) => withHistory(index, query, ({ events }) => jsonAnswer(events)),
  "/api/usage": ({ index }, query) =>
    withHistory(index, query, ({ stream, finalState }, { reader }) =>
      jsonAnswer(usageView(reader.usage(stream), finalState.context)),
    ),
  "/api/use": ({ index }, query) => {
    const rows = query.getAll("id").flatMap((id) => index.row(id) ?? []);
    const figures = rows.slice(0, maxFigures).map(({ id, endedAt }) => {
      return [id, usageFigures(index.readerOf(id)?.usage(id) ?? [], endedAt !== null)] as const;
    });
    return jsonAnswer(Object.fromEntries(figures));
  },
  "/api/mermaid": ({ index }, query) =>
    withHistory(index, query, (history) => textAnswer(sequenceDiagram(history))),
  "/api/bundle": ({ index }, query) =>
    withHistory(index, query, (history) => textAnswer(bundleOf(index, history))),
};

export function statusOf({ watch, fleet }: Pick<Sources, "watch" | "fleet">): Status {
  const status = watch.status();
  if (fleet === undefined) return status;
  // Who looks at a cluster need not be on one of its nodes.
  return { ...status, fleet: true, problems: status.problems.filter(({ kind }) => kind !== "missing") };
}

/** Maximum number of tasks whose usage is sent in one answer: each is a file to read. */
const maxFigures = 100;
/** Maximum number of steps whose texts are sent in one answer. */
const maxPhrases = 256;

/**
 * @param isWanted returns false once nobody waits for the answer
 * @returns undefined if there is no such path
 */
export async function answerOf(
  sources: Sources,
  { pathname, searchParams }: URL,
  isWanted: () => boolean,
): Promise<Answer | undefined> {
  if (!Object.hasOwn(routes, pathname)) return undefined;
  try {
    const key = searchParams.get("in");
    const bundle = key === null ? undefined : sources.dropped.get(key);
    if (key !== null && bundle === undefined) return notFound(noBundle);
    return await routes[pathname]?.({ ...sources, ...bundle }, searchParams, isWanted);
  } catch (thrown) {
    return textAnswer(DriverError.from(thrown, "STORE_FAILED", "the log cannot be read").message, 500);
  }
}

const noBundle = "The inspector no longer has this bundle: drop it again.";
const noTask = "There is no such task, or its history was removed.";

async function withHistory(
  index: TaskIndex,
  query: URLSearchParams,
  answer: (history: History, open: OpenHistory) => Answer,
): Promise<Answer> {
  const open = index.open(query.get("id") ?? "");
  return open === undefined ? notFound(noTask) : answer(await open.upToDate(), open);
}

function unreported({ effects }: Moment): EffectOutcome[] {
  return effects.map((effect) => ({ effect, report: undefined }));
}

/** A number of the query, 1 or more; undefined if the query has no such number. */
function numberOf(query: URLSearchParams, name: string): number | undefined {
  const number = Number(query.get(name));
  return Number.isInteger(number) && number >= 1 ? number : undefined;
}

function bundleOf(index: TaskIndex, { stream, events }: History): string {
  const reader = index.readerOf(stream);
  const last = events.at(-1);
  if (reader === undefined || last === undefined) return "";
  const head = { stream, version: last.seq, hash: last.hash };
  return `${[...bundleLines([{ head, reader }], { mask: true, now: Date.now() })].join("\n")}\n`;
}

function notFound(text: string): Answer {
  return textAnswer(text, 404);
}
