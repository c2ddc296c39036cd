/** The driver's version. Nomad, the command `version` and some events show it. */
import manifest from "../../package.json" with { type: "json" };

export const version: string = manifest.version;
