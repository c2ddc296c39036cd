/**
 * The options of the `plugin "nomad-driver-exec2" { config { … } }` block: those of the parts of a launch, and
 * the driver's own. One schema defines their types, checks, hclspec and documentation. In HCL their names have
 * underscores: `unveil_defaults`. Pure.
 */
import { z } from "zod";
import { defaultStateDir } from "../../base/defaultStateDir.ts";
import { type DeprecatedOption, deprecatedAmong, hasDeprecated } from "../../effects/options/deprecation.ts";
import { absolutePath, flag, oneOf, sum, text, textBlocks } from "../../effects/options/fields.ts";
import {
  changedOptions,
  decodeOptions,
  hclSpecOf,
  InvalidOptions,
} from "../../effects/options/hclOptions.ts";
import { pluginShape } from "../../effects/parts.ts";
import { seccompProblem } from "../../effects/seccomp/profileOptions.ts";
import { parseDuration } from "../../units/durations.ts";
import { historyProblem } from "./historyBounds.ts";
import { parseMetricsAddress } from "./metricsAddress.ts";

/** `history { … }` blocks, which are merged like {@link ulimitBlocks}. */
const historyBlocks = () => textBlocks("bounds", historyProblem);

/** Interval between samples of tasks' usage. */
const sampleInterval = () =>
  text().refine((interval) => {
    const ms = parseDuration(interval);
    return ms === 0 || (ms !== undefined && ms >= 1_000 && ms <= 86_400_000);
  }, "must be a duration from 1s to 24h, such as 30s or 5m; or 0");

/** Address of a server that only this host can reach; empty for no server. */
const localAddress = () =>
  text().refine(
    (address) => address === "" || parseMetricsAddress(address) !== undefined,
    "must be an address of this host with a port, such as 127.0.0.1:9464 or [::1]:9464, or the absolute path of a socket",
  );

/** How much the agent is told of a failure. */
const exitMessages = ["cause", "output", "off"] as const;

const ownShape = () => ({
  history: historyBlocks()
    .default([])
    .meta({
      description:
        "bounds of the [history](#history) of ended tasks: `keep`, by default `168h`; `max_size_mb`, MiB of the event log, by default `1024`",
      example: [{ keep: "720h", max_size_mb: "4096" }],
    }),
  usageInterval: sampleInterval().default("1m").meta({
    description:
      "maximum time between two [samples](observing.md#what-a-task-used) of a running task's usage, 1s to 24h; `0` turns sampling off",
    example: "5m",
  }),
  metrics: localAddress().default("").meta({
    description:
      "where the plugin serves metrics for [Prometheus](observing.md#prometheus): a loopback address with a port, or the path of a unix socket",
    example: "127.0.0.1:9464",
  }),
  exitMessage: oneOf(exitMessages).default("cause").meta({
    description: "what the agent shows of a failed task as its [exit message](observing.md#the-exit-message)",
    example: "output",
  }),
  traces: flag().default(false).meta({
    description:
      "whether the plugin sends a [trace](observing.md#traces) of each ended task to an OpenTelemetry collector",
    example: true,
  }),
  otlpMetrics: flag().default(false).meta({
    description:
      "whether the plugin sends its [metrics](observing.md#metrics-and-events-by-otlp) to an OpenTelemetry collector",
    example: true,
  }),
  otlpEvents: flag().default(false).meta({
    description:
      "whether the plugin sends the [events](observing.md#metrics-and-events-by-otlp) of tasks to an OpenTelemetry collector, as log records",
    example: true,
  }),
  stateDir: absolutePath().default(defaultStateDir).meta({
    description:
      "the folder of the event log and the files of runs, root's (0700). When an agent starts, its parent has to exist. Each agent needs its own ([recovery](recovery.md#a-state-folder-that-cannot-be-used))",
    example: "/srv/nomad-driver-exec2",
  }),
});

export const pluginSchema = z.object(sum([pluginShape(), ownShape()]));

export type PluginOptions = Readonly<z.output<typeof pluginSchema>>;

export const pluginOptionsSpec = hclSpecOf(pluginSchema);

/** The deprecated ones of the options that differ from their defaults. */
export function deprecatedIn(options: PluginOptions): readonly DeprecatedOption[] {
  if (!hasDeprecated(pluginSchema)) return [];
  return deprecatedAmong(pluginSchema, Object.keys(changedOptions(options, pluginSchema.parse({}))));
}

/**
 * @param raw the decoded msgpack map of SetConfig
 * @throws DriverError `CONFIG_INVALID`
 */
export function parsePluginOptions(raw: unknown): PluginOptions {
  const options = decodeOptions("plugin", pluginSchema, raw);
  const problem = seccompProblem(options);
  if (problem === undefined) return options;
  throw new InvalidOptions("plugin", [problem]);
}
