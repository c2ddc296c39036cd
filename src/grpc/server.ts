/** The gRPC server with all services of the plugin. */
import type { Socket } from "node:net";
import type { UntypedServiceImplementation } from "@grpc/grpc-js";
// Bypasses grpc-js's index, which also loads the clients: three times as much code at each launch.
import { Server } from "@grpc/grpc-js/build/src/server.js";
import { ServerCredentials } from "@grpc/grpc-js/build/src/server-credentials.js";
import type { Logger } from "../base/hclog.ts";
import type { DriverSlot } from "./driverSlot.ts";
import { OperatorService } from "./generated/exec2/operator.ts";
import { StateFolderService } from "./generated/exec2/state_folder.ts";
import { GRPCBrokerService } from "./generated/goplugin/broker.ts";
import { GRPCControllerService } from "./generated/goplugin/controller.ts";
import { GRPCStdioService } from "./generated/goplugin/stdio.ts";
import { HealthService } from "./generated/grpc/health.ts";
import { ServerReflectionService } from "./generated/grpc/reflection.ts";
import { BasePluginService } from "./generated/nomad/base.ts";
import { DriverService } from "./generated/nomad/driver.ts";
import { Handlers } from "./handlers.ts";
import { basePluginService } from "./services/basePlugin.ts";
import { driverService } from "./services/driver.ts";
import { operatorService } from "./services/operator.ts";
import { brokerService, controllerService, healthService, stdioService } from "./services/plugin.ts";
import { reflectionAlphaDefinition, reflectionService } from "./services/reflection.ts";
import { type ServingProcess, stateFolderService } from "./services/stateFolder.ts";

/** Maximum bytes of a request: far more than any job's environment and templates need. */
const maxRequestBytes = 64 * 1024 * 1024;

/** @returns a function that serves a connection */
export function createServer(
  slot: DriverSlot,
  log: Logger,
  serving: ServingProcess,
): (connection: Socket) => void {
  const server = new Server({
    "grpc.max_receive_message_length": maxRequestBytes,
    "grpc.enable_channelz": 0,
  });
  const { answers } = serving;
  const handlers = new Handlers(log, answers);
  const reflection = reflectionService(servedNames);
  server.addService(BasePluginService, { ...basePluginService(handlers, slot) });
  server.addService(DriverService, driverService(handlers, slot, log) as UntypedServiceImplementation);
  server.addService(HealthService, healthService);
  server.addService(
    GRPCControllerService,
    controllerService(answers, () => serving.end()),
  );
  server.addService(GRPCBrokerService, brokerService);
  server.addService(GRPCStdioService, stdioService);
  server.addService(StateFolderService, stateFolderService(serving, log));
  server.addService(OperatorService, operatorService(handlers, slot));
  server.addService(ServerReflectionService, reflection);
  server.addService(reflectionAlphaDefinition, reflection);
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  return (connection) => injector.injectConnection(connection);
}

/** `/package.Service/Method` → `package.Service` */
const servedNames = [
  BasePluginService.pluginInfo,
  DriverService.init,
  HealthService.check,
  GRPCControllerService.shutdown,
  GRPCBrokerService.startStream,
  GRPCStdioService.streamStdio,
  StateFolderService.handOver,
  OperatorService.record,
  ServerReflectionService.serverReflectionInfo,
].map(({ path }) => path.slice(1, path.lastIndexOf("/")));
