/** The configuration as it is loaded from texts of a test's. */
import { type Config, type ConfigInputs, loadConfig } from '../../src/config.ts';

/** A first key that has the shape of one. */
export const KEY = `sp_live_${'c0ffee12'.repeat(4)}`;

type Given = Partial<ConfigInputs> & { files?: Record<string, string> };

/** Started in `/srv`, where there are no files but the given ones. */
function inputs(given: Given): ConfigInputs {
  return {
    argv: [],
    env: {},
    cwd: '/srv',
    readFile: (path) => {
      const text = given.files?.[path];
      if (text === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
      return text;
    },
    ...given,
  };
}

/** The configuration with its effective values and warnings; throws with the problems. */
export function loaded(given: Given) {
  const result = loadConfig(inputs(given));
  if (!result.ok) throw new Error(result.problems.join('\n'));
  return result;
}

export function config(given: Given): Config {
  return loaded(given).config;
}

/** None where it loads. */
export function problems(given: Given): readonly string[] {
  const result = loadConfig(inputs(given));
  return result.ok ? [] : result.problems;
}
