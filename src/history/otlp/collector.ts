/**
 * What all signals for a collector have in common. OpenTelemetry's own library sends them, by OTLP over HTTP, and reads
 * the standard variables OTEL_EXPORTER_OTLP_*, OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES. It is loaded only if
 * something is sent.
 */
import type { HrTime } from "@opentelemetry/api";
import {
  detectResources,
  envDetector,
  type Resource,
  resourceFromAttributes,
} from "@opentelemetry/resources";
import { DriverError } from "../../base/errors.ts";
import { trustBundledRoots } from "../../base/rootCertificates.ts";
import { uuidV5 } from "../../base/uuid.ts";
import { version } from "../../base/version.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** A signal, as the names of the library's variables have it. */
export type Signal = "TRACES" | "METRICS" | "LOGS";

/** Its identity tells the library which signals belong together. */
export const scope = { name: "nomad-driver-exec2", version };

/**
 * The address of the collector of a signal, without a password. Trusts the certificates of public authorities from then
 * on, if the address needs it.
 * @throws DriverError `CONFIG_INVALID` for variables whose values the library would ignore
 */
export function collectorAddress(env: Environment, signal: Signal): string {
  const own = env[`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`];
  const shared = env.OTEL_EXPORTER_OTLP_ENDPOINT;
  const protocol =
    env[`OTEL_EXPORTER_OTLP_${signal}_PROTOCOL`] ?? env.OTEL_EXPORTER_OTLP_PROTOCOL ?? "http/protobuf";
  if (protocol !== "http/protobuf") {
    const what = signal.toLowerCase();
    const summary = `${what} cannot be sent by OTLP's protocol ${JSON.stringify(protocol)}`;
    throw new DriverError("CONFIG_INVALID", summary, {
      hint: "Set OTEL_EXPORTER_OTLP_PROTOCOL to http/protobuf, or leave it out",
    });
  }
  const address = URL.parse(own || shared || "http://localhost:4318");
  if (address === null || !/^https?:$/.test(address.protocol)) {
    throw new DriverError(
      "CONFIG_INVALID",
      "the collector's address in OTEL_EXPORTER_OTLP_ENDPOINT is not an HTTP address",
      { hint: "Set it to an address such as http://localhost:4318" },
    );
  }
  const shown = address.origin + address.pathname.replace(/\/$/, "");
  if (shown.startsWith("https:")) trustBundledRoots();
  return shown;
}

/** The resources of nodes. The standard variables override what the driver says. */
export class Resources {
  readonly #known = new Map<string | null, Resource>();

  /** @param node its name, null if it is unknown */
  of(node: string | null): Resource {
    const known = this.#known.get(node);
    if (known !== undefined) return known;
    const made = resourceFromAttributes({
      "service.name": "nomad-driver-exec2",
      "service.version": version,
      ...(node !== null && { "host.name": node, "service.instance.id": instanceId(node) }),
    }).merge(detectResources({ detectors: [envDetector] }));
    this.#known.set(node, made);
    return made;
  }
}

interface ExportResult {
  readonly code: number;
  readonly error?: Error;
}

/**
 * Waits for an export, which the library repeats for a while if the collector is overloaded.
 * @returns why the collector did not take it; undefined if it did
 */
export async function exported(
  work: (done: (result: ExportResult) => void) => void,
): Promise<Error | undefined> {
  const { promise, resolve } = Promise.withResolvers<ExportResult>();
  work(resolve);
  const { code, error } = await promise;
  return code === 0 ? undefined : (error ?? new Error("no reason is given"));
}

/** Seconds and nanoseconds. @param ms milliseconds since the epoch */
export function timeOf(ms: number): HrTime {
  return [Math.floor(ms / 1000), Math.round((ms % 1000) * 1e6)];
}

/**
 * The same for a node whoever sends its signals: a UUID of version 5 in OpenTelemetry's namespace,
 * https://opentelemetry.io/docs/specs/semconv/registry/attributes/service/.
 */
function instanceId(node: string): string {
  return uuidV5("4d63009a-8d0f-11ee-aad7-4c796ed8e320", node);
}
