/** What the driver answers to an agent that waits for a task. */
import { describe, expect, it } from "vitest";
import { toTaskId } from "../../src/base/taskId.ts";
import { exitResultOf } from "../../src/driver/answers.ts";
import type { Cause } from "../../src/machines/events/cause.ts";
import { fold } from "../../src/machines/taskMachine.ts";
import { event, life } from "../support/history/history.ts";

const id = toTaskId("6f2d4a9e-0c57-4d2b-8f1e-3b9a7c5d1e20/web/5b0e1a77");

function messageWith(path: string): string {
  const cause: Cause = {
    ...{ grade: "witnessed", kind: "denied", text: `it was denied reading ${path.slice(0, 60)}`, line: null },
    advice: [{ option: "unveil", value: [`r:${path}`] }],
  };
  const snapshot = fold([...life("ended").slice(0, 4), event("exited", { exitCode: 1, cause })]);
  return exitResultOf(snapshot, id, "cause").error ?? "";
}

describe("an exit message", () => {
  it("has the cause, its advice, and how to learn more", () => {
    expect(messageWith("/srv/x")).toBe(
      'it was denied reading /srv/x; unveil = ["r:/srv/x"] allows it (nomad-driver-exec2 why 6f2d4a9e/web)',
    );
  });

  it("has no advice that would have to be cut", () => {
    const path = `/srv/${"x".repeat(150)}`;
    expect(messageWith(path)).toBe(
      `it was denied reading ${path.slice(0, 60)} (nomad-driver-exec2 why 6f2d4a9e/web)`,
    );
  });
});
