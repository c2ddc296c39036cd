/** go-plugin's own services: its way to end a plugin, and two streams that agents open and never use here. */
import type { GRPCBrokerServer } from "../generated/goplugin/broker.ts";
import type { GRPCControllerServer } from "../generated/goplugin/controller.ts";
import type { GRPCStdioServer } from "../generated/goplugin/stdio.ts";

/** Offers no connections and takes none: multiplexing is not agreed on, so knocks are not answered. */
export const brokerService: GRPCBrokerServer = {
  startStream(call) {
    call.on("data", () => {});
    call.on("end", () => call.end());
  },
};

/** Says nothing: the plugin prints nothing that would have to be copied. It ends with the connection. */
export const stdioService: GRPCStdioServer = {
  streamStdio() {},
};

/** @param end ends the process, soon: the answer has to leave before */
export function controllerService(end: () => void): GRPCControllerServer {
  return {
    shutdown(_call, answer) {
      answer(null, {});
      end();
    },
  };
}
