/** What each range of addresses is for, its first and last address, and the neighbours just outside (c.5, S04). */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatAddress, parseAddress, parseIpv6 } from '../../../src/core/address.ts';
import {
  type AddressClass,
  classifyAddress,
  isMetadataName,
  refusesAddress,
} from '../../../src/core/address-policy.ts';

/** Mapped addresses keep their sixteen octets. */
function classOf(address: string): AddressClass {
  return classifyAddress((parseIpv6(address) ?? parseAddress(address))!);
}

const allOnes = (prefix: string) => `${prefix}${':ffff'.repeat(8 - prefix.split(':').length)}`;

describe.each<[AddressClass, first: string, last: string, outside: readonly string[]]>([
  ['unspecified', '0.0.0.0', '0.255.255.255', ['1.0.0.0']],
  ['private', '10.0.0.0', '10.255.255.255', ['9.255.255.255', '11.0.0.0']],
  ['private', '100.64.0.0', '100.127.255.255', ['100.63.255.255', '100.63.255.254', '100.128.0.0', '100.128.0.1']],
  ['loopback', '127.0.0.0', '127.255.255.255', ['126.255.255.255', '128.0.0.0']],
  ['link_local', '169.254.0.0', '169.254.255.255', ['169.253.255.255', '169.255.0.0']],
  ['private', '172.16.0.0', '172.31.255.255', ['172.15.255.255', '172.32.0.0']],
  ['reserved', '192.0.0.0', '192.0.0.255', ['191.255.255.255', '192.0.1.0']],
  ['documentation', '192.0.2.0', '192.0.2.255', ['192.0.1.255', '192.0.3.0']],
  ['reserved', '192.88.99.0', '192.88.99.255', ['192.88.98.255', '192.88.100.0']],
  ['private', '192.168.0.0', '192.168.255.255', ['192.167.255.255', '192.169.0.0']],
  ['reserved', '198.18.0.0', '198.19.255.255', ['198.17.255.255', '198.20.0.0']],
  ['documentation', '198.51.100.0', '198.51.100.255', ['198.51.99.255', '198.51.101.0']],
  ['documentation', '203.0.113.0', '203.0.113.255', ['203.0.112.255', '203.0.114.0']],
  ['multicast', '224.0.0.0', '239.255.255.255', ['223.255.255.255']],
  ['reserved', '240.0.0.0', '255.255.255.255', []],
  ['reserved', '100::', allOnes('100:0:0:0'), []],
  ['reserved', '100:0:0:1::', allOnes('100:0:0:1'), []],
  ['reserved', '2001:2::', allOnes('2001:2:0'), []],
  ['documentation', '2001:db8::', allOnes('2001:db8'), [allOnes('2001:db7'), '2001:db9::']],
  ['documentation', '3fff::', allOnes('3fff:fff'), [allOnes('3ffe'), '3fff:1000::']],
  ['reserved', '5f00::', allOnes('5f00'), []],
  ['private', 'fc00::', allOnes('fcff'), []],
  ['private', 'fd01::', allOnes('fdff'), []],
  ['link_local', 'fe80::', allOnes('febf'), []],
  ['private', 'fec0::', allOnes('feff'), []],
  ['multicast', 'ff00::', allOnes('ffff'), []],
])('%s from %s to %s', (class_, first, last, outside) => {
  test('is that at both ends, and public beyond where anything is', () => {
    expect([classOf(first), classOf(last)]).toEqual([class_, class_]);
    for (const address of outside) expect(classOf(address), address).toBe('public');
  });
  test('is dialled only where the operator allows it, and link-local never', () => {
    for (const address of [first, last]) {
      expect(refusesAddress(address, false)).toBe(true);
      expect(refusesAddress(address, true)).toBe(class_ === 'link_local');
    }
    for (const address of outside) expect(refusesAddress(address, false), address).toBe(false);
  });
});

