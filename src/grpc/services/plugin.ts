/** go-plugin's own services: one ends the plugin; the other two are streams that agents open but do not use. */
import type { GRPCBrokerServer } from "../generated/goplugin/broker.ts";
import type { GRPCControllerServer } from "../generated/goplugin/controller.ts";
import type { GRPCStdioServer } from "../generated/goplugin/stdio.ts";

/** Offers and accepts no connections. Without negotiated multiplexing, no request needs an answer. */
export const brokerService: GRPCBrokerServer = {
  startStream(call) {
    call.on("data", () => {});
    call.on("end", () => call.end());
  },
};

/** Sends nothing, because the plugin prints nothing to forward. The stream ends with the connection. */
export const stdioService: GRPCStdioServer = {
  streamStdio() {},
};

/** @param end ends the process after a delay in which the answer can be sent */
export function controllerService(end: () => void): GRPCControllerServer {
  return {
    shutdown(_call, answer) {
      answer(null, {});
      end();
    },
  };
}
