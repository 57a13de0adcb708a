/** The vendors, by the type that is stored of them. */
import type { ProviderType } from '../../src/core/model.ts';
import { APIFY } from './apify.ts';
import { BRIGHT_DATA } from './bright-data.ts';
import { DECODO } from './decodo.ts';
import { GEONODE } from './geonode.ts';
import { IPROYAL } from './iproyal.ts';
import { NETNUT } from './netnut.ts';
import { OXYLABS } from './oxylabs.ts';
import { PROXYLINE } from './proxyline.ts';
import { SOAX } from './soax.ts';
import type { Vendor } from './vendor.ts';
import { WEBSHARE } from './webshare.ts';

export const VENDORS: ReadonlyMap<string, Vendor> = new Map(
  [WEBSHARE, PROXYLINE, BRIGHT_DATA, OXYLABS, DECODO, IPROYAL, SOAX, NETNUT, GEONODE, APIFY].map((vendor) => [
    vendor.type,
    vendor,
  ]),
);

/** The vendor of a stored type; null for STATIC, GATEWAY and LOCAL. */
export function vendorOf(type: string): Vendor | null {
  return VENDORS.get(type) ?? null;
}

/** What sessions of a stored type are made of: a vendor's are those of a GATEWAY, or of a STATIC where it lists them. */
export function kindOf(type: string): ProviderType {
  const vendor = VENDORS.get(type);
  if (vendor !== undefined) return vendor.kind === 'gateway' ? 'gateway' : 'static';
  return type as ProviderType;
}
