/** `fleet why`: why allocations failed, and what sets them apart from the good ones. */
import { setTimeout as delay } from "node:timers/promises";
import { releaseMemory } from "../../../effects/processes/ownMemory.ts";
import { type AddressOptions, nomadAddress } from "../../../fleet/nomadAddress.ts";
import { NomadApi } from "../../../fleet/nomadApi.ts";
import { certainty } from "../../../fleet/ranking.ts";
import { readFleet, waitForChange } from "../../../fleet/readFleet.ts";
import { explainFleet } from "../../../fleet/why.ts";
import { formatTime } from "../../../units/times.ts";
import { jsonOf } from "../../terminal/json.ts";
import { print } from "../../terminal/output.ts";
import { progressBar } from "../../terminal/progressBar.ts";
import { styleFor, widthOf } from "../../terminal/style.ts";
import { fleetWhyText } from "./fleetWhyView.ts";

export interface FleetWhyOptions extends AddressOptions {
  /** Milliseconds since the epoch. */
  readonly since?: number | undefined;
  readonly follow?: boolean | undefined;
  readonly json?: boolean | undefined;
}

/** Minimum time between two readings, in milliseconds: in a large cluster something always changes. */
const followMs = 5_000;

/**
 * @returns the exit code
 * @throws DriverError `NOMAD_UNREACHABLE`, `NOMAD_REFUSED`, `NOMAD_FAILED`, `CONFIG_INVALID`
 */
export async function showFleetWhy(job: string | undefined, options: FleetWhyOptions): Promise<number> {
  // Most of the executable was needed only to start.
  await releaseMemory();
  const api = new NomadApi(nomadAddress(process.env, options));
  const { namespace } = api.address;
  const { since, follow = false, json = false } = options;
  const { stdout, stderr } = process;
  try {
    for (let shown = ""; ; ) {
      const bar = progressBar(stderr);
      const fleet = await readFleet(api, job, bar.show).finally(bar.clear);
      const why = explainFleet(fleet, since);
      const scope = { job: job ?? null, namespace, since: since ?? null };
      const text = json
        ? jsonOf("fleet why", { ...scope, certainty, ...why })
        : fleetWhyText(scope, why, styleFor(stdout), widthOf(stdout));
      if (text !== shown) print(follow && !json ? `${formatTime(Date.now())}\n${text}\n` : text);
      if (!follow) return 0;
      shown = text;
      await delay(followMs);
      await waitForChange(api, fleet);
    }
  } finally {
    api.close();
  }
}
