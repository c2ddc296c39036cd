/** What the fake server and the fake client tell each other, as JSON. */
import type { Json } from "../../support/nomad/fakeNomad.ts";

export type ToClient =
  /** Run an allocation, whose id is the client's to choose. */
  | { readonly kind: "place"; readonly key: string; readonly job: string; readonly hcl: string }
  | { readonly kind: "stop"; readonly key: string };

export type ToServer =
  | {
      readonly kind: "node";
      readonly healthy: boolean;
      readonly attributes: Readonly<Record<string, string>>;
    }
  | {
      readonly kind: "allocation";
      readonly key: string;
      readonly id: string;
      readonly status: "pending" | "running" | "complete" | "failed";
      readonly task: Json;
    };

export function idOf(hcl: string): string {
  return /^job "([^"]+)"/.exec(hcl)?.[1] ?? "";
}
