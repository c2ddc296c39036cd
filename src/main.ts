/** The entry point: the plugin if an agent launches the program, the command line if a person does. */
import { isPluginLaunch } from "./grpc/handshake.ts";

async function main(): Promise<void> {
  if (isPluginLaunch(process.env)) {
    const { servePlugin } = await import("./grpc/plugin.ts");
    await servePlugin(async (...args) => {
      const { Driver } = await import("./driver/driver.ts");
      return new Driver(...args, async (path, plugin) => {
        const { readCandidate } = await import("./localAgent/files/candidateFile.ts");
        return readCandidate(path, {}, plugin);
      });
    });
  } else {
    const { runCli } = await import("./cli/cli.ts");
    process.exitCode = await runCli(process.argv.slice(2));
  }
}

void main();
