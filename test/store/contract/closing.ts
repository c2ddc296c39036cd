/** Tests of `close` that every event store must pass. */
import { beforeEach, describe, expect, it } from "vitest";
import { DriverError } from "../../../src/base/errors.ts";
import type { EventStore } from "../../../src/store/eventStore.ts";
import { samples } from "../../support/history/sampleEvents.ts";

export function closing(opened: () => EventStore): void {
  describe("closing", () => {
    let store: EventStore;
    beforeEach(() => {
      store = opened();
    });

    it("stores what was appended before, refuses everything after, and may be repeated", async () => {
      const appended = store.append("a", 0, samples("a", 1, 1));
      const closed = store.close();
      expect(store.close()).toBe(closed);
      await expect(appended).resolves.toHaveLength(1);
      await closed;
      await expect(store.append("a", 1, samples("a", 2, 1))).rejects.toMatchObject({
        code: "STORE_FAILED",
      });
      expect(() => store.lastPosition()).toThrow(DriverError);
      expect(() => [...store.readAll()]).toThrow("closed");
    });

    it("makes an open iterator throw, and does not crash the process", async () => {
      await store.append("a", 0, samples("a", 1, 600));
      const reading = store.readAll()[Symbol.iterator]();
      reading.next();
      await store.close();
      expect(() => {
        while (!reading.next().done);
      }).toThrow("closed");
    });
  });
}
