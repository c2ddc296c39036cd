/** The list of streams of tasks that are not over. */
import { describe, expect, it } from "vitest";
import type { FollowableStore } from "../../../src/store/followableLog.ts";
import { sampleEvent } from "../../support/history/sampleEvents.ts";

export function listing(store: () => FollowableStore): void {
  describe("open streams", () => {
    const openStreams = async () => {
      const open = Array.from(await store().openStreams(), ({ stream }) => stream);
      const unfinished = Array.from(store().unfinishedStreams(), ({ stream }) => stream);
      expect(unfinished.toSorted()).toEqual(open.toSorted());
      return open;
    };
    const append = (stream: string, version: number, ...states: string[]) =>
      store().append(
        stream,
        version,
        states.map((to) => ({ ...sampleEvent(to), to })),
      );

    it("are those whose last event has left their task not over, by their first event", async () => {
      expect(await openStreams()).toEqual([]);
      await append("second by name", 0, "requested", "running");
      await append("first by name", 0, "running");
      await append("over", 0, "running", "exited");
      expect(await openStreams()).toEqual(["second by name", "first by name"]);
      await append("second by name", 2, "exited");
      await append("second by name", 3, "destroyed");
      expect(await openStreams()).toEqual(["first by name"]);
    });

    it("have what ended a stream only after it is committed, and a start that is tried again", async () => {
      await append("failed", 0, "requested", "failed");
      expect(await openStreams()).toEqual([]);
      await append("failed", 2, "requested");
      await expect(append("failed", 2, "failed")).rejects.toMatchObject({ code: "WRONG_EXPECTED_VERSION" });
      expect(await openStreams()).toEqual(["failed"]);
    });

    it("are not those that were removed, nor is a later stream of the same name", async () => {
      await append("removed", 0, "running");
      await append("newest", 0, "running");
      await store().prune("removed", 1);
      expect(await openStreams()).toEqual(["newest"]);
      await append("removed", 0, "running", "exited");
      expect(await openStreams()).toEqual(["newest"]);
    });
  });
}
