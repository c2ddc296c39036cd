/** All functions of Nomad's job files (jobspec2/functions.go), except try, can and convert: evaluate.ts has them. */
import { collectionFunctions } from "./collections.ts";
import type { Functions } from "./define.ts";
import { encodingFunctions } from "./encodings.ts";
import { type HostAccess, hostFunctions } from "./files.ts";
import { networkFunctions } from "./networks.ts";
import { numberFunctions } from "./numbers.ts";
import { textFunctions } from "./texts.ts";
import { timeFunctions } from "./times.ts";

export function allFunctions(host: HostAccess): Functions {
  return {
    ...textFunctions,
    ...collectionFunctions,
    ...numberFunctions,
    ...encodingFunctions,
    ...networkFunctions,
    ...timeFunctions,
    ...hostFunctions(host),
  };
}
