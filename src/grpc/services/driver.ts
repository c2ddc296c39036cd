/**
 * hashicorp.nomad.plugins.drivers.proto.Driver, in three parts: the driver itself, its
 * tasks, and commands in tasks. A method without a handler is answered with UNIMPLEMENTED.
 */
import type { Logger } from "../../log/hclog.ts";
import { capabilitiesOf, fingerprintOf } from "../convert/answers.ts";
import type { DriverSlot } from "../driverSlot.ts";
import type { DriverServer } from "../generated/nomad/driver.ts";
import type { Handlers } from "../handlers.ts";
import { loadOptions } from "../loadOptions.ts";
import { execHandlers } from "./exec.ts";
import { taskHandlers } from "./tasks.ts";

export function driverService(handlers: Handlers, slot: DriverSlot, log: Logger): Partial<DriverServer> {
  const { unary, stream } = handlers;
  return {
    ...taskHandlers(handlers, slot, log),
    ...execHandlers(handlers, slot),

    init: unary(async () => {
      await slot.agentArrived();
      return {};
    }),

    // Does nothing: go-plugin's own shutdown follows, and tasks keep running in any case.
    shutdown: unary(() => ({})),

    taskConfigSchema: unary(async () => ({ spec: (await loadOptions()).taskSpec() })),

    capabilities: unary(async () => ({ capabilities: capabilitiesOf((await slot.driver).capabilities()) })),

    fingerprint: stream(
      async () => (await slot.driver).fingerprints(),
      fingerprintOf,
      ({ error }) => error,
    ),
  };
}
