/** curl, which speaks SOCKS5 to a proxy and TLS to a proxy, against the product's listeners. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { curl, hasCurl } from '../helpers/curl.ts';
import { Product } from '../helpers/product.ts';
import { makeCertificate, startTarget, type Target } from '../helpers/target.ts';

let folder: string;
let product: Product;
let plain: Target;
let secure: Target;
let tlsPort: number;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-socks-'));
  const certificate = await makeCertificate();
  writeFileSync(join(folder, 'cert.pem'), certificate.cert);
  writeFileSync(join(folder, 'key.pem'), certificate.key, { mode: 0o600 });
  [plain, secure] = await Promise.all([startTarget(), startTarget(certificate)]);
  product = new Product({
    SALLYPORT_GATEWAY_TLS_LISTEN: '127.0.0.1:0',
    SALLYPORT_GATEWAY_TLS_CERT_FILE: join(folder, 'cert.pem'),
    SALLYPORT_GATEWAY_TLS_KEY_FILE: join(folder, 'key.pem'),
  });
  await product.start();
  tlsPort = Number(/"https:\/\/127\.0\.0\.1:(\d+)"/.exec(product.output)![1]);
});
afterAll(async () => {
  await product.destroy();
  await Promise.all([plain.close(), secure.close()]);
  rmSync(folder, { recursive: true });
});

/** The address of the gateway as curl takes it. */
function proxy(scheme: string, credentials = `local:${product.bootstrap.apiKey}@`): string {
  return `${scheme}://${credentials}127.0.0.1:${scheme === 'https' ? tlsPort : product.gatewayPort}`;
}

describe.skipIf(!hasCurl)('curl', () => {
  test.each(['socks5', 'socks5h', 'https'])('reaches an http and an https target by %s', async (scheme) => {
    for (const target of [plain, secure]) {
      const url = target.url.replace('127.0.0.1', 'localhost');
      // curl would resolve the name itself for socks5, maybe to ::1, where nobody listens.
      const names = ['--resolve', `localhost:${target.port}:127.0.0.1`];
      const given = ['-k', '--proxy-insecure', '--proxy', proxy(scheme), ...(scheme === 'socks5' ? names : [])];
      expect(await curl(...given, `${url}/there`)).toEqual({ code: 0, stdout: 'hello /there\n', stderr: '' });
    }
  });

  test('is told that its key is wrong, or that it needs one', async () => {
    const refused = await curl('--proxy', proxy('socks5h', 'local:wrong@'), plain.url);
    expect(refused).toMatchObject({ code: 97, stdout: '' });
    expect(await curl('--proxy', proxy('socks5h', ''), plain.url)).toMatchObject({ code: 97, stdout: '' });
    const http = await curl(
      '-o',
      '/dev/null',
      '-w',
      '%{http_code}',
      '--proxy-insecure',
      '--proxy',
      proxy('https', ''),
      plain.url,
    );
    expect(http).toMatchObject({ code: 0, stdout: '407' });
  });

  test('does not take a certificate that nobody vouches for', async () => {
    expect(await curl('--proxy', proxy('https'), plain.url)).toMatchObject({ code: 60, stdout: '' });
    const cacert = ['--proxy-cacert', join(folder, 'cert.pem')];
    const named = proxy('https').replace('127.0.0.1', 'localhost');
    expect(
      await curl(...cacert, '--resolve', `localhost:${tlsPort}:127.0.0.1`, '--proxy', named, plain.url),
    ).toMatchObject({ code: 0 });
  });
});
