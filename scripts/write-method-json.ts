/**
 * Writes `client/method-json.ts`: which JSON each method takes and answers, by its
 * path, from the service descriptors.
 *
 *   node scripts/write-method-json.ts
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Accounts } from '../control/gen/accounts/v1/accounts_pb.ts';
import { Proxies } from '../control/gen/proxies/v1/proxies_pb.ts';

const FILE = new URL('../client/method-json.ts', import.meta.url);
const SERVICES = [
  { service: Accounts, from: '../control/gen/accounts/v1/accounts_pb.ts' },
  { service: Proxies, from: '../control/gen/proxies/v1/proxies_pb.ts' },
];

/** The whole file, formatted. */
export function methodJsonSource(): string {
  const imports = SERVICES.map(
    ({ service, from }) => `import type * as ${alias(service.file.proto.package)} from '${from}';`,
  );
  const entries = (kind: 'input' | 'output') =>
    SERVICES.flatMap(({ service }) =>
      service.methods.map(
        (method) =>
          `  readonly '${service.typeName}/${method.name}': ${alias(service.file.proto.package)}.${method[kind].name}Json;`,
      ),
    );
  return [
    '/**',
    ' * Which JSON each method takes and answers (each message of a stream), by its path:',
    ' * types for programs that call with `fetch`. Written by `node scripts/write-method-json.ts`.',
    ' */',
    ...imports,
    '',
    '/** Request bodies, by `package.Service/Method`. */',
    'export interface RequestJson {',
    ...entries('input'),
    '}',
    '',
    '/** Response bodies, by `package.Service/Method`. */',
    'export interface ResponseJson {',
    ...entries('output'),
    '}',
    '',
  ].join('\n');
}

const alias = (name: string): string => name.split('.')[0]!;

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(FILE, methodJsonSource());
