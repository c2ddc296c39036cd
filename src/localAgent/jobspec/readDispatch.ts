/** Reads the `parameterized` block of a job, of which a local run is one dispatch. Pure. */
import { suggestion } from "../../base/suggest.ts";
import { formatBytes } from "../../units/sizes.ts";
import { type Dispatch, report } from "./jobFile.ts";
import { type JobReader, read } from "./reader.ts";
import { metaVariables } from "./resolve/allocationEnvironment.ts";
import { parameterizedSchema } from "./schemas.ts";
import { asList, body } from "./syntax.ts";

interface ReadDispatch extends Dispatch {
  /** Metadata that the job's own overrides. */
  readonly defaults: Readonly<Record<string, string>>;
}

/** Nomad's limit. */
const maxPayloadBytes = 16 * 1024;

/**
 * @returns what the job gets, with an empty value for optional metadata, as on a client; nothing if it is not parameterized. The file collects the problems of what it
 *   needs and does not get, or gets and does not take
 */
export function readDispatch(reader: JobReader, place: string, value: unknown): ReadDispatch {
  const { file } = reader;
  const { meta, payload } = file.dispatch;
  if (asList(value).length === 0) {
    if (payload !== undefined || Object.keys(meta).length > 0) {
      const message = "the job is not parameterized, so it takes neither --meta nor --payload";
      report(file, { place: "", message });
    }
    return { meta: {}, defaults: {}, payload: undefined };
  }
  const block = body(file, place, value);
  const { attributes } = read(reader, "parameterized", place, block, parameterizedSchema);
  const { meta_required: required, meta_optional: optional } = attributes;
  const emptyOf = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, ""]));
  if (file.skips.has("parameterized")) {
    file.ignored.add(place);
    return { meta: {}, defaults: emptyOf([...required, ...optional]), payload: undefined };
  }
  const lacks = (message: string, hint: string) =>
    report(file, { place, message, hint, lacking: true, skip: "parameterized" });
  for (const name of required) {
    if (Object.hasOwn(meta, name)) continue;
    for (const variable of Object.keys(metaVariables({ [name]: "" }))) file.absent.add(variable);
    lacks(`a dispatch must give it the metadata ${name}`, `--meta ${name}=VALUE gives it.`);
  }
  const known = [...required, ...optional];
  for (const name of Object.keys(meta)) {
    if (!known.includes(name))
      report(file, { place, message: `it takes no metadata ${name}`, hint: suggestion(name, known) });
  }
  if (attributes.payload === "required" && payload === undefined)
    lacks("a dispatch must give it a payload", "--payload FILE gives it.");
  if (attributes.payload === "forbidden" && payload !== undefined)
    report(file, { place, message: "it takes no payload" });
  if (payload !== undefined && payload.length > maxPayloadBytes) {
    const size = formatBytes(payload.length);
    report(file, {
      place,
      message: `the payload has ${size}, and Nomad takes at most ${formatBytes(maxPayloadBytes)}`,
    });
  }
  return { ...file.dispatch, defaults: emptyOf(optional) };
}
