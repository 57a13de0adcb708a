import { defineConfig } from 'vitest/config';

/** Real clients against the real process: what a machine lacks is skipped by name, so the verbose reporter is the default. */
export default defineConfig({
  test: {
    include: ['test/clients/**/*.test.ts'],
    setupFiles: ['test/helpers/leak-guard.ts'],
    reporters: ['verbose'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
  },
});
