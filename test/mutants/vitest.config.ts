import { defineConfig } from "vitest/config";

/** The pure tests of the mutated folder. Each file has its modules for itself, or their coverage would count for another. */
export default defineConfig({
  test: {
    include: [`test/${process.env.MUTATED_FOLDER}/**/*.test.ts`],
    exclude: ["**/*.kernel.test.ts"],
    setupFiles: ["test/support/setup.ts"],
    fileParallelism: false,
    testTimeout: 60_000,
  },
});
