/** Recorded traffic between an agent and a driver. The README beside the captures describes their format. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { MethodDefinition } from "@grpc/grpc-js";
import { GRPCBrokerService } from "../../../src/grpc/generated/goplugin/broker.ts";
import { GRPCControllerService } from "../../../src/grpc/generated/goplugin/controller.ts";
import { GRPCStdioService } from "../../../src/grpc/generated/goplugin/stdio.ts";
import { HealthService } from "../../../src/grpc/generated/grpc/health.ts";
import { BasePluginService } from "../../../src/grpc/generated/nomad/base.ts";
import { DriverService } from "../../../src/grpc/generated/nomad/driver.ts";

interface CapturedLine {
  readonly pid: number;
  readonly call?: number;
  readonly method?: string;
  readonly dir: "launch" | "request" | "half-close" | "response" | "end" | "exit";
  readonly data?: string;
  readonly status?: { readonly code: number };
  readonly text?: string;
}

/** A message with its method. */
export interface CapturedMessage {
  readonly method: MethodDefinition<unknown, unknown>;
  readonly dir: "request" | "response";
  readonly bytes: Buffer;
}

/** An answered call with its decoded messages. */
export interface CapturedCall {
  readonly launch: number;
  readonly method: string;
  readonly request: unknown;
  readonly responses: readonly unknown[];
}

/** A line of a capture. Lines are in the order of their times. */
export interface CapturedStep {
  readonly launch: number;
  readonly dir: CapturedLine["dir"];
  /** The number of the line's call. */
  readonly call: number;
  /** Full path of the method; empty for lines about the whole process. */
  readonly path: string;
  /** A request's decoded message. */
  readonly request: unknown;
  /** For an end: whether the call succeeded. */
  readonly succeeded: boolean;
  /** For an exit: whether a signal ended the process. */
  readonly killed: boolean;
}

const folder = join(import.meta.dirname, "../../fixtures/captures");
const services = [
  BasePluginService,
  DriverService,
  HealthService,
  GRPCControllerService,
  GRPCBrokerService,
  GRPCStdioService,
];
const methods = new Map(
  services
    .flatMap((service): MethodDefinition<unknown, unknown>[] => Object.values(service))
    .map((method) => [method.path, method]),
);

export const captureNames = readdirSync(folder).filter((name) => name.endsWith(".jsonl"));

export function capturedMessages(name: string): CapturedMessage[] {
  return linesOf(name).flatMap(({ method, dir, data }) =>
    dir === "request" || dir === "response"
      ? [{ method: methodAt(method), dir, bytes: Buffer.from(data ?? "", "base64") }]
      : [],
  );
}

/** Answered calls in the order of their requests. */
export function capturedCalls(name: string): CapturedCall[] {
  const lines = linesOf(name);
  return lines
    .filter(({ dir }) => dir === "request")
    .map(({ pid, call, method, data }) => {
      const { requestDeserialize, responseDeserialize } = methodAt(method);
      const answers = lines.filter(
        (line) => line.pid === pid && line.call === call && line.dir === "response",
      );
      return {
        launch: pid,
        method: (method ?? "").split("/").at(-1) ?? "",
        request: requestDeserialize(Buffer.from(data ?? "", "base64")),
        responses: answers.map((line) => responseDeserialize(Buffer.from(line.data ?? "", "base64"))),
      };
    })
    .filter(({ responses }) => responses.length > 0);
}

/** A whole capture. */
export function capturedSteps(name: string): CapturedStep[] {
  return linesOf(name).map(({ pid, dir, call = 0, method = "", data = "", status, text = "" }) => ({
    launch: pid,
    dir,
    call,
    path: method,
    request: dir === "request" ? methodAt(method).requestDeserialize(Buffer.from(data, "base64")) : undefined,
    succeeded: status?.code === 0,
    killed: text.startsWith("signal"),
  }));
}

function linesOf(name: string): CapturedLine[] {
  const text = readFileSync(join(folder, name), "utf8");
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as CapturedLine);
}

function methodAt(path = "") {
  const method = methods.get(path);
  if (method === undefined) throw new Error(`recorded, but not in proto/: ${path}`);
  return method;
}
