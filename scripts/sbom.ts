/**
 * `npm run sbom`: writes `dist/sbom.cdx.json`, the bill of materials of the package in
 * CycloneDX's form: what it depends on, and what was bundled into it, which npm takes for
 * development only. Of npm's own list, by the lockfile. Needs a build; part of `npm pack`.
 *
 * Invariant: the same lockfile gives the same octets, so no time and no random number.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { thirdPartyNames } from './third-party.ts';

interface Component {
  'bom-ref': string;
  name: string;
  type: string;
  scope: string;
  properties?: { name: string; value: string }[];
}
interface Dependency {
  ref: string;
  dependsOn: string[];
}
interface Bill {
  serialNumber?: string;
  metadata: { timestamp?: string; tools?: unknown; component: Component };
  components: Component[];
  dependencies: Dependency[];
}

const ROOT = new URL('../', import.meta.url);
const DEVELOPMENT = 'cdx:npm:package:development';
const FILE = new URL('dist/sbom.cdx.json', ROOT);

/** Everything in the lockfile, as npm tells it. */
function loadBill(): Bill {
  const args = ['sbom', '--package-lock-only', '--sbom-format', 'cyclonedx', '--sbom-type', 'application'];
  const npm = process.env.npm_execpath;
  const [program, before] = npm ? [process.execPath, [npm]] : ['npm', []];
  const { status, stdout, stderr } = spawnSync(program, [...before, ...args], { cwd: ROOT, encoding: 'utf8' });
  if (status !== 0) throw new Error(`npm sbom failed:\n${stderr}`);
  return JSON.parse(stdout) as Bill;
}

/** The bill of what is shipped; `bundled` are packages that are inside our own files. */
function shipped(bill: Bill, bundled: ReadonlySet<string>, name: string): Bill {
  const isShipped = ({ 'bom-ref': ref, properties = [] }: Component) =>
    bundled.has(ref) || !properties.some((property) => property.name === DEVELOPMENT);
  const components = bill.components.filter(isShipped).map((component) => {
    if (!bundled.has(component['bom-ref'])) return component;
    const properties = (component.properties ?? []).filter((property) => property.name !== DEVELOPMENT);
    return {
      ...component,
      scope: 'required',
      properties: [...properties, { name: 'sallyport:bundled', value: 'true' }],
    };
  });
  const refs = new Set([bill.metadata.component['bom-ref'], ...components.map((component) => component['bom-ref'])]);
  const dependencies = bill.dependencies
    .filter(({ ref }) => refs.has(ref))
    .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((other) => refs.has(other)) }));
  const { serialNumber: _random, ...rest } = bill;
  // npm names the folder in place of the package, and itself in the version that happened to be there.
  const { timestamp: _now, tools: _npm, ...metadata } = bill.metadata;
  return { ...rest, metadata: { ...metadata, component: { ...metadata.component, name } }, components, dependencies };
}

const THIRD_PARTY = ['dist/server/third-party.txt', 'dist/console/third-party.txt'].map((path) => new URL(path, ROOT));
if (!THIRD_PARTY.every((file) => existsSync(file))) {
  console.error('nothing was built yet: npm run build');
  process.exit(1);
}
const { name } = JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8')) as { name: string };
const bundled = THIRD_PARTY.flatMap((file) => thirdPartyNames(readFileSync(file, 'utf8')));
const bill = shipped(loadBill(), new Set(bundled), name);
writeFileSync(FILE, `${JSON.stringify(bill, null, 2)}\n`);
console.log(`dist/sbom.cdx.json: ${bill.components.length} packages`);
