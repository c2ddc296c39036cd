// Settings of StrykerJS, which main.ts starts for one folder of src.
const { MUTATED_FOLDER: folder } = process.env;

export default {
  mutate: [`src/${folder}/**/*.ts`, "!src/grpc/generated/**"],
  testRunner: "vitest",
  plugins: ["@stryker-mutator/vitest-runner"],
  vitest: { configFile: "test/mutants/vitest.config.ts", related: false, pool: "forks" },
  coverageAnalysis: "perTest",
  concurrency: 2,
  // A mutant that loops has some ten times as long as its tests take.
  timeoutFactor: 10,
  timeoutMS: 20_000,
  incremental: true,
  incrementalFile: `node_modules/.cache/mutants/${folder}.json`,
  tempDirName: "node_modules/.cache/mutants/copy",
  ignorePatterns: ["/dist", "/test-results", "/node_modules/.cache"],
  reporters: ["progress-append-only", "html", "json"],
  htmlReporter: { fileName: `test-results/mutants/${folder}/report.html` },
  jsonReporter: { fileName: `test-results/mutants/${folder}/report.json` },
  // It would rewrite tsconfig.json by an API that TypeScript 7 lacks. Nothing reads the copy of that file.
  tsconfigFile: "none",
};
