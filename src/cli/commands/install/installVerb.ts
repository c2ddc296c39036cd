import { defaultStateDir } from "../../../base/defaultStateDir.ts";
import { type AddVerb, jsonLinesOption, stateDirOption } from "../verb.ts";

interface InstallOptions {
  readonly pluginDir: string;
  readonly yes?: boolean;
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
    .summary("install this driver into an agent's plugin folder")
    .description(
      "Copies this program to the plugin folder of a Nomad agent, checks the host like doctor, and prints the " +
        "block for the agent's configuration. Replaces an earlier version, while tasks keep running. Does not " +
        "touch files that are not this driver. Asks before it creates the folder.",
    )
    .option("--plugin-dir <folder>", "the agent's plugin_dir", defaultPluginDir)
    .option("-y, --yes", "create the folder without a question")
    .addHelpText(
      "after",
      `
Examples:
  nomad-driver-exec2 install
  nomad-driver-exec2 install --plugin-dir /opt/nomad/plugins`,
    )
    .action(async ({ pluginDir, yes = false }: InstallOptions) => {
      const { install } = await import("./install.ts");
      exit(await install({ pluginDir, stateDir: defaultStateDir, yes }));
    });
};

export const addUninstall: AddVerb = (program, exit) => {
  program
    .command("uninstall")
    .summary("remove this driver from an agent's plugin folder")
    .description(
      "Removes this driver from the plugin folder of a Nomad agent. Keeps the histories of tasks, unless called " +
        "with --histories, which requires that no task is running, asks first, and keeps files that are not the " +
        "driver's.",
    )
    .option("--plugin-dir <folder>", "the agent's plugin_dir", defaultPluginDir)
    .option("--histories", "also remove the histories of all tasks")
    .option("-n, --dry-run", "show what would be removed")
    .option("-y, --yes", "remove the histories without a question")
    .option(...jsonLinesOption)
    .option(...stateDirOption)
    .addHelpText(
      "after",
      `
Examples:
  nomad-driver-exec2 uninstall --dry-run
  nomad-driver-exec2 uninstall --histories`,
    )
    .action(
      async ({
        pluginDir,
        stateDir,
        histories = false,
        dryRun = false,
        yes = false,
        json = false,
      }: UninstallOptions) => {
        const { uninstall } = await import("./install.ts");
        exit(await uninstall({ pluginDir, stateDir, histories, dryRun, yes, json }));
      },
    );
};
