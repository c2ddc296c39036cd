/** Entry of the plugin with kill points: the real one, with points around the calls of an agent, too. */
import { servePlugin } from "../../src/grpc/plugin.ts";
import { between } from "./killPoints.ts";
import { calls } from "./points.ts";

await servePlugin(async (log, socketPath) => {
  const { Driver } = await import("../../src/driver/driver.ts");
  const driver = new Driver(log, socketPath);
  for (const name of calls) {
    const call = driver[name].bind(driver) as (...args: never[]) => unknown;
    Object.defineProperty(driver, name, { value: between(name, call) });
  }
  return driver;
});
