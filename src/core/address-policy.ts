/**
 * What an address is for, by the registries of IANA, and whether this machine may
 * connect to it on behalf of a session. Pure, on binary addresses; called for every
 * address that is dialled (`gateway/address-guard.ts`).
 *
 * Invariant: what is in no table is public only if it is IPv4 or within 2000::/3, all
 * that IANA has given out. An IPv4 address that travels inside an IPv6 one counts as
 * well: no prefix of a translator or tunnel makes a refused address an allowed one.
 */
import { parseAddress, parseIpv6 } from './address.ts';

/** From the least to the most doubtful: where two apply, the later one counts. */
const CLASSES = [
  'public',
  'documentation',
  'reserved',
  'multicast',
  'private',
  'unspecified',
  'loopback',
  'link_local',
  'metadata',
] as const;
export type AddressClass = (typeof CLASSES)[number];

/** Of use to whoever is on this very machine or link only, and often guarded by nothing else: never dialled. */
const NEVER_DIALLED: ReadonlySet<AddressClass> = new Set(['link_local', 'metadata']);

/** Network, class, and its name in the registry (or whose metadata service it is). */
const BLOCKS: readonly (readonly [network: string, class_: AddressClass, name: string])[] = [
  ['0.0.0.0/8', 'unspecified', 'This network'],
  ['10.0.0.0/8', 'private', 'Private-Use'],
  ['100.64.0.0/10', 'private', 'Shared Address Space'],
  ['100.100.100.200/32', 'metadata', 'Alibaba Cloud'],
  ['127.0.0.0/8', 'loopback', 'Loopback'],
  ['168.63.129.16/32', 'metadata', 'Azure'],
  ['169.254.0.0/16', 'link_local', 'Link Local'],
  ['169.254.169.254/32', 'metadata', 'Amazon, Azure, Google and others'],
  ['169.254.170.2/32', 'metadata', 'Amazon ECS'],
  ['169.254.169.123/32', 'metadata', 'Amazon time'],
  ['172.16.0.0/12', 'private', 'Private-Use'],
  ['192.0.0.0/24', 'reserved', 'IETF Protocol Assignments'],
  ['192.0.0.192/32', 'metadata', 'Oracle Cloud'],
  ['192.0.2.0/24', 'documentation', 'Documentation (TEST-NET-1)'],
  ['192.88.99.0/24', 'reserved', 'Deprecated (6to4 Relay Anycast)'],
  ['192.168.0.0/16', 'private', 'Private-Use'],
  ['198.18.0.0/15', 'reserved', 'Benchmarking'],
  ['198.51.100.0/24', 'documentation', 'Documentation (TEST-NET-2)'],
  ['203.0.113.0/24', 'documentation', 'Documentation (TEST-NET-3)'],
  ['224.0.0.0/4', 'multicast', 'Multicast'],
  ['240.0.0.0/4', 'reserved', 'Reserved'],
  ['255.255.255.255/32', 'reserved', 'Limited Broadcast'],
  ['::/0', 'reserved', 'Reserved by IETF'],
  ['::/128', 'unspecified', 'Unspecified Address'],
  ['::1/128', 'loopback', 'Loopback Address'],
  ['100::/64', 'reserved', 'Discard-Only Address Block'],
  ['100:0:0:1::/64', 'reserved', 'Dummy IPv6 Prefix'],
  ['2000::/3', 'public', 'Global Unicast'],
  ['2001::/23', 'reserved', 'IETF Protocol Assignments'],
  ['2001:2::/48', 'reserved', 'Benchmarking'],
  ['2001:db8::/32', 'documentation', 'Documentation'],
  ['3fff::/20', 'documentation', 'Documentation'],
  ['5f00::/16', 'reserved', 'Segment Routing (SRv6) SIDs'],
  ['fc00::/7', 'private', 'Unique-Local'],
  ['fd00:ec2::/32', 'metadata', 'Amazon'],
  ['fd20:ce::254/128', 'metadata', 'Google Cloud'],
  ['fd00:c1::a9fe:a9fe/128', 'metadata', 'Oracle Cloud'],
  ['fe80::/10', 'link_local', 'Link-Local Unicast'],
  ['fec0::/10', 'private', 'Site-Local Unicast (deprecated)'],
  ['ff00::/8', 'multicast', 'Multicast'],
];

