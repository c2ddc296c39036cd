import { arch, release } from "node:os";
import { version } from "../../../base/version.ts";
import { jsonOf } from "../../terminal/json.ts";
import { type AddVerb, jsonOption } from "../verb.ts";

export const addVersion: AddVerb = (program, exit) => {
  program
    .command("version")
    .summary("show version information")
    .description("Shows the versions of the driver, its runtime and the kernel.")
    .option(...jsonOption)
    .addHelpText(
      "after",
      "\nExamples:\n  nomad-driver-exec2 version\n  nomad-driver-exec2 version --json | jq -r .driver",
    )
    .action(({ json = false }: { readonly json?: boolean }) => {
      const { node } = process.versions;
      const versions = { driver: version, node, linux: release(), arch: arch() };
      const text = `nomad-driver-exec2 ${version}\nNode.js ${node}\nLinux ${release()} ${arch()}`;
      process.stdout.write(`${json ? jsonOf("version", versions) : text}\n`);
      exit(0);
    });
};
