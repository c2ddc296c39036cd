/**
 * Entry of the plugin with kill points: the real plugin, with further kill points around an agent's calls,
 * effects and the steps of a launch.
 */
import { servePlugin } from "../../src/grpc/plugin.ts";
import { between } from "./killPoints.ts";
import { calls, launchCalls, launchSteps } from "./points.ts";

await servePlugin(async (...given) => {
  const { Driver } = await import("../../src/driver/driver.ts");
  const { Run } = await import("../../src/driver/run/run.ts");
  const { PendingLaunch } = await import("../../src/effects/launch/launcher.ts");
  for (const name of [...launchSteps, ...launchCalls]) {
    const step: (this: InstanceType<typeof PendingLaunch>) => unknown = PendingLaunch.prototype[name];
    Object.defineProperty(PendingLaunch.prototype, name, {
      value(this: InstanceType<typeof PendingLaunch>) {
        return between(name, () => step.call(this))();
      },
    });
  }
  const { execute } = Run.prototype;
  Run.prototype.execute = function (action) {
    return between(action.type, () => execute.call(this, action))();
  };
  const driver = new Driver(...given, async () => []);
  for (const name of calls) {
    const call = driver[name].bind(driver) as (...args: never[]) => unknown;
    Object.defineProperty(driver, name, { value: between(name, call) });
  }
  return driver;
});
