/** A pool loaded in a process of its own: sends the consistent choice of each key, and is done. For `consistent.test.ts`. */
import process from 'node:process';
import { choicesOf, loadedPool } from './choices.ts';

const [keys = '0', ...ids] = process.argv.slice(2);
process.send!(choicesOf(loadedPool(ids), Number(keys)));
