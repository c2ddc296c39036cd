/** Asks the plugin that owns a state folder to hand the folder over. Loaded only if such a plugin runs. */
import { once } from "node:events";
import type { RequestHandOver } from "../driver/driverPort.ts";
import { addressOf } from "../store/folder/pluginAddress.ts";
import { connectPlugin } from "./pluginClient.ts";
import { errorOfCall } from "./status.ts";

/** Milliseconds to wait for the answer. Releasing the folder may take one second. */
const answerLimitMs = 3_000;

export const requestHandOver: RequestHandOver = async (folder, signal) => {
  const plugin = connectPlugin(addressOf(folder));
  const answers = plugin.stateFolder.handOver({}, { signal });
  const ended = new Promise<void>((resolve) => {
    // The call fails when the owner's process ends.
    answers.on("error", () => resolve());
    answers.on("end", resolve);
  });
  const forget = () => {
    answers.cancel();
    plugin.disconnect();
  };
  try {
    const [{ handedOver }] = await once(answers, "data", { signal: AbortSignal.timeout(answerLimitMs) });
    return { handedOver, ended, forget };
  } catch (thrown) {
    forget();
    throw errorOfCall(thrown);
  }
};
