/** Bytes of the structs of `linux/landlock.h`, little-endian as x86-64 and arm64 are. Pure. */

/** `LANDLOCK_RULE_PATH_BENEATH` of `enum landlock_rule_type`. */
export const RULE_PATH_BENEATH = 1;

/**
 * `struct landlock_ruleset_attr`. Kernels that know fewer members accept the rest as
 * long as it is zero.
 * @param handledAccessFs refused wherever no rule allows it
 */
export function rulesetAttr(handledAccessFs: number, scoped: number): Uint8Array {
  const words = new BigUint64Array([BigInt(handledAccessFs), NO_NETWORK_RULES, BigInt(scoped)]);
  return new Uint8Array(words.buffer);
}

/**
 * `struct landlock_path_beneath_attr`, which is packed: 8 bytes `allowed_access`,
 * then 4 bytes `parent_fd`.
 * @param descriptor of what the rule is about, opened with `O_PATH`
 */
export function pathBeneathAttr(allowedAccess: number, descriptor: number): Uint8Array {
  const attr = new DataView(new ArrayBuffer(12));
  attr.setUint32(0, allowedAccess, true);
  attr.setInt32(8, descriptor, true);
  return new Uint8Array(attr.buffer);
}

const NO_NETWORK_RULES = 0n;
