/** Types of a job file's attributes, with Nomad's defaults. Pure. */
import { z } from "zod";
import { isSignal } from "../../base/signalNames.ts";
import { goUnits, parseDuration } from "../../units/durations.ts";

const texts = z.array(z.string());
const count = z.coerce
  .number("must be a number")
  .int("must be a whole number")
  .min(0, { error: "must not be negative", abort: true });
const megabytes = count.min(10, "must be at least 10 (MiB)");

/** A map, written as an attribute or as a block. The parser returns a block as a list with one element. */
function map<T extends z.ZodType>(value: T) {
  const record = z.record(z.string(), value, "must be a block or a map");
  const blocks = z.array(z.unknown()).max(1, "there may be only one such block");
  return z
    .unknown()
    .transform((input, context) => {
      if (!Array.isArray(input)) return input;
      for (const issue of blocks.safeParse(input).error?.issues ?? []) context.addIssue(issue.message);
      return input[0];
    })
    .pipe(record)
    .default({} as Record<string, z.output<T>>);
}

/** A map of strings, such as `env`; null counts as absent. */
function textMap() {
  const value = z.union(
    [z.string(), z.number(), z.boolean(), z.null()],
    "must be a string, a number or a bool",
  );
  return map(value).transform((entries) => {
    const set = Object.entries(entries).filter((entry) => entry[1] !== null);
    return Object.fromEntries(set.map(([name, item]) => [name, String(item)]));
  });
}

const duration = z.union([z.string(), z.number()]).transform((input, context) => {
  const value = parseDuration(String(input), goUnits);
  if (value !== undefined) return value;
  context.addIssue({ code: "custom", message: "must be a duration such as 500ms, 5s or 1m30s" });
  return z.NEVER;
});

const signal = z.string().superRefine((name, context) => {
  if (name !== "" && !isSignal(name)) {
    context.addIssue({ code: "custom", message: `there is no signal ${JSON.stringify(name)}` });
  }
});

export const jobSchema = z.object({
  id: z.string().min(1).optional(),
  name: z.string().min(1).optional(),
  namespace: z.string().default("default"),
  region: z.string().default("global"),
  datacenters: texts.default([]),
  type: z
    .enum(["service", "batch", "system", "sysbatch"], "must be service, batch, system or sysbatch")
    .default("service"),
  meta: textMap(),
});

export const parameterizedSchema = z.object({
  payload: z
    .enum(["optional", "required", "forbidden", ""], "must be optional, required or forbidden")
    .default("optional"),
  meta_required: texts.default([]),
  meta_optional: texts.default([]),
});

export const dispatchPayloadSchema = z.object({
  file: z.string("dispatch_payload needs file, a path in the folder local").min(1, "must not be empty"),
});

export const groupSchema = z.object({ count: count.default(1), meta: textMap() });

export const networkSchema = z.object({
  mode: z
    .union([z.enum(["host", "bridge", "none", ""]), z.templateLiteral(["cni/", z.string().min(1)])], {
      error: "must be host, bridge, none or cni/NAME",
    })
    .transform((mode) => (mode === "" ? "host" : mode))
    .default("host"),
  hostname: z.string().default(""),
});

export const volumeSchema = z.object({
  type: z.enum(["host", "csi"], {
    error: ({ input }) =>
      input === undefined ? 'the volume names no type: type = "host"' : "must be host or csi",
  }),
  source: z.string("a volume needs source, its name on a cluster").min(1, "must not be empty"),
  per_alloc: z.boolean().default(false),
  read_only: z.boolean().default(false),
});

export const volumeMountSchema = z.object({
  volume: z.string("a volume_mount needs volume, the name of a volume of its group"),
  destination: z.string("a volume_mount needs a destination, such as /data"),
  read_only: z.boolean().default(false),
  propagation_mode: z
    .enum(["private", "host-to-task", "bidirectional"], "must be private, host-to-task or bidirectional")
    .default("private"),
});

export const portSchema = z.object({
  static: count.min(1).max(65_535, "must be a port: 1 to 65535").optional(),
  to: z.coerce.number().int().default(0),
});

const atLeast = (min: number, text: string) =>
  duration.refine((milliseconds) => milliseconds >= min, `must be at least ${text}`);

export const serviceSchema = z.object({
  name: z.string().default(""),
  port: z.coerce.string().default(""),
  // Accepted without an effect, because both providers have the same checks.
  provider: z.enum(["consul", "nomad"], "must be consul or nomad").optional(),
});

export const checkSchema = z.object({
  type: z.enum(["http", "tcp", "script", "grpc"], "must be http, tcp, script or grpc"),
  name: z.string().default(""),
  port: z.coerce.string().default(""),
  task: z.string().default(""),
  interval: atLeast(1_000, "1s"),
  timeout: atLeast(1, "1ms"),
  path: z.string().default(""),
  method: z.string().default("GET"),
  header: map(z.union([z.array(z.string()), z.string().transform((value) => [value])])),
  body: z.string().default(""),
  protocol: z.enum(["http", "https", ""], "must be http or https").default(""),
  tls_skip_verify: z.boolean().default(false),
  command: z.string().default(""),
  args: texts.default([]),
  success_before_passing: count.default(0),
  failures_before_critical: count.default(0),
});

export const upstreamSchema = z.object({
  destination_name: z.string("an upstream needs its destination_name"),
  local_bind_port: count.min(1).max(65_535, "must be a port: 1 to 65535"),
});

export const checkRestartSchema = z.object({ limit: count.default(0), grace: duration.default(1_000) });

export const dnsSchema = z.object({
  servers: texts.default([]),
  searches: texts.default([]),
  options: texts.default([]),
});

export const taskSchema = z.object({
  driver: z.string('the task names no driver: driver = "exec2"').min(1, "must not be empty"),
  config: map(z.unknown()),
  env: textMap(),
  kill_signal: signal.default(""),
  kill_timeout: duration.default(5_000),
  leader: z.boolean().default(false),
  meta: textMap(),
  user: z.string().default(""),
});

export const resourcesSchema = z.object({
  cpu: count.min(1, "must be at least 1 (MHz)").optional(),
  cores: count.default(0),
  memory: megabytes.default(300),
  memory_max: z.union([z.literal(-1), megabytes]).optional(),
});

export const lifecycleSchema = z.object({
  hook: z.enum(["prestart", "poststart", "poststop"], "must be prestart, poststart or poststop"),
  sidecar: z.boolean().default(false),
});

export const logsSchema = z.object({ disabled: z.boolean().default(false) });

export const templateSchema = z.object({
  data: z.string("a template needs data, its text"),
  destination: z.string("a template needs a destination, such as local/index.html"),
  env: z.boolean().default(false),
  perms: z
    .string()
    .regex(/^[0-7]{3,4}$/, 'must be an octal file mode such as "0644"')
    .default("0644")
    .transform((digits) => Number.parseInt(digits, 8)),
  uid: z.number().int().optional(),
  gid: z.number().int().optional(),
  left_delimiter: z.string().min(1).default("{{"),
  right_delimiter: z.string().min(1).default("}}"),
});
