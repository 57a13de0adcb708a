/**
 * Where a command finds the server and its key: `SALLYPORT_URL` and
 * `SALLYPORT_API_KEY`, else what the first start left in the data directory.
 */
import { join } from 'node:path';

export interface ServerAddress {
  readonly url: string;
  /** A secret: never print it. */
  readonly apiKey: string;
}

/** The server, or the sentence that says what is missing. `readFile` throws as `fs.readFileSync` does. */
export function findServer(
  env: Readonly<Record<string, string | undefined>>,
  dataDir: string,
  readFile: (path: string) => string,
): ServerAddress | string {
  const bootstrap = readBootstrap(dataDir, readFile);
  const url = env.SALLYPORT_URL || bootstrap?.controlUrl;
  const apiKey = env.SALLYPORT_API_KEY || bootstrap?.apiKey;
  if (!url || !apiKey) {
    return `no server is known: set SALLYPORT_URL and SALLYPORT_API_KEY, or name its data directory (${dataDir} has no bootstrap.json)`;
  }
  return URL.canParse(url) ? { url, apiKey } : 'SALLYPORT_URL is no URL such as http://127.0.0.1:7070';
}

/** What the first start left in a data directory; null where nothing is. */
export function readBootstrap(
  dataDir: string,
  readFile: (path: string) => string,
): Partial<Record<string, string>> | null {
  try {
    return JSON.parse(readFile(join(dataDir, 'bootstrap.json'))) as Partial<Record<string, string>>;
  } catch {
    return null;
  }
}
