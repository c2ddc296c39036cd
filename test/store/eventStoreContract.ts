/** The test suite for all implementations of event stores. */
import { afterEach, beforeEach, describe } from "vitest";
import type { EventStore } from "../../src/store/eventStore.ts";
import { appending } from "./contract/appending.ts";
import { closing } from "./contract/closing.ts";
import { following } from "./contract/following.ts";
import { listing } from "./contract/listing.ts";
import { model } from "./contract/model.ts";
import { pruning } from "./contract/pruning.ts";
import { reading } from "./contract/reading.ts";

/** @param open opens an empty store, which the suite closes */
export function eventStoreContract(name: string, open: () => Promise<EventStore>): void {
  describe(`contract of event stores: ${name}`, () => {
    let store: EventStore;
    beforeEach(async () => {
      store = await open();
    });
    afterEach(() => store.close());

    for (const part of [appending, reading, listing, following, closing, pruning, model]) part(() => store);
  });
}
