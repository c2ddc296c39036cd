/**
 * Hands the state folder over to another plugin, where no agent is left that needs this one.
 *
 * No further proof of who asks is wanted. Who can connect to the socket is root, or of the
 * group that root let in (socket.ts): the kernel sees to that by the socket's mode. And whoever
 * can connect may end the plugin in any case, and start tasks as root.
 */
import type { Logger } from "../../log/hclog.ts";
import type { StateFolderServer } from "../generated/exec2/state_folder.ts";

/** The process that serves, as far as services have to do with it. */
export interface ServingProcess {
  /** How many connections are open. */
  connections(): number;
  /** Lets go of all that it holds; no further agent can connect. */
  letGo(): Promise<void>;
  /** Ends it, soon: the answer has to leave before. */
  end(): void;
}

export function stateFolderService(serving: ServingProcess, log: Logger): StateFolderServer {
  // Each has a connection of its own. All others are taken for agents.
  let askers = 0;
  return {
    async handOver(call) {
      askers += 1;
      call.on("cancelled", () => {
        askers -= 1;
      });
      if (serving.connections() > askers) {
        call.write({ handedOver: false });
        return;
      }
      log.info("hands the state folder over to another plugin, and ends");
      await serving.letGo();
      call.write({ handedOver: true });
      serving.end();
    },
  };
}
