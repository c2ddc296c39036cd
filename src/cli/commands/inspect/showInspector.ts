/** `inspect`: serves the page, and the relay for Stately's tools, until the program is interrupted. */
import { once } from "node:events";
import { keepYoungGenerationSmall } from "../../../effects/processes/ownMemory.ts";
import type { FleetSource } from "../../../inspector/server/fleetReading.ts";
import { InspectorServer } from "../../../inspector/server/server.ts";
import { catchInterrupts } from "../../../localAgent/task/interrupts.ts";

export interface InspectOptions {
  readonly path: string;
  readonly host: string;
  readonly port: number;
  /** Whether to serve clients of `@statelyai/inspect`, too. */
  readonly stately: boolean;
  readonly fleet?: FleetSource | undefined;
}

/** @returns the exit code */
export async function showInspector({ stately, ...options }: InspectOptions): Promise<number> {
  keepYoungGenerationSmall();
  // A signal during the start ends the program at once: nothing has to be cleaned up then.
  const server = await InspectorServer.start(options);
  const interrupts = catchInterrupts();
  try {
    process.stdout.write(`${server.url}${options.fleet === undefined ? "" : "#/fleet"}\n`);
    if (stately) process.stdout.write(`${await server.relay()}\n`);
    if (!interrupts.stop.aborted) await once(interrupts.stop, "abort");
  } finally {
    await server.close();
    interrupts.release();
  }
  return 0;
}
