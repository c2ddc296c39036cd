/**
 * The services that go-plugin itself needs: the plugin's health and its end, and two streams that agents open
 * but do not use.
 */
import { Status as status } from "@grpc/grpc-js/build/src/constants.js";
import type { AnswersUnderWay } from "../answersUnderWay.ts";
import type { GRPCBrokerServer } from "../generated/goplugin/broker.ts";
import type { GRPCControllerServer } from "../generated/goplugin/controller.ts";
import type { GRPCStdioServer } from "../generated/goplugin/stdio.ts";
import {
  type HealthCheckRequest,
  type HealthCheckResponse,
  type HealthServer,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../generated/grpc/health.ts";

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

/** @param end ends the process after the answers that are under way */
export function controllerService(answers: AnswersUnderWay, end: () => void): GRPCControllerServer {
  return {
    shutdown(call, answer) {
      // Every call emits this event at its end, even a call that was answered.
      call.on("cancelled", answers.begin());
      answer(null, {});
      end();
    },
  };
}

/** Names in health checks: the empty name for the whole server, and go-plugin's name for its services. */
const services: ReadonlySet<string> = new Set(["", "plugin"]);

const serving: HealthCheckResponse = { status: ServingStatus.SERVING };

/** grpc.health.v1. All services are healthy until the process ends. */
export const healthService: HealthServer = {
  check({ request }, answer) {
    if (services.has(request.service)) answer(null, serving);
    else answer({ code: status.NOT_FOUND, details: "unknown service" });
  },
  list(_call, answer) {
    answer(null, { statuses: new Map([...services].map((name) => [name, serving])) });
  },
  watch(call) {
    call.write(stateOf(call.request));
  },
};

function stateOf({ service }: HealthCheckRequest): HealthCheckResponse {
  return services.has(service) ? serving : { status: ServingStatus.SERVICE_UNKNOWN };
}
