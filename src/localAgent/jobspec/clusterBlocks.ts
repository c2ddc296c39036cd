/**
 * What may be in the blocks and attributes that a local run leaves to a cluster. A mistyped name or value in
 * them is an error for Nomad, so `validate` finds it, too. Pure.
 */

import { z } from "zod";
import { suggestion } from "../../base/suggest.ts";
import { goUnits, parseDuration } from "../../units/durations.ts";
import { inside, type JobFile, numbered, report } from "./jobFile.ts";
import { asList, type Body, isJson } from "./syntax.ts";

/** HCL converts between strings, numbers and bools. */
const text = z.union([z.string(), z.number(), z.boolean()], "must be a string");
const texts = z.array(z.unknown(), "must be a list");
const number = z.union(
  [z.number(), z.string().regex(/^-?\d+(\.\d+)?$/, "must be a number")],
  "must be a number",
);
const flag = z.union([z.boolean(), z.enum(["true", "false"])], "must be true or false");
const duration = text.refine(
  (value) => parseDuration(String(value), goUnits) !== undefined,
  "must be a duration such as 500ms, 5s or 1m30s",
);
const oneOf = (...values: readonly string[]) => z.enum(values, `must be ${values.join(", ")}`);

type Shape = Readonly<Record<string, z.ZodType | Block>>;

/** A block by what may be in it; "any" for a map of any names. */
interface Block {
  readonly block: Shape | "any";
  /** Whether the block has a label. */
  readonly labelled?: boolean;
}

const map: Block = { block: "any" };

const operands = {
  ...{ attribute: text, operator: text, value: text, version: text, semver: text, regexp: text },
  ...{ set_contains: text, set_contains_all: text, set_contains_any: text },
};
const constraint = {
  block: { ...operands, distinct_hosts: text, distinct_property: text, is_set: text, is_not_set: text },
};
const affinity = { block: { ...operands, weight: number } };
const health = {
  max_parallel: number,
  health_check: oneOf("checks", "task_states", "manual"),
  min_healthy_time: duration,
  healthy_deadline: duration,
};
const vaultChange = oneOf("noop", "restart", "signal");

/** By key, or by level and key where the same key means something else elsewhere. Keys that are absent are not checked. */
const shapes: Shape = {
  affinity,
  constraint,
  spread: {
    block: { attribute: text, weight: number, target: { block: { percent: number }, labelled: true } },
  },
  reschedule: {
    block: {
      ...{ attempts: number, interval: duration, delay: duration, max_delay: duration, unlimited: flag },
      delay_function: oneOf("constant", "exponential", "fibonacci"),
    },
  },
  migrate: { block: health },
  update: {
    block: {
      ...health,
      ...{ stagger: duration, progress_deadline: duration, canary: number },
      ...{ auto_revert: flag, auto_promote: flag },
    },
  },
  periodic: {
    block: { enabled: flag, cron: text, crons: texts, prohibit_overlap: flag, time_zone: text },
  },
  priority: number,
  all_at_once: flag,
  node_pool: text,
  disconnect: {
    block: {
      ...{ lost_after: duration, stop_on_client_after: duration, replace: flag },
      reconcile: oneOf("best_score", "keep_original", "keep_replacement", "longest_running"),
    },
  },
  ephemeral_disk: { block: { sticky: flag, migrate: flag, size: number } },
  restart: {
    block: {
      ...{ attempts: number, interval: duration, delay: duration, render_templates: flag },
      mode: oneOf("fail", "delay"),
    },
  },
  shutdown_delay: duration,
  max_client_disconnect: duration,
  stop_after_client_disconnect: duration,
  artifact: {
    block: {
      ...{ source: text, destination: text, insecure: flag, chown: flag, options: map, headers: map },
      mode: oneOf("any", "file", "dir"),
    },
  },
  vault: {
    block: {
      ...{ role: text, policies: texts, namespace: text, cluster: text, env: flag, disable_file: flag },
      ...{ change_mode: vaultChange, change_signal: text, allow_token_expiration: flag },
    },
  },
  consul: { block: { namespace: text, cluster: text, partition: text } },
  secret: { block: { provider: text, path: text, config: map, env: map }, labelled: true },
  csi_plugin: {
    block: {
      ...{ id: text, mount_dir: text, stage_publish_base_dir: text, health_timeout: duration },
      type: oneOf("node", "controller", "monolith"),
    },
  },
  device: { block: { count: number, constraint, affinity }, labelled: true },
  mount_options: { block: { fs_type: text, mount_flags: texts } },
  connect: { block: { native: flag, sidecar_service: map, sidecar_task: map, gateway: map } },
  tags: texts,
  canary_tags: texts,
  meta: map,
  canary_meta: map,
  tagged_addresses: map,
  enable_tag_override: flag,
  address_mode: oneOf("alloc", "auto", "driver", "host"),
  weights: { block: { passing: number, warning: number } },
  "template.change_mode": oneOf("noop", "restart", "signal", "script"),
  change_script: { block: { command: text, args: texts, timeout: duration, fail_on_error: flag } },
  wait: { block: { min: duration, max: duration } },
  splay: duration,
  max_files: number,
  max_file_size: number,
};

/** Collects in the file what is wrong in an ignored or refused part. JSON of Nomad's API has other names, and is not checked. */
export function checkClusterPart(
  file: JobFile,
  level: string,
  place: string,
  key: string,
  value: unknown,
): void {
  const shape = shapes[`${level}.${key}`] ?? shapes[key];
  if (shape !== undefined && !isJson(file)) checkPart(file, inside(place, key), key, shape, value);
}

function checkPart(
  file: JobFile,
  place: string,
  key: string,
  shape: z.ZodType | Block,
  value: unknown,
): void {
  if (isExpression(value)) return;
  if (shape instanceof z.ZodType) {
    const message = shape.safeParse(value).error?.issues[0]?.message;
    if (message !== undefined) report(file, { place, message });
    return;
  }
  for (const [index, each] of asList(value).entries()) {
    const at = numbered(place, index, asList(value));
    if (typeof each !== "object" || Array.isArray(each))
      report(file, { place: at, message: "a block is expected here, not a single value", find: key });
    else if (shape.labelled)
      for (const [label, body] of Object.entries(each))
        checkPart(file, inside(at, label), label, { block: shape.block }, body);
    else if (shape.block !== "any") checkBody(file, at, shape.block, each as Body);
  }
}

function checkBody(file: JobFile, place: string, shape: Shape, body: Body): void {
  for (const [key, value] of Object.entries(body)) {
    const known = Object.hasOwn(shape, key) ? shape[key] : undefined;
    if (known !== undefined) {
      if (value !== null) checkPart(file, inside(place, key), key, known, value);
    } else if (key !== "dynamic") {
      const hint = suggestion(key, Object.keys(shape));
      report(file, {
        place: inside(place, key),
        message: "there is no such attribute or block",
        find: key,
        hint,
      });
    }
  }
}

/** Whether only an evaluation, or a client, knows the value. */
function isExpression(value: unknown): boolean {
  return typeof value === "string" && /[$%]\{/.test(value);
}
