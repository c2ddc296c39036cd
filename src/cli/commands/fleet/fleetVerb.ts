import { Argument, InvalidArgumentError } from "commander";
import { DriverError } from "../../../base/errors.ts";
import { parseDuration } from "../../../units/durations.ts";
import { parseTime } from "../../../units/times.ts";
import { type AddVerb, jsonOption } from "../verb.ts";

interface Options {
  readonly namespace?: string;
  readonly region?: string;
  readonly address?: string;
  readonly since?: number;
  readonly follow?: boolean;
  readonly json?: boolean;
}

export const addFleet: AddVerb = (program, exit) => {
  program
    .command("fleet")
    .addArgument(new Argument("<question>", "what to find out").choices(["why", "nodes"]))
    .argument(
      "[id]",
      "for why: id of a job, with its dispatched and periodic ones; without it, all jobs of this driver",
    )
    .summary("explain failures over all nodes of a Nomad cluster, and compare its nodes")
    .description(
      "Reads Nomad's HTTP API, and changes nothing. why groups failed allocations by the kind and the object of " +
        "their cause, and says what sets them apart from the good ones: kernel, node, attributes, job version, " +
        "time. It names only what is no chance with 99.9 % certainty, over everything that it compares. nodes shows " +
        "each node's driver, kernel, Landlock ABI and health, and where nodes differ.",
    )
    .option("--namespace <name>", "namespace of the job; '*' for all that the token may read")
    .option("--region <name>", "region of the servers")
    .option("--address <url>", "address of an agent, such as https://nomad:4646 or unix:///run/nomad.sock")
    .option("--since <time>", "for why: leave out what ended before, such as 2h or 2026-12-01", parseSince)
    .option("-f, --follow", "for why: answer again when something changes, until interrupted")
    .option(...jsonOption)
    .addHelpText(
      "after",
      `
It reads the variables of Nomad's own commands: NOMAD_ADDR, NOMAD_TOKEN,
NOMAD_NAMESPACE, NOMAD_REGION, NOMAD_CACERT, NOMAD_CLIENT_CERT,
NOMAD_CLIENT_KEY, NOMAD_TLS_SERVER_NAME.

Examples:
  nomad-driver-exec2 fleet why web
  nomad-driver-exec2 fleet why --namespace '*' --since 2h
  nomad-driver-exec2 fleet why web --json | jq '.groups[].sentence'
  nomad-driver-exec2 fleet nodes`,
    )
    .action(async (question: string, job: string | undefined, options: Options) => {
      if (question === "why") {
        const { showFleetWhy } = await import("./showFleetWhy.ts");
        return exit(await showFleetWhy(job, options));
      }
      const { since, follow, json = false, ...address } = options;
      if (job !== undefined || since !== undefined || follow !== undefined)
        throw new DriverError("CONFIG_INVALID", "a job, --since and --follow are for fleet why");
      const { showFleetNodes } = await import("./showFleetNodes.ts");
      exit(await showFleetNodes(json, address));
    });
};

function parseSince(text: string): number {
  const ago = parseDuration(text);
  const time = ago === undefined ? parseTime(text, Date.now()) : Date.now() - ago;
  if (time === undefined) throw new InvalidArgumentError("Expected a duration such as 2h, or a time.");
  return time;
}
