/** Functions of templates that ask a server on a cluster: they take their values from a file. Pure. */
import { fail } from "../expressions/functions/define.ts";
import { byText } from "../expressions/values.ts";
import type { ServerValues } from "./serverValues.ts";
import { type GoFunction, type GoValue, goText } from "./values.ts";

/** @returns only functions of the kinds for which there are values */
export function serverFunctions(values: ServerValues): Readonly<Record<string, GoFunction>> {
  const { secret, key, service, nomadVar, nomadService } = values;
  return {
    ...(secret && {
      secret: (given) => secretValue(found("secret", secret, given)),
    }),
    ...(key && keyFunctions(key)),
    ...(service && {
      service: (given) => instancesOf("service", service, given),
      services: () => namesOf(service),
    }),
    ...(nomadService && {
      nomadService: (given) => instancesOf("nomadService", nomadService, given),
      nomadServices: () => namesOf(nomadService),
    }),
    ...(nomadVar && {
      nomadVar: (given) => goValue(found("nomadVar", nomadVar, given)),
      nomadVarExists: ([path = null]) => Object.hasOwn(nomadVar, goText(path)),
      nomadVarList: (given) => pathsBelow(nomadVar, given),
      nomadVarListSafe: (given) => pathsBelow(nomadVar, given),
    }),
  };
}

/** A secret as Vault returns it. Its data are below `.Data`. */
function secretValue(data: unknown): GoValue {
  return new Map<string, GoValue>([
    ["Data", goValue(data)],
    ["LeaseID", ""],
    ["LeaseDuration", 0n],
    ["Renewable", false],
  ]);
}

function keyFunctions(keys: Readonly<Record<string, string>>): Readonly<Record<string, GoFunction>> {
  const below = (isWanted: (rest: string) => boolean): GoFunction => {
    return ([prefix = null]) => {
      const start = `${goText(prefix).replace(/\/+$/, "")}/`;
      const paths = Object.keys(keys).filter(
        (path) => path.startsWith(start) && isWanted(path.slice(start.length)),
      );
      return paths.sort(byText).map(
        (path) =>
          new Map<string, GoValue>([
            ["Path", path],
            ["Key", path.slice(start.length)],
            ["Value", keys[path] ?? ""],
          ]),
      );
    };
  };
  const direct = below((rest) => !rest.includes("/"));
  const all = below(() => true);
  return {
    key: (given) => found("key", keys, given) as string,
    keyExists: ([path = null]) => Object.hasOwn(keys, goText(path)),
    keyOrDefault: ([path = null, fallback = null]) => keys[goText(path)] ?? fallback,
    ls: direct,
    safeLs: direct,
    tree: all,
    safeTree: all,
  };
}

/**
 * The instances of a service. A query is `name`, `tag.name`, or has a data center or filter after it, which
 * have no meaning here. `nomadService COUNT KEY NAME` takes the first COUNT instances.
 */
function instancesOf(
  kind: string,
  services: NonNullable<ServerValues["service"]>,
  given: readonly GoValue[],
): GoValue {
  const query = goText(given.length === 3 ? (given[2] ?? null) : (given[0] ?? null)).replace(/[@~|].*$/, "");
  const [, tag, name = query] = Object.hasOwn(services, query) ? [] : (/^([^.]+)\.(.+)$/.exec(query) ?? []);
  const instances = found(kind, services, [name]).filter(
    ({ Tags: tags }) => tag === undefined || tags.includes(tag),
  );
  const wanted = given.length === 3 ? instances.slice(0, Number(given[0])) : instances;
  return wanted.map((each) => goValue({ Name: name, ...each }));
}

/** All services, each with the tags of its instances. */
function namesOf(services: NonNullable<ServerValues["service"]>): GoValue {
  return Object.keys(services)
    .sort(byText)
    .map((name) => {
      const tags = new Set(services[name]?.flatMap(({ Tags }) => Tags));
      return goValue({ Name: name, Tags: [...tags].sort(byText) });
    });
}

/** The variables whose paths have a prefix, by default all. */
function pathsBelow(
  variables: Readonly<Record<string, unknown>>,
  [prefix = ""]: readonly GoValue[],
): GoValue {
  const paths = Object.keys(variables).filter((path) => path.startsWith(goText(prefix)));
  return paths.sort(byText).map((path) => goValue({ Path: path, Namespace: "default" }));
}

/** @throws TemplateError if the file has no value for the path. The error does not show any value */
function found<T>(kind: string, values: Readonly<Record<string, T>>, [path = null]: readonly GoValue[]): T {
  const name = goText(path);
  if (Object.hasOwn(values, name)) return values[name] as T;
  return fail(`the file of --values has no ${kind} ${JSON.stringify(name)}`, "lacking");
}

/** JSON as templates see it. Whole numbers are integers, as for numbers that a server sends. */
function goValue(value: unknown): GoValue {
  if (Array.isArray(value)) return value.map(goValue);
  if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (typeof value !== "object" || value === null) return value as GoValue;
  return new Map(Object.entries(value).map(([key, item]) => [key, goValue(item)]));
}
