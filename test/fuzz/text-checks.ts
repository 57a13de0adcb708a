/**
 * What has to hold of every reader of text, beside that it does not throw: what it answers
 * is of its alphabet, and the spelling that we write for it is read as the same again.
 */
import { templateRule, tokenFormatRule } from '../../control/provider-template.ts';
import { Credentials } from '../../gateway/credentials.ts';
import {
  authorityOf,
  canonicalHost,
  hostFieldOf,
  parseAbsoluteTarget,
  parseAuthorityTarget,
} from '../../gateway/http1/target.ts';
import { Via } from '../../gateway/via.ts';
import { formatAddress, parseAddress } from '../../src/core/address.ts';
import { refusesAddress } from '../../src/core/address-policy.ts';
import { systemClock } from '../../src/core/clock.ts';
import { compileDestinations, formatDestination, parseDestination } from '../../src/core/destinations.ts';
import { LABEL_KEYS } from '../../src/core/model.ts';
import { isSelectorFault, parseSelector, type Selector, type SelectorFault } from '../../src/core/selector.ts';
import { sentenceOfFault } from '../../src/core/selector-fault.ts';
import { fillTemplate } from '../../src/core/template.ts';
import * as settings from '../../src/setting-types.ts';
import { LANE_KEY } from './lane.ts';
import { same } from './octet-checks.ts';
import type { Random } from './random.ts';

