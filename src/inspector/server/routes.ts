/** The API of the page. All answers are masked as in bundles. */

import { DriverError } from "../../errors.ts";
import { bundleLines } from "../../replay/bundle/exportBundle.ts";
import type { History } from "../../replay/history.ts";
import { readUsage } from "../../store/usage/usageFile.ts";
import { toTaskId } from "../../taskId.ts";
import { sequenceDiagram } from "../../why/sequenceDiagram.ts";
import { nodeView } from "../views/nodeView.ts";
import { momentView, taskView } from "../views/taskView.ts";
import { type UsageView, usageView } from "../views/usageView.ts";
import type { Allocations } from "./allocations.ts";
import type { LogWatch } from "./logWatch.ts";
import type { Node } from "./node.ts";
import { type Answer, jsonAnswer, textAnswer } from "./responses.ts";
import type { TaskIndex } from "./taskIndex.ts";

export interface Sources {
  readonly index: TaskIndex;
  readonly watch: LogWatch;
  readonly node: Node;
  readonly allocations: Allocations;
}

type Route = (sources: Sources, query: URLSearchParams) => Answer;

const routes: Readonly<Record<string, Route>> = {
  "/api/status": ({ watch }) => jsonAnswer(watch.status()),
  "/api/tasks": ({ index }) => jsonAnswer(index.rows()),
  "/api/node": ({ index, watch, node }) =>
    jsonAnswer(nodeView(index, node.facts(), watch.status(), Date.now())),
  "/api/allocation": ({ allocations }, query) => {
    const view = allocations.view(query.get("id") ?? "");
    return view === undefined ? notFound("No task of this allocation is known.") : jsonAnswer(view);
  },
  "/api/task": ({ index }, query) =>
    withTask(index, query, (history) => jsonAnswer(taskView(history, numberOf(query, "from") ?? 1))),
  "/api/moment": ({ index }, query) =>
    withTask(index, query, (history) => {
      const seq = numberOf(query, "seq");
      const known = seq !== undefined && seq <= history.length;
      return known ? jsonAnswer(momentView(history, seq)) : notFound("There is no such event.");
    }),
  "/api/events": ({ index }, query) => withTask(index, query, ({ events }) => jsonAnswer(events)),
  "/api/usage": ({ index, watch }, query) =>
    withTask(index, query, (history) => jsonAnswer(usageOf(index, watch, history))),
  "/api/mermaid": ({ index }, query) =>
    withTask(index, query, (history) => textAnswer(sequenceDiagram(history))),
  "/api/bundle": ({ index }, query) =>
    withTask(index, query, (history) => textAnswer(bundleOf(index, history))),
};

/** @returns undefined if there is no such path */
export function answerOf(sources: Sources, { pathname, searchParams }: URL): Answer | undefined {
  if (!Object.hasOwn(routes, pathname)) return undefined;
  try {
    return routes[pathname]?.(sources, searchParams);
  } catch (thrown) {
    return textAnswer(DriverError.from(thrown, "STORE_FAILED", "the log cannot be read").message, 500);
  }
}

function withTask(index: TaskIndex, query: URLSearchParams, answer: (history: History) => Answer): Answer {
  const history = index.history(query.get("id") ?? "");
  return history === undefined
    ? notFound("There is no such task, or its history was removed.")
    : answer(history);
}

/** Number of an event, from 1; undefined if the query has none. */
function numberOf(query: URLSearchParams, name: string): number | undefined {
  const number = Number(query.get(name));
  return Number.isInteger(number) && number >= 1 ? number : undefined;
}

/** There are no samples of a task in a bundle. */
function usageOf(index: TaskIndex, watch: LogWatch, history: History): UsageView {
  const reader = index.readerOf(history.stream);
  const folder = reader && watch.folderOf(reader);
  const samples = folder === undefined ? [] : readUsage(folder, toTaskId(history.stream));
  return usageView(samples, history.stateAfter(history.length).context);
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
