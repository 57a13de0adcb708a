/**
 * Every timeout and bound of the gateway, by name: one table that the
 * configuration turns into flags, environment and file names, and the gateway
 * reads as `GatewayLimits`. None can be switched off; `min` and `max` say why a
 * value is refused. Times are milliseconds, sizes are bytes.
 */
export const GATEWAY_LIMITS = {
  headTimeoutMs: { default: 10_000, min: 100, max: 120_000, help: 'a request head must be complete within' },
  bodyIdleMs: { default: 60_000, min: 100, max: 3_600_000, help: 'longest silence inside a request body' },
  dnsTimeoutMs: { default: 5_000, min: 100, max: 60_000, help: 'looking up an upstream name' },
  connectTimeoutMs: { default: 10_000, min: 100, max: 120_000, help: 'TCP connect to an upstream' },
  upstreamTlsTimeoutMs: { default: 10_000, min: 100, max: 120_000, help: 'TLS handshake with an upstream' },
  connectReplyTimeoutMs: { default: 15_000, min: 100, max: 300_000, help: "an upstream's replies to CONNECT or SOCKS" },
  firstByteTimeoutMs: { default: 60_000, min: 100, max: 3_600_000, help: 'first byte of a response' },
  responseIdleMs: { default: 60_000, min: 100, max: 3_600_000, help: 'longest silence inside a response' },
  tunnelIdleMs: { default: 900_000, min: 1_000, max: 86_400_000, help: 'longest silence in a tunnel' },
  tunnelLifeMs: { default: 86_400_000, min: 1_000, max: 604_800_000, help: 'life of a tunnel' },
  halfClosedMs: {
    default: 30_000,
    min: 100,
    max: 3_600_000,
    help: 'longest silence in a tunnel after one side finished',
  },
  keepAliveMs: { default: 60_000, min: 100, max: 3_600_000, help: 'an idle client connection is kept' },
  upstreamIdleMs: { default: 30_000, min: 100, max: 3_600_000, help: 'an idle upstream connection is kept' },
  maxHeadBytes: { default: 16_384, min: 9_216, max: 65_536, help: 'size of a message head' },
  maxHeadLines: { default: 100, min: 20, max: 1_000, help: 'header lines of a message head' },
  maxInterimResponses: { default: 16, min: 1, max: 100, help: '1xx responses before a final one' },
  maxEarlyBytes: { default: 65_536, min: 1_024, max: 1_048_576, help: 'bytes held for a CONNECT that is not open yet' },
  maxClientConnections: { default: 20_000, min: 1, max: 1_000_000, help: 'client connections in all' },
  maxConnectionsPerKey: {
    default: 10_000,
    min: 1,
    max: 1_000_000,
    help: 'requests and tunnels under way for one API key',
  },
  maxConnectionsPerAddress: {
    default: 10_000,
    min: 1,
    max: 1_000_000,
    help: 'client connections of one address, or of one /64 of IPv6',
  },
  maxConnectionsPerWorkspace: {
    default: 20_000,
    min: 1,
    max: 1_000_000,
    help: 'requests and tunnels under way for one workspace',
  },
  maxPendingDials: { default: 2_000, min: 1, max: 1_000_000, help: 'connections to upstreams being opened, in all' },
  maxProbes: { default: 64, min: 1, max: 10_000, help: 'probes of sessions under way, in all' },
  maxBodyBytes: { default: 17_179_869_184, min: 1, max: 562_949_953_421_312, help: 'size of a request body' },
  easeHeapPercent: { default: 92, min: 1, max: 99, help: 'of the heap in use: from there on keep-alive is off' },
  shedHeapPercent: { default: 95, min: 1, max: 99, help: 'of the heap in use: from there on new requests are refused' },
  easeDescriptorPercent: { default: 90, min: 1, max: 99, help: 'of the descriptors in use: keep-alive is off' },
  shedDelayMs: {
    default: 500,
    min: 10,
    max: 60_000,
    help: 'new requests are refused while every turn of the event loop comes this late',
  },
  maxIdlePerSession: { default: 64, min: 0, max: 1_024, help: 'idle upstream connections kept for one session' },
  maxIdleUpstreams: { default: 1_024, min: 0, max: 65_536, help: 'idle upstream connections kept in all' },
} as const;

export type GatewayLimits = { readonly [name in keyof typeof GATEWAY_LIMITS]: number };

/** The defaults of the table. */
export const defaultLimits: GatewayLimits = Object.fromEntries(
  Object.entries(GATEWAY_LIMITS).map(([name, row]) => [name, row.default]),
) as GatewayLimits;