test.each([
  '169.254.169.254',
  '169.254.170.2',
  '169.254.169.123',
  '100.100.100.200',
  '192.0.0.192',
  '168.63.129.16',
  'fd00:ec2::254',
  'fd00:ec2::23',
  'fd20:ce::254',
  'fd00:c1::a9fe:a9fe',
])('%s is a metadata service, and never dialled', (address) => {
  expect(classOf(address)).toBe('metadata');
  expect(refusesAddress(address, true)).toBe(true);
});

test.each([
  ['::', 'unspecified'],
  ['::1', 'loopback'],
  ['2000::', 'public'],
  ['2606:4700:4700::1111', 'public'],
  ['2001:1ff:ffff::1', 'reserved'],
  ['2001:200::', 'public'],
  ['1fff::1', 'reserved'],
  ['4000::1', 'reserved'],
])('%s is %s', (address, class_) => expect(classOf(address)).toBe(class_));

describe('an IPv4 address inside an IPv6 one', () => {
  // RFC 4291 section 2.5.5, RFC 6052 section 2, RFC 2765 section 2.1: the ranges, and what the bare range is itself.
  const forms: [string, AddressClass, (hex: string) => string][] = [
    ['mapped', 'public', (hex) => `::ffff:${hex}`],
    ['compatible', 'reserved', (hex) => `::${hex}`],
    ['translated (SIIT)', 'reserved', (hex) => `::ffff:0:${hex}`],
    ['NAT64', 'public', (hex) => `64:ff9b::${hex}`],
    ['6to4', 'reserved', (hex) => `2002:${hex}::`],
    ['Teredo server', 'reserved', (hex) => `2001:0:${hex}:0:0:f7f7:f7f7`],
  ];
  test.each(forms)('counts as what it is, %s', (_, itself, spell) => {
    expect(classOf(spell('808:808'))).toBe(itself);
    expect(classOf(spell('7f00:1'))).toBe('loopback');
    expect(classOf(spell('a00:1'))).toBe('private');
    expect(classOf(spell('a9fe:a9fe'))).toBe('metadata');
    expect(refusesAddress(spell('a9fe:1'), true)).toBe(true);
    expect(refusesAddress(spell('7f00:1'), false)).toBe(true);
  });

  test.each([
    ['64:ff9b:1::a9fe:a9fe', 'metadata'],
    ['64:ff9b:1:a9fe:a9:fe00::', 'metadata'],
    ['64:ff9b:1::808:808', 'unspecified'],
    ['2001:0:808:808::5601:5601', 'metadata'],
    ['2001:0:808:808::80ff:fffe', 'loopback'],
    ['64:ff9b:2::808:808', 'reserved'],
    ['64:ff9c::808:808', 'reserved'],
    ['::fffe:808:808', 'reserved'],
  ] as const)('%s is %s', (address, class_) => expect(classOf(address)).toBe(class_));

  test('is never less refused than by itself, whatever it is', () => {
    const octet = fc.nat(255);
    fc.assert(
      fc.property(fc.tuple(octet, octet, octet, octet), fc.boolean(), fc.nat(forms.length - 1), (bytes, allow, at) => {
        const ipv4 = bytes.join('.');
        const hex = [0, 2].map((i) => (bytes[i]! * 256 + bytes[i + 1]!).toString(16)).join(':');
        if (refusesAddress(ipv4, allow)) expect(refusesAddress(forms[at]![2](hex), allow)).toBe(true);
      }),
    );
  });
});

test.each([
  '',
  'a.test',
  '127.1',
  '2130706433',
  '0x7f.1',
  'fe80::1%eth0',
  '::1%lo',
  '2606:4700:4700::1111%eth0',
  '[::1]',
])('%j is no address that could be checked, and so never dialled', (text) =>
  expect(refusesAddress(text, true)).toBe(true),
);

test('every address has one class, in whatever spelling it comes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (octets) => {
      const bytes = [...octets];
      expect(refusesAddress(formatAddress(bytes), false)).toBe(classifyAddress(bytes) !== 'public');
    }),
  );
});

test('names of metadata services are known', () => {
  expect(['metadata.google.internal', 'metadata', 'instance-data'].map(isMetadataName)).toEqual([true, true, true]);
  expect(['google.internal', 'metadata.example', 'a.metadata'].map(isMetadataName)).toEqual([false, false, false]);
});
