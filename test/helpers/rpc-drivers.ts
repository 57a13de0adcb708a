/**
 * One RPC through clients that others made, in every protocol: curl (Connect JSON),
 * buf (Connect binary, gRPC, gRPC-Web), @grpc/grpc-js (gRPC). All answer alike, so
 * that their answers can be compared.
 */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  type DescMethod,
  fromBinary,
  fromJson,
  type JsonObject,
  type JsonValue,
  toBinary,
  toJson,
} from '@bufbuild/protobuf';
import type { Code } from '@connectrpc/connect';
import { codeToString } from '@connectrpc/connect/protocol-connect';
import * as grpc from '@grpc/grpc-js';
import { fullName } from '../../control/interceptors/method-rules.ts';
import { curl } from './curl.ts';

export interface DrivenAnswer {
  /** `ok` or a Connect code name. */
  readonly code: string;
  /** One message of a unary call, those that came of a stream; all fields, JSON mapping. */
  readonly messages: readonly JsonObject[];
}

export interface RpcDriver {
  readonly name: string;
  /** Calls with a key, or none; of a stream, waits for `atLeast` messages or its end. */
  call(url: string, method: DescMethod, body: JsonValue, key: string | null, atLeast?: number): Promise<DrivenAnswer>;
}

const complete = (method: DescMethod, json: JsonValue): JsonObject =>
  toJson(method.output, fromJson(method.output, json), { alwaysEmitImplicit: true }) as JsonObject;

/** Real curl with JSON, as `docs/api.md` shows it. */
export const curlDriver: RpcDriver = {
  name: 'curl, Connect JSON',
  async call(url, method, body, key, atLeast = 0) {
    const authorization = key === null ? [] : ['-H', `Authorization: Bearer ${key}`];
    const target = `${url}/${fullName(method)}`;
    if (method.methodKind === 'server_streaming') return curlStream(target, method, body, authorization, atLeast);
    const json = ['-H', 'Content-Type: application/json', '-d', JSON.stringify(body)];
    const { stdout } = await curl('-w', '\n%{http_code}', target, ...json, ...authorization);
    const [text = '', status] = stdout.split(/\n(?=\d+$)/);
    const answer = JSON.parse(text) as JsonObject;
    if (status !== '200') return { code: String(answer.code), messages: [] };
    return { code: 'ok', messages: [complete(method, answer)] };
  },
};

/** The enveloped messages of a Connect stream; its end says how it went. */
function curlStream(
  target: string,
  method: DescMethod,
  body: JsonValue,
  authorization: readonly string[],
  atLeast: number,
): Promise<DrivenAnswer> {
  const headers = ['-H', 'Content-Type: application/connect+json', ...authorization];
  const child = spawn('curl', ['-sSN', '--max-time', '20', target, ...headers, '--data-binary', '@-']);
  const text = Buffer.from(JSON.stringify(body));
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(text.length, 1);
  child.stdin.end(Buffer.concat([prefix, text]));
  const messages: JsonObject[] = [];
  let pending: Buffer = Buffer.alloc(0);
  return new Promise((resolve) => {
    const finish = (code: string): void => {
      child.kill();
      resolve({ code, messages });
    };
    child.stdout.on('data', (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk]);
      while (pending.length >= 5 && pending.length >= 5 + pending.readUInt32BE(1)) {
        const end = 5 + pending.readUInt32BE(1);
        const json = JSON.parse(pending.toString('utf8', 5, end)) as JsonObject;
        const isEnd = (pending[0]! & 2) !== 0;
        pending = pending.subarray(end);
        if (isEnd) return finish(((json.error as JsonObject | undefined)?.code as string | undefined) ?? 'ok');
        messages.push(complete(method, json));
      }
      if (atLeast > 0 && messages.length >= atLeast) finish('ok');
    });
    child.on('close', () => {
      // A refusal before the stream began is a plain answer.
      if (pending.length > 0 && pending[0] === 0x7b)
        finish(String((JSON.parse(pending.toString()) as JsonObject).code));
      else finish(`curl ended with ${child.exitCode}`);
    });
  });
}

