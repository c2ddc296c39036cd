/** Encodes the structs of `linux/landlock.h`, little-endian as x86-64 and arm64 are. Pure. */

/** `LANDLOCK_RULE_PATH_BENEATH` and `LANDLOCK_RULE_NET_PORT` of `enum landlock_rule_type`. */
export const RULE_PATH_BENEATH = 1;
export const RULE_NET_PORT = 2;

/**
 * `struct landlock_ruleset_attr`. Kernels that know fewer members require the other
 * ones to be zero.
 * @param handledAccessFs rights that are refused unless a rule allows them
 * @param handledAccessNet likewise
 */
export function rulesetAttr(handledAccessFs: number, handledAccessNet: number, scoped: number): Uint8Array {
  const words = new BigUint64Array([handledAccessFs, handledAccessNet, scoped].map(BigInt));
  return new Uint8Array(words.buffer);
}

/**
 * `struct landlock_path_beneath_attr`, which is packed: 8 bytes `allowed_access`,
 * then 4 bytes `parent_fd`.
 * @param descriptor of the rule's file or folder, opened with `O_PATH`
 */
export function pathBeneathAttr(allowedAccess: number, descriptor: number): Uint8Array {
  const attr = new DataView(new ArrayBuffer(12));
  attr.setUint32(0, allowedAccess, true);
  attr.setInt32(8, descriptor, true);
  return new Uint8Array(attr.buffer);
}

/** `struct landlock_net_port_attr`. */
export function netPortAttr(allowedAccess: number, port: number): Uint8Array {
  return new Uint8Array(new BigUint64Array([BigInt(allowedAccess), BigInt(port)]).buffer);
}
