/** A bundle that was dropped onto the page. Pure. */
import type { BundleHeader } from "../../replay/bundle/bundleFormat.ts";

/** The page's data on a dropped bundle. */
export interface BundleView {
  readonly name: string;
  readonly driver: string;
  readonly host: BundleHeader["host"];
  readonly exportedAt: number;
  readonly masked: boolean;
  readonly tasks: number;
  readonly events: number;
  /** Texts of what cannot be verified: the first finding of each task; empty if everything is verified. */
  readonly findings: readonly string[];
}
