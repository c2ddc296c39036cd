/**
 * Plays Nomad for the tests of the harness: `nomad.ts version`, `nomad.ts agent -config FILE`. A server and a client, as
 * two processes, which answer as test/fixtures/nomadApi shows and as Nomad's pages on its API say, and call the driver
 * as test/fixtures/captures shows. `FAKE_DEFECT` names one defect, which a case has to find.
 */
import { readFileSync } from "node:fs";
import { startClient } from "./client.ts";
import { startServer } from "./server.ts";

const [verb, , path = ""] = process.argv.slice(2);
if (verb === "version") console.log("Nomad v2.0.6-fake\nBuildDate 2026-12-01T00:00:00Z");
else if (verb === "agent") {
  const configuration = readFileSync(path, "utf8");
  const http = Number(/^ {2}http = (\d+)$/m.exec(configuration)?.[1]);
  const log = (line: string) => console.log(line);
  process.on("SIGINT", () => process.exit(0));
  if (/^server \{$/m.test(configuration)) {
    await startServer(http, Number(/^ {2}rpc {2}= (\d+)$/m.exec(configuration)?.[1]));
    log("==> Nomad agent started! Log data will stream in below:");
  } else {
    const text = (pattern: RegExp) => pattern.exec(configuration)?.[1] ?? "";
    await startClient({
      http,
      configuration: path,
      folder: text(/^data_dir = "(.*)"$/m),
      pluginDir: text(/^plugin_dir = "(.*)"$/m),
      server: Number(text(/servers += \["127\.0\.0\.1:(\d+)"\]/)),
      defect: process.env.FAKE_DEFECT,
    });
    log("==> Nomad agent started! Log data will stream in below:");
  }
} else {
  console.error(`unknown command ${verb}`);
  process.exit(1);
}
