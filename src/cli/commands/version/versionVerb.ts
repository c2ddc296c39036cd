import { arch, release } from "node:os";
import { version } from "../../../version.ts";
import type { AddVerb } from "../verb.ts";

export const addVersion: AddVerb = (program, exit) => {
  program
    .command("version")
    .summary("tell the versions of the driver and of what it runs on")
    .description("Tells the version of the driver, of the runtime in it, and of the host.")
    .option("--json", "one JSON object")
    .addHelpText(
      "after",
      "\nExamples:\n  nomad-driver-exec2 version\n  nomad-driver-exec2 version --json | jq -r .driver",
    )
    .action(({ json = false }: { readonly json?: boolean }) => {
      const { node } = process.versions;
      const versions = { driver: version, node, linux: release(), arch: arch() };
      const text = `nomad-driver-exec2 ${version}\nNode.js ${node}\nLinux ${release()} ${arch()}`;
      process.stdout.write(`${json ? JSON.stringify(versions) : text}\n`);
      exit(0);
    });
};
