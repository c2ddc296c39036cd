import { describe, expect, onTestFinished, test } from "vitest";
import { DriverError } from "../../../src/base/errors.ts";
import type { FolderOwner } from "../../../src/driver/driverPort.ts";
import { Opening, type Outcome } from "../../../src/driver/opening/opening.ts";

const inUse = new DriverError("STATE_DIR_IN_USE", "process 7 owns it", { hint: "End it" });
const unasked = () => expect.fail("nobody owns the folder");

describe("an opening", () => {
  test("logs a repeated failure once, and then its success", async () => {
    const attempts = [broken, broken, broken, async () => "opened"];
    const { opening, reported } = begin(() => attempts.shift()?.(), unasked);
    await opening.firstOutcome;
    expect(reported).toEqual([{ error: expect.objectContaining({ code: "PLUGIN_FAILED" }) }]);
    await opening.settled;
    expect(reported.slice(1)).toEqual([{ opened: "opened" }]);
    expect(attempts).toEqual([]);
  });

  test("of a folder that is handed over reports no error", async () => {
    let owned = true;
    const { opening, reported } = begin(
      refusedWhile(() => owned),
      async () => {
        owned = false;
        return owner({ handedOver: true });
      },
    );
    await opening.firstOutcome;
    expect(reported).toEqual([{ opened: "opened" }]);
  });

  test("of a folder whose owner refuses waits for the owner's end, and then stops watching the owner", async () => {
    let owned = true;
    const forgotten = Promise.withResolvers<void>();
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    const watched = owner({ handedOver: false, ended, forget: forgotten.resolve });
    const { opening, reported } = begin(
      refusedWhile(() => owned),
      async () => watched,
    );
    await opening.firstOutcome;
    expect(reported).toEqual([
      {
        error: expect.objectContaining({
          message: expect.stringMatching(/^process 7 owns it, and an agent/),
        }),
      },
    ]);
    owned = false;
    end();
    await opening.settled;
    await forgotten.promise;
    expect(reported.at(-1)).toEqual({ opened: "opened" });
  });

  test("that is stopped while it asks the owner logs nothing more", async () => {
    const asked = Promise.withResolvers<void>();
    const { opening, reported } = begin(
      refusedWhile(() => true),
      (signal) => {
        asked.resolve();
        return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      },
    );
    await asked.promise;
    await opening.stop();
    await Promise.all([opening.firstOutcome, opening.settled]);
    expect(reported).toEqual([]);
  });
});

const broken = () => Promise.reject(new Error("broken"));

const refusedWhile = (owned: () => boolean) => async () => {
  if (owned()) throw inUse;
  return "opened";
};

function owner(differing: Partial<FolderOwner>): FolderOwner {
  return { handedOver: false, ended: new Promise(() => {}), forget: () => {}, ...differing };
}

/** Begins to open; stops when the test is over. */
function begin(open: () => Promise<string> | undefined, ask: (signal: AbortSignal) => Promise<FolderOwner>) {
  const reported: Outcome<string>[] = [];
  const opening = new Opening(
    async () => (await open()) ?? expect.fail("opened once more"),
    ask,
    (outcome) => reported.push(outcome),
  );
  onTestFinished(() => opening.stop());
  return { opening, reported };
}
