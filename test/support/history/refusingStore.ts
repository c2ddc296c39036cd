/** An event store in memory whose disk can be full. */
import { DriverError } from "../../../src/errors.ts";
import type { FollowableStore } from "../../../src/store/followableLog.ts";
import { memoryEventStore } from "./memoryEventStore.ts";

export interface RefusingStore extends FollowableStore {
  /** Number of attempted appends. */
  readonly appends: number;
  /** While true, every append is refused. */
  full: boolean;
}

export function refusingStore(): RefusingStore {
  const store = memoryEventStore() as FollowableStore & { appends: number; full: boolean };
  const append = store.append.bind(store);
  store.appends = 0;
  store.full = false;
  store.append = async (...request) => {
    store.appends += 1;
    if (store.full) throw new DriverError("STORE_FAILED", "no space left on device");
    return append(...request);
  };
  return store;
}
