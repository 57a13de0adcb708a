import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/clients/**'],
    globalSetup: ['test/helpers/built-product.ts'],
    setupFiles: ['test/helpers/leak-guard.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: 'forks',
    // The default leaves a core free; these tests wait for processes and deadlines more than they compute.
    maxWorkers: 3,
  },
});
