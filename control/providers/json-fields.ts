/**
 * Reads fields of an answer that nobody promised: each call says what a field must
 * be, and anything else is a VendorError `garbled`. Called by the vendors' account interfaces.
 */
import { VendorError } from './vendor-error.ts';

export type JsonFields = Readonly<Record<string, unknown>>;

export function asFields(value: unknown): JsonFields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new VendorError('garbled');
  return value as JsonFields;
}

export function asList(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new VendorError('garbled');
  return value;
}

/** Text of 1–1,024 bytes without control characters. */
export function textOf(fields: JsonFields, name: string): string {
  const text = optionalText(fields, name);
  if (text === null) throw new VendorError('garbled');
  return text;
}

/** As `textOf`; null where the field is absent, null or empty. */
export function optionalText(fields: JsonFields, name: string): string | null {
  const value = fields[name];
  if (value === undefined || value === null || value === '') return null;
  if (typeof value !== 'string' || Buffer.byteLength(value) > 1_024 || /\p{Cc}/u.test(value)) {
    throw new VendorError('garbled');
  }
  return value;
}

/** A finite number that is not negative. */
export function numberOf(fields: JsonFields, name: string): number {
  const value = fields[name];
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) throw new VendorError('garbled');
  return value;
}

/** A whole number within bounds. */
export function integerOf(fields: JsonFields, name: string, min: number, max: number): number {
  const value = numberOf(fields, name);
  if (!Number.isSafeInteger(value) || value < min || value > max) throw new VendorError('garbled');
  return value;
}

/** Labels from what vendors say of a place; what is no country code or no name is left out. */
export function placeLabels(country: string | null, city: string | null): Record<string, string> {
  const labels: Record<string, string> = {};
  const code = country?.toLowerCase();
  // Some write `uk`, which ISO 3166-1 keeps for it, and everybody else writes gb.
  if (code !== undefined && /^[a-z]{2}$/.test(code)) labels.country = code === 'uk' ? 'gb' : code;
  // As clients write it in a user name, which holds no spaces.
  const name = city?.toLowerCase().trim().replaceAll(/\s+/g, '_');
  if (name !== undefined && /^\P{C}{1,128}$/u.test(name)) labels.city = name;
  return labels;
}
