import { type HeldTemplate, RootTemplates } from "../../src/effects/root/rootTemplates.ts";
import type { RootTemplate } from "../../src/effects/root/taskRoot.ts";

/** Templates before each of which something happens. The task is planned by then, and its launch has not begun. */
export class LateTemplates extends RootTemplates {
  readonly #act: () => void;
  constructor(folder: string, act: () => void) {
    super(folder);
    this.#act = act;
  }
  override async hold(wanted: RootTemplate): Promise<HeldTemplate> {
    this.#act();
    return await super.hold(wanted);
  }
}
