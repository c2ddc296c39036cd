/** Launched by an agent this is the plugin, called by a person it is the command line. */
import { isPluginLaunch } from "./grpc/handshake.ts";

if (isPluginLaunch(process.env)) {
  const { servePlugin } = await import("./grpc/plugin.ts");
  await servePlugin(async (...given) => {
    const { Driver } = await import("./driver/driver.ts");
    return new Driver(...given);
  });
} else {
  const { runCli } = await import("./cli/cli.ts");
  process.exitCode = await runCli(process.argv.slice(2));
}
