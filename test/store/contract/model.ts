/** Every event store behaves like a plain list of events. */
import fc from "fast-check";
import { expect, it } from "vitest";
import type { EventStore } from "../../../src/store/eventStore.ts";
import { WrongExpectedVersion } from "../../../src/store/storeError.ts";
import { sampleEvent } from "../../support/history/sampleEvents.ts";

export function model(opened: () => EventStore): void {
  it("equals a plain list of events, whatever is appended", async () => {
    const store = opened();
    const stream = fc.constantFrom("a", "b", "c", "ä");
    const data = fc.record({
      label: fc.oneof(
        fc.string({ unit: "grapheme" }),
        fc.double().map((n) => n + 0),
        fc.integer(),
      ),
    });
    const append = fc.record({
      stream,
      behind: fc.constantFrom(0, 0, 0, 1),
      data: fc.array(data, { maxLength: 3 }),
      wait: fc.boolean(),
    });
    let round = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(append, { maxLength: 12 }), async (appends) => {
        round += 1;
        const base = store.lastPosition();
        const model: { stream: string; seq: number; data: unknown }[] = [];
        const running: Promise<unknown>[] = [];
        for (const { stream, behind, data, wait } of appends) {
          const name = `${round} ${stream}`;
          const version = model.filter((event) => event.stream === name).length;
          const appended = store.append(
            name,
            version + behind,
            data.map((each) => sampleEvent("", each)),
          );
          if (behind === 0)
            model.push(
              ...data.map((each, index) => ({ stream: name, seq: version + index + 1, data: each })),
            );
          running.push(behind === 0 ? appended : expect(appended).rejects.toThrow(WrongExpectedVersion));
          if (wait) await appended.catch(() => undefined);
        }
        await Promise.all(running);
        const all = [...store.readAll(base + 1)];
        expect(all.map(({ position }) => position)).toEqual(all.map((_, index) => base + index + 1));
        expect(all.map(({ stream, seq, data }) => ({ stream, seq, data }))).toEqual(model);
        for (const name of new Set(model.map((event) => event.stream))) {
          expect([...store.readStream(name)]).toEqual(all.filter((event) => event.stream === name));
        }
      }),
      { numRuns: 60 },
    );
  });
}