/** `buf curl`, which sends protobuf in binary. `image` is the schema, built once. */
export function bufDriver(program: string, protocol: 'connect' | 'grpc' | 'grpcweb', image: string): RpcDriver {
  return {
    name: `buf curl, ${protocol}`,
    async call(url, method, body, key, atLeast = 0) {
      const authorization = key === null ? [] : ['-H', `Authorization: Bearer ${key}`];
      const version = protocol === 'grpc' ? ['--http2-prior-knowledge'] : [];
      const args = ['curl', '--schema', image, '--protocol', protocol, '--emit-defaults', ...version, ...authorization];
      // A group of its own: the program starts another one, which is to end with it.
      const child = spawn(program, [...args, '-d', JSON.stringify(body), `${url}/${fullName(method)}`], {
        detached: true,
      });
      const messages: JsonObject[] = [];
      const [out, errors]: string[] = await new Promise((resolve) => {
        let [stdout, stderr, enough] = ['', '', false];
        child.stdout.on('data', (chunk) => {
          stdout += chunk;
          if (atLeast === 0 || enough || splitJson(stdout).length < atLeast) return;
          enough = true;
          process.kill(-child.pid!);
        });
        child.stderr.on('data', (chunk) => {
          stderr += chunk;
        });
        child.on('close', () => resolve([stdout, stderr]));
      });
      for (const json of splitJson(out!)) messages.push(complete(method, json));
      const failed = atLeast > 0 && messages.length >= atLeast ? undefined : splitJson(errors!)[0];
      if (failed !== undefined) return { code: String((failed as JsonObject).code), messages };
      return { code: 'ok', messages };
    },
  };
}

/** The schema as buf reads it fastest. */
export function buildImage(program: string): string {
  const image = join(mkdtempSync(join(tmpdir(), 'sallyport-image-')), 'image.binpb');
  execFileSync(program, ['build', '-o', image]);
  return image;
}

/** The JSON objects that stand one after the other in a text. */
function splitJson(text: string): JsonValue[] {
  const found: JsonValue[] = [];
  let depth = 0;
  let start = -1;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '"' && depth > 0) {
      for (at++; at < text.length && text[at] !== '"'; at++) if (text[at] === '\\') at++;
    } else if (character === '{' && depth++ === 0) start = at;
    else if (character === '}' && --depth === 0) found.push(JSON.parse(text.slice(start, at + 1)) as JsonValue);
  }
  return found;
}

/** @grpc/grpc-js. */
export const grpcJsDriver: RpcDriver = {
  name: '@grpc/grpc-js',
  call(url, method, body, key, atLeast = 0) {
    const client = new grpc.Client(new URL(url).host, grpc.credentials.createInsecure());
    const metadata = new grpc.Metadata();
    if (key !== null) metadata.set('authorization', `Bearer ${key}`);
    const path = `/${fullName(method)}`;
    const encode = (json: JsonValue) => Buffer.from(toBinary(method.input, fromJson(method.input, json)));
    const decode = (bytes: Buffer) =>
      toJson(method.output, fromBinary(method.output, bytes), { alwaysEmitImplicit: true }) as JsonObject;
    const codeOf = (error: grpc.ServiceError | null) =>
      error === null ? 'ok' : codeToString(error.code as number as Code);
    return new Promise<DrivenAnswer>((resolve) => {
      if (method.methodKind === 'unary') {
        client.makeUnaryRequest(path, encode, decode, body, metadata, (error, answer) => {
          resolve({ code: codeOf(error), messages: answer === undefined ? [] : [answer] });
        });
        return;
      }
      const messages: JsonObject[] = [];
      const stream = client.makeServerStreamRequest(path, encode, decode, body, metadata);
      let enough = false;
      stream.on('data', (message: JsonObject) => {
        messages.push(message);
        if (atLeast === 0 || messages.length < atLeast) return;
        enough = true;
        stream.cancel();
      });
      stream.on('error', (error: grpc.ServiceError) => resolve({ code: enough ? 'ok' : codeOf(error), messages }));
      stream.on('end', () => resolve({ code: 'ok', messages }));
    }).finally(() => client.close());
  },
};

/** Whether a program answers to `--version`. */
export async function runs(program: string): Promise<boolean> {
  return promisify(execFile)(program, ['--version']).then(
    () => true,
    () => false,
  );
}
