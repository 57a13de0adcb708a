import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const LAUNCH = fileURLToPath(new URL('../../../scripts/launch.js', import.meta.url));
const MANIFEST = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'));
const PINNED: string = MANIFEST.devDependencies.node;

function launch(...args: string[]): { child: ChildProcess; output: () => string } {
  const child = spawn(process.execPath, [LAUNCH, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout!.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  return { child, output: () => text };
}

describe('the launcher', () => {
  it('runs the program on the pinned Node and gives its exit code', async () => {
    const { child, output } = launch('-e', 'console.log(process.version); process.exit(7)');
    expect(await once(child, 'close')).toEqual([7, null]);
    expect(output().trim()).toBe(`v${PINNED}`);
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('passes %s on and waits for the program to end by itself', async (signal) => {
    const program = `process.on('${signal}', () => setImmediate(() => process.exit(5))); setInterval(() => {}, 1e6); console.log('up')`;
    const { child, output } = launch('-e', program);
    await expect.poll(output).toContain('up');
    child.kill(signal);
    expect(await once(child, 'close')).toEqual([5, null]);
  });

  it('ends by the signal that ended the program', async () => {
    const { child } = launch('-e', "process.kill(process.pid, 'SIGKILL')");
    expect(await once(child, 'close')).toEqual([null, 'SIGKILL']);
  });
});
