import { defaultStateDir } from "../../../config/options/defaultStateDir.ts";
import type { AddVerb } from "../verb.ts";

interface InstallOptions {
  readonly pluginDir: string;
}

interface UninstallOptions extends InstallOptions {
  readonly stateDir: string;
  readonly histories?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** The plugin folder of HashiCorp's packages. */
const defaultPluginDir = "/opt/nomad/data/plugins";

export const addInstall: AddVerb = (program, exit) => {
  program
    .command("install")
    .summary("put this program into an agent's plugin folder")
    .description(
      "Copies this executable into the plugin folder of a Nomad agent, checks the host as doctor does, and prints " +
        "the block for the agent's configuration. An earlier version is replaced, tasks go on; a file that is not " +
        "this driver stays as it is.",
    )
    .option("--plugin-dir <folder>", "the agent's plugin_dir", defaultPluginDir)
    .addHelpText(
      "after",
      `
Examples:
  nomad-driver-exec2 install
  nomad-driver-exec2 install --plugin-dir /opt/nomad/plugins`,
    )
    .action(async ({ pluginDir }: InstallOptions) => {
      const { install } = await import("./install.ts");
      exit(await install(pluginDir, defaultStateDir));
    });
};

export const addUninstall: AddVerb = (program, exit) => {
  program
    .command("uninstall")
    .summary("remove this program from an agent's plugin folder")
    .description(
      "Removes this driver from the plugin folder of a Nomad agent. Histories of tasks stay, unless --histories " +
        "is given; they are not removed while tasks run.",
    )
    .option("--plugin-dir <folder>", "the agent's plugin_dir", defaultPluginDir)
    .option("--histories", "remove the histories of all tasks, too")
    .option("-n, --dry-run", "list what would be removed, and remove nothing")
    .option("--json", "one JSON object a line")
    .option("--state-dir <folder>", "the driver's state_dir", defaultStateDir)
    .addHelpText(
      "after",
      `
Examples:
  nomad-driver-exec2 uninstall --dry-run
  nomad-driver-exec2 uninstall --histories`,
    )
    .action(
      async ({ pluginDir, stateDir, histories = false, dryRun = false, json = false }: UninstallOptions) => {
        const { uninstall } = await import("./uninstall.ts");
        exit(uninstall({ pluginDir, stateDir, histories, dryRun, json }));
      },
    );
};
