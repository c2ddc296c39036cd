/** Asks the agent at `NOMAD_ADDR` which version it is. */
import { z } from "zod";
import { DriverError } from "../base/errors.ts";
import { nomadAddress } from "./nomadAddress.ts";
import { NomadApi } from "./nomadApi.ts";
import { nodeStub } from "./stubs.ts";

/** `/v1/agent/self`. An agent without a client has no `client`. */
const self = z.object({ stats: z.object({ client: z.object({ node_id: z.string() }).optional() }) });

/** How long a local agent may be silent: it answers from memory. */
const silenceMs = 5_000;

/**
 * @returns the version, such as `1.10.5`
 * @throws DriverError `CONFIG_INVALID` for the variables; `NOMAD_UNREACHABLE`, `NOMAD_REFUSED`, `NOMAD_FAILED`
 */
export async function versionOfAgent(env: NodeJS.ProcessEnv): Promise<string> {
  const api = new NomadApi(nomadAddress(env), { retryAfterMs: [], silenceMs });
  try {
    const { stats } = (await api.get("/v1/agent/self", self)).body;
    const id = stats.client?.node_id;
    if (id === undefined)
      throw new DriverError("NOMAD_FAILED", `the agent at ${api.address.shown} has no client`, {
        hint: "Set NOMAD_ADDR to the address of this host's client",
      });
    const node = await api.get(`/v1/node/${encodeURIComponent(id)}`, nodeStub);
    const version = node.body.Attributes?.["nomad.version"];
    if (version === undefined)
      throw new DriverError("NOMAD_FAILED", `the agent at ${api.address.shown} tells no version`);
    return version;
  } finally {
    api.close();
  }
}
