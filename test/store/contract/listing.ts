/** The list of streams of tasks that are not over. */
import { describe, expect, it } from "vitest";
import type { EventStore } from "../../../src/store/eventStore.ts";
import { sampleEvent } from "../../support/history/sampleEvents.ts";

export function listing(store: () => EventStore): void {
  describe("open streams", () => {
    const openStreams = () => Array.from(store().openStreams(), ({ stream }) => stream);
    const append = (stream: string, version: number, ...states: string[]) =>
      store().append(
        stream,
        version,
        states.map((to) => ({ ...sampleEvent(to), to })),
      );

    it("are those whose task is not over after the last event, in the order of their first events", async () => {
      expect(openStreams()).toEqual([]);
      await append("second by name", 0, "requested", "running");
      await append("first by name", 0, "running");
      await append("over", 0, "running", "exited");
      expect(openStreams()).toEqual(["second by name", "first by name"]);
      await append("second by name", 2, "exited");
      await append("second by name", 3, "destroyed");
      expect(openStreams()).toEqual(["first by name"]);
    });

    it("change only with committed events, and include a stream whose start is tried again", async () => {
      await append("failed", 0, "requested", "failed");
      expect(openStreams()).toEqual([]);
      await append("failed", 2, "requested");
      await expect(append("failed", 2, "failed")).rejects.toMatchObject({ code: "WRONG_EXPECTED_VERSION" });
      expect(openStreams()).toEqual(["failed"]);
    });

    it("include neither removed streams nor a later, ended stream of the same name", async () => {
      await append("removed", 0, "running");
      await append("newest", 0, "running");
      await store().prune("removed", 1);
      expect(openStreams()).toEqual(["newest"]);
      await append("removed", 0, "running", "exited");
      expect(openStreams()).toEqual(["newest"]);
    });
  });
}