/** Every ASCII letter, digit and mark that a name of ours may hold. */
const POOL = /^[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?$/;
const NAME = /^[A-Za-z0-9._~-]{1,128}$/;
const LABEL = /^[a-z0-9._~ -]{1,64}$/;
const YEAR_MS = 365 * 86_400_000;

/** Text as it may come from a client, or from an operator who has all of Unicode. */
function textOf(octets: Buffer, random: Random): string {
  return octets.toString(random.oneIn(4) ? 'utf8' : 'latin1');
}

export function checkTarget(octets: Buffer): string | null {
  const text = octets.toString('latin1');
  for (const target of [parseAbsoluteTarget(text), parseAuthorityTarget(text)]) {
    if (target === null) continue;
    const { host, port, path } = target;
    if (!/^[a-z0-9._:-]+$/.test(host) || port < 1 || port > 65_535) return 'is no host and port';
    if (!text.endsWith(path.slice(1))) return 'changes the path';
    const bracketed = host.includes(':') ? `[${host}]` : host;
    if (canonicalHost(bracketed) !== host) return 'has another spelling still';
    const again = parseAbsoluteTarget(`http://${hostFieldOf(target)}${path}`);
    const authority = parseAuthorityTarget(authorityOf(host, port));
    if (!same(again, target) || authority?.host !== host || authority.port !== port) {
      return 'reads another target than it wrote';
    }
  }
  return null;
}

const keys = {
  findKey: (hash: string) => (hash === LANE_KEY.hash ? LANE_KEY : undefined),
  findKeyById: () => undefined,
};

/** One for all inputs, as in a gateway: what it knows of one must not change what it says to another. */
const credentials = new Credentials(keys, systemClock);

export function checkCredentials(octets: Buffer, random: Random): string | null {
  const text = octets.toString('latin1');
  const selector = random.oneIn(3) ? text.slice(0, random.below(text.length + 1)) : null;
  const first = credentials.identify(text, selector, null);
  if (!same(credentials.identify(text, selector, null), first)) return 'answers otherwise when it knows';
  return 'reason' in first ? null : faultOfSelector(first.selector);
}

/** What is wrong with what a reader of selectors answers, be it a selector or its refusal. */
function faultOfSelector(selector: Selector | SelectorFault): string | null {
  if (isSelectorFault(selector)) return sentenceOfFault(selector).length > 255 ? 'is refused at length' : null;
  const { pool, session, account, labels, provider, ttlMs } = selector;
  if (!POOL.test(pool)) return 'selects by no legal name';
  if ([session, account].some((name) => name !== null && !NAME.test(name))) return 'has no legal name';
  if (provider !== null && !/^\P{C}{1,64}$/u.test(provider)) return 'has no legal provider';
  if (ttlMs !== null && !(ttlMs >= 1_000 && ttlMs <= YEAR_MS && ttlMs % 1_000 === 0)) return 'lives for no legal time';
  for (const [key, values] of Object.entries(labels ?? {})) {
    if (!LABEL_KEYS.some((known) => known === key)) return 'has a label that is none';
    if (values.length === 0 || values.length > 16 || !values.every((value) => LABEL.test(value)))
      return 'has no legal label';
    if (!same([...new Set(values)].sort(), values)) return 'has labels in disorder';
  }
  return null;
}

export function checkSelector(octets: Buffer, random: Random): string | null {
  const text = octets.toString('latin1');
  const header = random.oneIn(2);
  return faultOfSelector(header ? parseSelector('default', text) : parseSelector(text, null));
}

export function checkDestination(octets: Buffer, random: Random): string | null {
  const rule = parseDestination(textOf(octets, random));
  if (typeof rule === 'string') return rule.startsWith('must ') ? null : 'gives no reason';
  const canonical = formatDestination(rule);
  if (!same(parseDestination(canonical), rule)) return `reads another rule than it wrote: ${canonical}`;
  const speaksOf = compileDestinations([rule]);
  const port = rule.port ?? 443;
  const itself = rule.kind === 'name' ? `${rule.itself ? '' : 'www.'}${rule.name}` : 'a.test';
  const host = rule.kind === 'network' ? formatAddress(rule.bytes) : itself;
  return speaksOf({ host, port }) ? null : 'does not speak of itself';
}

export function checkAddress(octets: Buffer, random: Random): string | null {
  const text = textOf(octets, random);
  const bytes = parseAddress(text);
  refusesAddress(text, random.oneIn(2));
  if (bytes === null) return null;
  if ((bytes.length !== 4 && bytes.length !== 16) || bytes.some((byte) => !(byte >= 0 && byte <= 255)))
    return 'no bytes';
  return same(parseAddress(formatAddress(bytes)), bytes) ? null : 'reads another address than it wrote';
}

/** In characters: what the rule lets through is no longer, and nothing else is ever filled. */
const MAX_TEMPLATE = 1_024;

export function checkTemplate(octets: Buffer, random: Random): string | null {
  const text = textOf(octets, random);
  tokenFormatRule(text);
  const legal = templateRule(text) === null;
  if (legal && text.length > 2 * MAX_TEMPLATE) return 'takes a template of any length';
  const values = { token: 'tok-{city}[x|y]', username: 'user', country: 'us' };
  const filled = fillTemplate(text.slice(0, MAX_TEMPLATE), values);
  if (!legal || text.length > MAX_TEMPLATE) return null;
  const own = filled.replaceAll(values.token, '');
  return /[{}[\]]/.test(own) ? 'leaves a placeholder or takes one from a value' : null;
}

/** Each reader of settings; a list is as long as its text. */
const SETTINGS = [
  settings.duration(0, 1e9),
  settings.size(0, 1e12),
  settings.count(0, 1e6),
  settings.apiUrl,
  settings.dnsServerList,
  settings.apiKeyId,
  settings.selectorText,
];

export function checkNetworks(octets: Buffer, random: Random): string | null {
  const networks = settings.networkList.parse(textOf(octets, random)) ?? [];
  return same(settings.networkList.parse(networks.join()) ?? [], networks)
    ? null
    : 'reads other networks than it wrote';
}

export function checkSettings(octets: Buffer, random: Random): string | null {
  const text = textOf(octets, random);
  // One of them an input, so that the time it takes is its own.
  if (random.oneIn(2)) {
    random.pick<settings.ValueType<unknown>>(SETTINGS).parse(text);
    return null;
  }
  for (const address of settings.listenList.parse(text) ?? []) {
    const again = settings.listen.parse(settings.formatListen(address));
    if (!same(again, address)) return 'reads another address than it wrote';
  }
  return null;
}

const via = new Via('x');
via.line(1);

export function checkVia(octets: Buffer): string | null {
  const lines = octets.toString('latin1');
  if (!via.isLoop(lines)) return null;
  return lines.split('\r\n').some((line) => /^via:.*sallyport-x/is.test(line))
    ? null
    : 'finds itself where it is not named';
}
