/** What the text of `sandboxed` says of a task's /tmp. */
import { expect, it } from "vitest";
import { type EventData, summarize } from "../../../src/machines/events.ts";
import { event } from "../../support/history/history.ts";

const entry = (path: string) => ({ path, mode: "r", source: "task" });

it.each([
  [{ privateTmp: true, root: "private" }, "its own /tmp"],
  [{ privateTmp: false, root: "host" }, "the host's /tmp"],
  [{ privateTmp: false, root: "private", unveiled: [entry("/tmp/shared")] }, "the host's /tmp"],
  [{ privateTmp: false, root: "private", unveiled: [entry("/tmpfiles")] }, "no /tmp"],
] as const)("with %j the task has %s", (sandbox, text) => {
  const words = summarize(event("sandboxed", sandbox as Partial<EventData<"sandboxed">>));
  expect(words.split(", ").filter((each) => each.endsWith("/tmp"))).toEqual([text]);
});
