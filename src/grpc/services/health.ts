/** grpc.health.v1. All services are healthy until the process ends. */
import { Status as status } from "@grpc/grpc-js/build/src/constants.js";
import {
  type HealthCheckRequest,
  type HealthCheckResponse,
  type HealthServer,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../generated/grpc/health.ts";

/** The whole server, and go-plugin's name for the plugin's services. */
const services: ReadonlySet<string> = new Set(["", "plugin"]);

const serving: HealthCheckResponse = { status: ServingStatus.SERVING };

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
