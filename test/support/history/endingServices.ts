import { GoodRuns } from "../../../src/driver/history/goodRuns.ts";
import type { EndingServices } from "../../../src/driver/run/ending.ts";
import type { DriverServices } from "../../../src/driver/services.ts";
import type { EventStore } from "../../../src/store/eventStore.ts";
import { temporaryFolder } from "../host/temporaryFolder.ts";

/** What the end of a run is made with, on a host without disk limits. */
export function endingServices(
  store: EventStore,
  keepOutput: EndingServices["options"]["keepOutput"] = "none",
): EndingServices {
  return {
    folder: { run: temporaryFolder(), path: temporaryFolder() } as DriverServices["folder"],
    disk: { usage: async () => undefined } as unknown as DriverServices["disk"],
    goodRuns: new GoodRuns(store),
    options: { keepOutput },
  };
}
