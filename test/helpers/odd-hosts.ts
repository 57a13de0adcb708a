/**
 * Spellings of hosts that only some readers take for one, or for the same one (F9;
 * S02–S04, S09, S19, S20 of the catalogue of addresses). The API's door refuses each.
 */
// biome-ignore format: a line or two a group
export const ODD_HOSTS = [
  // S02: other spellings of 127.0.0.1, and of addresses that are none
  '127.1', '127.0.1', '2130706433', '0x7f000001', '0x7f.1', '0X7F.1', '0177.0.0.1', '017700000001', '0', '00', '1', '0x',
  '127.0.0.01', '127.00.0.1', '256.1.1.1', '1.2.3', '1.2.3.4.5', 'a.1', 'a.0x7f', '127.0.0.1.', '127.0.0.1..', '127.1.',
  // S03: what IDNA mappings turn into digits and dots
  '①②⑦.⓪.⓪.①', '１２７.0.0.1', '127。0。0。1', '127．0．0．1', '１２７．１', '\u212a.test', 'bücher.example',
  // S04, S09, S19: dots and zones
  'a..test', '.a.test', 'a.test..', '.', '..', '', '::1%lo', 'fe80::1%eth0', '2606:4700:4700::1111%eth0', '[fe80::1%25lo]', '[127.0.0.1]', '[a.test]', '[::1', '::1]',
  // S20: URLs, ports, userinfo, and octets that no name has
  'http://evil@127.0.0.1', 'http://127.0.0.1', '127.0.0.1#', '127.0.0.1?', '127.0.0.1/', '127.0.0.1:80', 'a.test:80', 'a@b', '//a.test',
  'a.test\r\n', 'a.test\n', 'a\0b', 'a b', ' a.test', 'a.test ', 'a.test\t', 'a\\b', 'a%2e', '%31%32%37.0.0.1', 'a;b', 'a,b',
  '-a.test', 'a-.test', `${'l'.repeat(64)}.test`, `${'a.'.repeat(127)}aa`,
];
