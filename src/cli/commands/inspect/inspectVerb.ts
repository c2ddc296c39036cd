import { InvalidArgumentError } from "commander";
import { DriverError } from "../../../base/errors.ts";
import type { FleetSource } from "../../../inspector/server/fleetReading.ts";
import { type AddVerb, stateDirOption } from "../verb.ts";

interface Options {
  readonly port: number;
  readonly listen: string;
  readonly stately?: boolean;
  readonly stateDir: string;
  /** Id of a job; true for all jobs. */
  readonly fleet?: string | boolean;
  readonly namespace?: string;
}

export const addInspect: AddVerb = (program, exit) => {
  program
    .command("inspect")
    .argument("[bundle]", "a bundle to show instead of this host's tasks")
    .summary("serve a web page of all tasks, live and replayed")
    .description(
      "Serves a page on this host's loopback address and prints its URL, which contains a token. The page shows " +
        "the node and every task: its state machine, what caused each state, and any moment of its history. It " +
        "only reads, so it is safe while the driver runs. Arguments of commands are masked; events contain no environment " +
        "values.",
    )
    .option("-p, --port <port>", "port to listen on; 0 for any free port", parsePort, 4650)
    .option("--listen <address>", "address to listen on", "127.0.0.1")
    .option("--stately", "also print an address for @statelyai/inspect (WebSocket)")
    .option("--fleet [id]", "show the failures of a Nomad cluster, too, of one job or of all: see fleet")
    .option("--namespace <name>", "with --fleet: namespace of the job; '*' for all that the token may read")
    .option(...stateDirOption)
    .addHelpText(
      "after",
      `
From another machine, use a tunnel: ssh -L 4650:localhost:4650 HOST. The
connection is not encrypted.

Examples:
  nomad-driver-exec2 inspect
  nomad-driver-exec2 inspect --port 0 --stately
  nomad-driver-exec2 inspect bundle.jsonl
  nomad-driver-exec2 inspect --fleet web`,
    )
    .action(async (bundle: string | undefined, options: Options) => {
      const { port, listen: host, stately = false, stateDir, fleet, namespace } = options;
      if (namespace !== undefined && fleet === undefined)
        throw new DriverError("CONFIG_INVALID", "--namespace is for inspect --fleet");
      const { showInspector } = await import("./showInspector.ts");
      if (bundle !== undefined) {
        // A missing log may appear later, but a file that is not a bundle never becomes one.
        const { loadBundle } = await import("../../../history/replay/bundle/loadBundle.ts");
        await loadBundle(bundle);
      } else {
        const { requireAccess } = await import("../../requireRoot.ts");
        requireAccess(stateDir);
      }
      const source = fleet === undefined ? undefined : await fleetSource(fleet, namespace);
      exit(await showInspector({ path: bundle ?? stateDir, host, port, stately, fleet: source }));
    });
};

async function fleetSource(fleet: string | boolean, namespace: string | undefined): Promise<FleetSource> {
  const { nomadAddress } = await import("../../../fleet/nomadAddress.ts");
  const { NomadApi } = await import("../../../fleet/nomadApi.ts");
  const { readFleet } = await import("../../../fleet/readFleet.ts");
  const api = new NomadApi(nomadAddress(process.env, { namespace }));
  const job = typeof fleet === "string" ? fleet : undefined;
  return { scope: { job: job ?? null, namespace: api.address.namespace }, read: () => readFleet(api, job) };
}

function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError("Expected a port, from 0 to 65535.");
}
