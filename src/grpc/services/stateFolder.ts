/**
 * Hands the state folder over to another plugin if no agent is connected to this plugin.
 *
 * Callers need no further authentication. The socket's mode admits only root and the group that the agent has
 * chosen (socket.ts). Both can already end the plugin and start tasks as root.
 */
import type { Logger } from "../../base/hclog.ts";
import type { AnswersUnderWay } from "../answersUnderWay.ts";
import type { StateFolderServer } from "../generated/exec2/state_folder.ts";

/** The plugin's process, as services see it. */
export interface ServingProcess {
  readonly answers: AnswersUnderWay;
  /** Number of open connections. */
  connections(): number;
  /** Closes the socket and releases all that the driver holds. */
  release(): Promise<void>;
  /** Ends the process after the answers that are under way. */
  end(): void;
}

export function stateFolderService(serving: ServingProcess, log: Logger): StateFolderServer {
  // Each requester has its own connection. All other connections count as agents.
  let requesters = 0;
  return {
    async handOver(call) {
      requesters += 1;
      call.on("cancelled", () => {
        requesters -= 1;
      });
      if (serving.connections() > requesters) {
        call.write({ handedOver: false });
        return;
      }
      log.info("hands the state folder over to another plugin, and ends");
      const given = serving.answers.begin();
      call.on("cancelled", given);
      await serving.release();
      call.write({ handedOver: true }, given);
      serving.end();
    },
  };
}
