/** Reads the attributes of a driver's schema. Pure. */
import type { Spec } from "../../grpc/generated/nomad/hclspec.ts";
import type { AttributeSpec } from "../../jobspec/driverConfig.ts";

/** The attributes of a schema that is one object. Skips kinds of spec that this driver does not use. */
export function attributeSpecs(schema: Spec | undefined): AttributeSpec[] {
  const block = schema?.block;
  if (block?.$case !== "object") return [];
  return [...block.value.attributes.values()].flatMap((spec) => attributeSpec(spec) ?? []);
}

function attributeSpec({ block }: Spec): AttributeSpec | undefined {
  if (block?.$case === "Attr") return block.value;
  if (block?.$case !== "default" || !block.value.primary) return undefined;
  const primary = attributeSpec(block.value.primary);
  const fallback = block.value.default?.block;
  return primary && { ...primary, default: fallback?.$case === "literal" ? fallback.value.value : undefined };
}
