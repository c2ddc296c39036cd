import { arch, release } from "node:os";
import { version } from "../../../version.ts";
import type { AddVerb } from "../verb.ts";

export const addVersion: AddVerb = (program, exit) => {
  program
    .command("version")
    .summary("tell the versions of the driver and of what it runs on")
    .description("Tells the version of the driver, of the runtime in it, and of the host.")
    .addHelpText("after", "\nExample:\n  nomad-driver-exec2 version")
    .action(() => {
      process.stdout.write(
        `nomad-driver-exec2 ${version}\nNode.js ${process.versions.node}\nLinux ${release()} ${arch()}\n`,
      );
      exit(0);
    });
};
