/** The driver's version, as Nomad, `version` and every event tell it. */
import manifest from "../package.json" with { type: "json" };

export const version: string = manifest.version;
