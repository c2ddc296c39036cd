/** Converts the hclspec of options to its protobuf message. Pure. */
import type { HclSpec } from "../../effects/options/hclOptions.ts";
import type { Spec } from "../generated/nomad/hclspec.ts";

export function specOf(spec: HclSpec): Spec {
  switch (spec.kind) {
    case "object": {
      const entries = Object.entries(spec.attributes).map(([key, nested]) => [key, specOf(nested)] as const);
      return { block: { $case: "object", value: { attributes: new Map(entries) } } };
    }
    case "attr": {
      const { name, type, required } = spec;
      return { block: { $case: "Attr", value: { name, type, required } } };
    }
    case "default": {
      const literal: Spec = { block: { $case: "literal", value: { value: spec.literal } } };
      return { block: { $case: "default", value: { primary: specOf(spec.primary), default: literal } } };
    }
  }
}
