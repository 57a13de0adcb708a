/**
 * Where a command finds the server and its key: `SALLYPORT_URL` and `SALLYPORT_API_KEY`, else what
 * the first start left in the data directory. A key goes to the server that it was made for, and
 * to another one only when somebody names both.
 */
import { join } from 'node:path';

export interface ServerAddress {
  /** Without a slash at its end. */
  readonly url: string;
  /** A secret: never print it. */
  readonly apiKey: string;
  /** What the data directory says of this very server and key; null of others. */
  readonly bootstrap: Bootstrap | null;
}

type Bootstrap = Partial<Record<string, string>>;

/** The server, or the sentence that says what is missing. `readFile` throws as `fs.readFileSync` does. */
export function findServer(
  env: Readonly<Record<string, string | undefined>>,
  dataDir: string,
  readFile: (path: string) => string,
): ServerAddress | string {
  const bootstrap = readBootstrap(dataDir, readFile);
  const url = env.SALLYPORT_URL || bootstrap?.controlUrl;
  const apiKey = env.SALLYPORT_API_KEY || bootstrap?.apiKey;
  if (!url) {
    return `no server is known: set SALLYPORT_URL and SALLYPORT_API_KEY, or name its data directory (${dataDir} has no bootstrap.json)`;
  }
  if (!isWebUrl(url)) return `${url} is no URL of a server, such as http://127.0.0.1:7070`;
  const isOwn = bootstrap?.controlUrl !== undefined && isSamePlace(url, bootstrap.controlUrl);
  if (!apiKey || (!isOwn && !env.SALLYPORT_API_KEY)) {
    const other = bootstrap?.controlUrl === undefined ? '' : `; that in ${dataDir} is for ${bootstrap.controlUrl}`;
    return `the key for ${url} is not known: set SALLYPORT_API_KEY${other}`;
  }
  if (!/^[\x21-\x7e]+$/.test(apiKey))
    return 'SALLYPORT_API_KEY is no API key: those look like sp_live_…, and have no blanks';
  const isOwnKey = apiKey === bootstrap?.apiKey;
  return { url: url.replace(/\/+$/, ''), apiKey, bootstrap: isOwn && isOwnKey ? bootstrap : null };
}

/** What the first start left in a data directory; null where nothing is. */
function readBootstrap(dataDir: string, readFile: (path: string) => string): Bootstrap | null {
  try {
    return JSON.parse(readFile(join(dataDir, 'bootstrap.json'))) as Bootstrap;
  } catch {
    return null;
  }
}

function isWebUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}

/** Names that this machine has for itself, the address that listens on all of its own among them. */
const THIS_MACHINE = ['localhost', '127.0.0.1', '[::1]', '0.0.0.0', '[::]'];

function isSamePlace(a: string, b: string): boolean {
  const [one, other] = [new URL(a), new URL(b)];
  const isSameHost =
    one.hostname === other.hostname || [one, other].every((url) => THIS_MACHINE.includes(url.hostname));
  return isSameHost && one.protocol === other.protocol && one.port === other.port;
}
