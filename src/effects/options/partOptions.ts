/**
 * What a part of a launch says about its options: their schemas, and the rules that hold across them. Sums of
 * all parts make the options of a task and of the plugin. Pure.
 */
import type { z } from "zod";
import { DriverError } from "../../base/errors.ts";
import { hclName } from "./hclOptions.ts";

export type Shape = z.core.$ZodLooseShape;

/** The values of options. */
export type Values<S extends Shape> = Readonly<z.output<z.ZodObject<S>>>;

/** Options of a part. Their schemas are made at their first use, because a plugin's launch needs none. */
export interface PartOptions {
  readonly task: () => Shape;
  readonly plugin: () => Shape;
}

export type TaskValues<Part extends PartOptions> = Values<ReturnType<Part["task"]>>;
export type PluginValues<Part extends PartOptions> = Values<ReturnType<Part["plugin"]>>;

/**
 * The options of both. An option that two parts have would override the other silently, so it does not
 * compile.
 */
export function sum<A extends Shape, B extends Shape>(
  one: A,
  other: B & (keyof A & keyof B extends never ? unknown : never),
): A & B {
  return { ...one, ...other };
}

/**
 * @param option the option of the task, in camel case
 * @param permission the option of the plugin that allows it
 * @throws DriverError `CONFIG_INVALID`
 */
export function refuseUnlessAllowed<Permission extends string>(
  option: string,
  isUsed: boolean,
  permission: Permission,
  plugin: { readonly [name in Permission]: boolean },
): void {
  if (!isUsed || plugin[permission]) return;
  const name = hclName(option);
  const summary = `The task's config has option "${name}", which this client does not allow`;
  throw new DriverError("CONFIG_INVALID", summary, {
    option: name,
    hint: `Remove it, or set ${hclName(permission)} = true in the client's plugin block of this driver`,
  });
}
