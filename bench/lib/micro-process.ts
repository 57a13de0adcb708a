/**
 * One file of bench/micro in a process of its own (`node micro-process.ts FILE
 * [--quick]`): calls its `run` and prints `{"rows"}`; none for a file that only
 * helps the others. Apart, so that its heap and compiled code are its own, and so
 * that it can be pinned.
 */

import { pathToFileURL } from 'node:url';
import type { MicroOptions, Row } from './row.ts';

interface MicroBench {
  run?(options: MicroOptions): Promise<readonly Row[]>;
}

const [file, flag] = process.argv.slice(2);
if (file === undefined) throw new Error('usage: node micro-process.ts FILE [--quick]');
const { run } = (await import(pathToFileURL(file).href)) as MicroBench;
console.log(JSON.stringify({ rows: run ? await run({ quick: flag === '--quick' }) : [] }));
