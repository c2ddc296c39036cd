/** Errors at the commit that LMDB's page allocator causes. freeList.test.ts has refused puts. */
import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { openEventStore } from "../../../src/store/lmdb/lmdbEventStore.ts";
import { labelOf, sampleEvent } from "../../support/history/sampleEvents.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

const failing = vi.hoisted(() => ({ times: 0, code: 0 }));

vi.mock("lmdb", async (importOriginal) => {
  const lmdb = await importOriginal<typeof import("lmdb")>();
  return {
    ...lmdb,
    open: (...args: Parameters<typeof lmdb.open>) => {
      const root = lmdb.open(...args);
      const { transactionSync } = root;
      root.transactionSync = function <T>(action: () => T, flags?: number): T {
        return transactionSync.call(
          this,
          () => {
            const result = action();
            if (failing.times-- > 0)
              throw Object.assign(new Error("an error of LMDB"), { code: failing.code });
            return result;
          },
          flags,
        ) as T;
      };
      return root;
    },
  };
});

beforeEach(() => {
  failing.times = 0;
});

async function logWithAnEvent() {
  const folder = temporaryFolder();
  const store = await openEventStore(folder);
  onTestFinished(() => store.close());
  await store.append("s", 0, [sampleEvent(1)]);
  return store;
}

describe("a transaction that fails because of LMDB's list of free pages", () => {
  it.each([
    ["after an error at the commit", { times: 1, code: -30798 }],
    ["after an error that an earlier error of the transaction caused", { times: 1, code: -30782 }],
  ])("succeeds at the second attempt, and is applied once: %s", async (_name, failure) => {
    const store = await logWithAnEvent();
    Object.assign(failing, failure);
    await store.append("s", 1, [sampleEvent(2), sampleEvent(3)]);
    expect(failing).not.toMatchObject(failure);
    expect([...store.readAll()].map((event) => [event.position, labelOf(event)])).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
    ]);
  });

  it("fails if the third attempt fails, and leaves nothing", async () => {
    const store = await logWithAnEvent();
    Object.assign(failing, { times: 3, code: -30798 });
    await expect(store.append("s", 1, [sampleEvent(2)])).rejects.toMatchObject({ code: "STORE_FAILED" });
    expect([...store.readAll()]).toHaveLength(1);
    await store.append("s", 1, [sampleEvent(2)]);
    expect([...store.readAll()].map(labelOf)).toEqual([1, 2]);
  });

  it("succeeds at the third attempt, without the list", async () => {
    const store = await logWithAnEvent();
    Object.assign(failing, { times: 2, code: -30798 });
    await store.append("s", 1, [sampleEvent(2)]);
    expect([...store.readAll()].map(labelOf)).toEqual([1, 2]);
  });

  it("is not tried again for other errors", async () => {
    const store = await logWithAnEvent();
    Object.assign(failing, { times: 1, code: -30797 });
    await expect(store.append("s", 1, [sampleEvent(2)])).rejects.toMatchObject({ code: "STORE_DAMAGED" });
  });
});
