/** Bundles the program into CommonJS scripts, which the executable carries and loads one by one. */
import { join } from "node:path";
import { build, type Plugin } from "rolldown";

const root = join(import.meta.dirname, "../..");

/**
 * Replacements of modules: native code and files come from the executable, and modules that nothing calls are
 * left out.
 */
const replacements: readonly (readonly [module: RegExp, source: string])[] = [
  // Finds the native addon of lmdb.
  [
    /\/node-gyp-build-optional-packages\/node-gyp-build\.js$/,
    `const { loadAddon } = require(${JSON.stringify(join(root, "src/executable/addon.ts"))});
     module.exports = () => loadAddon("lmdb.node");`,
  ],
  // Loads its native addon only when the addon is needed.
  [
    /\/node_modules\/koffi\/index\.js$/,
    `import { loadAddon } from ${JSON.stringify(join(root, "src/executable/addon.ts"))};
     let koffi;
     export default new Proxy({}, { get: (_, name) => (koffi ??= loadAddon("koffi.node"))[name] });`,
  ],
  // Optional native code that would read strings a little faster. As an ES module the replacement would be an
  // object, and msgpackr would try to call it for every value.
  [/\/msgpackr-extract\/index\.js$/, "module.exports = undefined;"],
  // Used by the parser of job files, to read its WebAssembly.
  [/\/fs-extra\/lib\/index\.js$/, `export * from ${JSON.stringify(join(root, "src/executable/files.ts"))};`],
  // Reads .proto files for gRPC's own debugging service, which is not served.
  [/\/@grpc\/proto-loader\/build\/src\/index\.js$/, "export {};"],
];

/**
 * Parts of gRPC's server that would load gRPC's client: the debugging service and the load reports. The
 * plugin serves neither.
 */
const unservedClients = /\/@grpc\/grpc-js\/build\/src\/(?:channelz|orca)\.js$/;
const nothing = "\0nothing";

/** lmdb brings an older msgpackr, with which it would encode values. The store gives it encoded ones. */
const lmdbCode = /\/node_modules\/lmdb\//;

const replace: Plugin = {
  name: "replace",
  resolveId(source, importer = "") {
    if (source === "./make-client" && unservedClients.test(importer)) return nothing;
    if (source === "msgpackr" && lmdbCode.test(importer))
      return this.resolve(source, join(root, "src/main.ts"));
    return undefined;
  },
  load: (id) => (id === nothing ? "export {};" : replacements.find(([module]) => module.test(id))?.[1]),
};

/**
 * The scripts by name; `main.js` is loaded first. Each script is a function in ASCII, whose parameters are
 * CommonJS's variables.
 */
export async function bundleProgram(): Promise<Map<string, string>> {
  const { output } = await build({
    input: { main: join(root, "src/main.ts") },
    platform: "node",
    plugins: [replace],
    // Other packages look for this package at run time, but do not need it.
    external: ["performance"],
    checks: { eval: false, ineffectiveDynamicImport: false },
    // rxjs's build for Node is CommonJS, from which rolldown cannot remove unused code.
    resolve: { alias: { rxjs: join(root, "node_modules/rxjs/dist/esm/index.js") } },
    write: false,
    // Scripts in the executable cannot import(): scripts.ts gives Node no function for it.
    output: { format: "cjs", minify: true, chunkFileNames: "[name].js", dynamicImportInCjs: false },
  });
  const scripts = output.map((chunk) => {
    if (chunk.type !== "chunk") throw new Error(`${chunk.fileName} is not a script`);
    return [chunk.fileName, chunk.code] as const;
  });
  // As another entry, it would move code out of main.js into a further script, which each start would load.
  scripts.push(["restart.js", await bundleWhole("restart.ts")]);
  return new Map(
    scripts.map(([name, code]) => [
      name,
      `(function(exports,require,module,__filename,__dirname){${ascii(code)}\n})`,
    ]),
  );
}

/** The loader of the executable, as one script that runs in Node's own CommonJS scope. */
export function bundleLoader(): Promise<string> {
  return bundleWhole("main.ts");
}

/** Bundles a file of src/executable with everything that it imports. */
async function bundleWhole(entry: string): Promise<string> {
  const { output } = await build({
    input: join(root, "src/executable", entry),
    platform: "node",
    plugins: [replace],
    write: false,
    output: { format: "cjs", minify: true, codeSplitting: false },
  });
  return output[0].code;
}

/**
 * Escapes non-ASCII characters, which minified code has only in strings, templates and regular expressions.
 */
function ascii(code: string): string {
  return code.replace(
    /[^\0-\x7f]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
