import { InvalidArgumentError } from "commander";
import { defaultStateDir } from "../../../config/options/defaultStateDir.ts";
import type { AddVerb } from "../verb.ts";

interface Options {
  readonly port: number;
  readonly listen: string;
  readonly stately?: boolean;
  readonly stateDir: string;
}

export const addInspect: AddVerb = (program, exit) => {
  program
    .command("inspect")
    .argument("[bundle]", "a bundle to look at instead of this host's tasks")
    .summary("a page that shows every task's state machine, live and wound back")
    .description(
      "Serves a page on this host's loopback address and prints where it is: open that address, which has a token " +
        "in it, in a browser. The page shows all tasks with their states, what brought each there, any moment of " +
        "it, and the node. It only reads, beside a running driver too; arguments of commands are masked, and " +
        "values of the environment are in no event.",
    )
    .option("-p, --port <port>", "port to listen on; 0 takes any that is free", parsePort, 4650)
    .option("--listen <address>", "address to listen on", "127.0.0.1")
    .option("--stately", "print an address for clients of @statelyai/inspect (WebSocket), too")
    .option("--state-dir <folder>", "the driver's state_dir", defaultStateDir)
    .addHelpText(
      "after",
      `
From elsewhere, use a tunnel: ssh -L 4650:localhost:4650 HOST. What is said on
the wire is not encrypted.

Examples:
  nomad-driver-exec2 inspect
  nomad-driver-exec2 inspect --port 0 --stately
  nomad-driver-exec2 inspect bundle.jsonl`,
    )
    .action(async (bundle: string | undefined, options: Options) => exit(await act(bundle, options)));
};

async function act(
  bundle: string | undefined,
  { port, listen: host, stately = false, stateDir }: Options,
): Promise<number> {
  const { showInspector } = await import("./showInspector.ts");
  if (bundle !== undefined) {
    // A log may appear later, but a file that is not a bundle is an error, reported at once.
    const { loadBundle } = await import("../../../replay/bundle/loadBundle.ts");
    await loadBundle(bundle);
  }
  return showInspector({ path: bundle ?? stateDir, host, port, stately });
}

function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError("It must be a port, from 0 to 65535.");
}
