/** A cluster that an inspector reads from a server that answers as Nomad does. */
import { onTestFinished } from "vitest";
import { nomadAddress } from "../../../src/fleet/nomadAddress.ts";
import { NomadApi } from "../../../src/fleet/nomadApi.ts";
import { readFleet } from "../../../src/fleet/readFleet.ts";
import type { FleetSource } from "../../../src/inspector/server/fleetReading.ts";
import { type Cluster, type FakeNomadOptions, startNomad } from "./fakeNomad.ts";

/** @param token of the requests */
export async function fleetSource(
  cluster: Cluster,
  options: FakeNomadOptions = {},
  token = "",
): Promise<FleetSource & { readonly requests: readonly unknown[] }> {
  const nomad = await startNomad(cluster, options);
  const api = new NomadApi(nomadAddress({ NOMAD_ADDR: nomad.address, NOMAD_TOKEN: token }), {
    retryAfterMs: [],
  });
  onTestFinished(async () => {
    api.close();
    await nomad.close();
  });
  return {
    scope: { job: "web", namespace: "default" },
    read: () => readFleet(api, "web"),
    requests: nomad.requests,
  };
}