/** Networks whose addresses have IPv4 ones in them: what the network itself is, and the octets that hold them. */
const EMBEDDING: readonly {
  readonly network: string;
  readonly class: AddressClass;
  readonly name: string;
  readonly places: readonly (readonly number[])[];
  /** Octets whose bits are stored inverted. */
  readonly inverted?: readonly number[];
}[] = [
  { network: '::ffff:0:0/96', class: 'public', name: 'IPv4-mapped Address', places: [[12, 13, 14, 15]] },
  { network: '::/96', class: 'reserved', name: 'IPv4-compatible (deprecated)', places: [[12, 13, 14, 15]] },
  { network: '::ffff:0:0:0/96', class: 'reserved', name: 'IPv4-translated (SIIT)', places: [[12, 13, 14, 15]] },
  { network: '64:ff9b::/96', class: 'public', name: 'IPv4-IPv6 Translat.', places: [[12, 13, 14, 15]] },
  {
    network: '64:ff9b:1::/48',
    class: 'private',
    name: 'IPv4-IPv6 Translat. (local use)',
    // RFC 6052 section 2.2: an operator's prefix of 48, 56, 64 or 96 bits; octet 8 is not used.
    places: [
      [6, 7, 9, 10],
      [7, 9, 10, 11],
      [9, 10, 11, 12],
      [12, 13, 14, 15],
    ],
  },
  {
    network: '2001::/32',
    class: 'reserved',
    name: 'TEREDO',
    // RFC 4380 section 4: the server's address, and the client's with every bit inverted.
    places: [
      [4, 5, 6, 7],
      [12, 13, 14, 15],
    ],
    inverted: [12, 13, 14, 15],
  },
  { network: '2002::/16', class: 'reserved', name: '6to4', places: [[2, 3, 4, 5]] },
];

interface Block {
  readonly bytes: readonly number[];
  readonly prefix: number;
  readonly class: AddressClass;
  readonly places: readonly (readonly number[])[];
  readonly inverted: readonly number[];
}

/** Longest prefix first, so that the first that fits is the one that counts. */
const TABLE: readonly Block[] = [
  ...BLOCKS.map(([network, class_]) => blockOf(network, class_, [], [])),
  ...EMBEDDING.map(({ network, class: class_, places, inverted = [] }) => blockOf(network, class_, places, inverted)),
].sort((a, b) => b.prefix - a.prefix);

/** What an address of 4 or 16 bytes is for. */
export function classifyAddress(bytes: readonly number[]): AddressClass {
  const block = TABLE.find((one) => isWithin(bytes, one));
  if (block === undefined) return 'public';
  return embeddedBy(block, bytes).reduce((worst, one) => worseOf(worst, classifyAddress(one)), block.class);
}

/** The IPv4 addresses that an address of 16 bytes has in it, by the network that it is of; mostly none. */
export function embeddedIn(bytes: readonly number[]): readonly (readonly number[])[] {
  const block = TABLE.find((one) => isWithin(bytes, one));
  return block === undefined ? [] : embeddedBy(block, bytes);
}

/**
 * Whether an address, as a resolver spells it, must not be dialled. `allowPrivate`: all but link-local and metadata
 * addresses may be. What cannot be read as an address (a zone among it) is always refused.
 */
export function refusesAddress(address: string, allowPrivate: boolean): boolean {
  const bytes = parseAddress(address);
  if (bytes === null) return true;
  const class_ = classifyAddress(bytes);
  return NEVER_DIALLED.has(class_) || (class_ !== 'public' && !allowPrivate);
}

/** Names that clouds give their metadata services; their networks answer them with addresses like those above. */
const METADATA_NAMES: ReadonlySet<string> = new Set([
  'metadata',
  'metadata.google.internal',
  'metadata.goog',
  'metadata.tencentyun.com',
  'instance-data',
  'instance-data.ec2.internal',
]);

/** Whether a name in lower case without a trailing dot is that of a metadata service, whatever it resolves to. */
export function isMetadataName(name: string): boolean {
  return METADATA_NAMES.has(name);
}

function embeddedBy({ places, inverted }: Block, bytes: readonly number[]): number[][] {
  return places.map((place) => place.map((octet) => bytes[octet]! ^ (inverted.includes(octet) ? 0xff : 0)));
}

function worseOf(a: AddressClass, b: AddressClass): AddressClass {
  return CLASSES.indexOf(a) >= CLASSES.indexOf(b) ? a : b;
}

function isWithin(bytes: readonly number[], block: Block): boolean {
  if (bytes.length !== block.bytes.length) return false;
  const whole = block.prefix >> 3;
  for (let i = 0; i < whole; i++) if (bytes[i] !== block.bytes[i]) return false;
  const mask = (0xff00 >> (block.prefix & 7)) & 0xff;
  return mask === 0 || (bytes[whole]! & mask) === block.bytes[whole];
}

function blockOf(network: string, class_: AddressClass, places: Block['places'], inverted: readonly number[]): Block {
  const slash = network.indexOf('/');
  const address = network.slice(0, slash);
  // Mapped addresses keep their 16 bytes here.
  const bytes = parseIpv6(address) ?? parseAddress(address);
  if (bytes === null) throw new Error(`not a network: ${network}`);
  return { bytes, prefix: Number(network.slice(slash + 1)), class: class_, places, inverted };
}
