import { UsageError } from './errors.ts';

const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
  PiB: 2 ** 50,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  PB: 1e15,
};
const DURATION_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Parse a size such as `1GiB`, `31 MiB`, `4096` exactly, in bytes. @throws UsageError ERR_UNIT_SIZE */
export function parseSizeBytes(text: string | number): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*$/.exec(String(text));
  const unit = match === null ? undefined : SIZE_UNITS[match[2] ?? ''];
  const bytes = match === null || unit === undefined ? Number.NaN : Number(match[1]) * unit;
  if (!Number.isSafeInteger(bytes)) {
    throw new UsageError(
      'ERR_UNIT_SIZE',
      `"${text}" is not a size: expected whole bytes as a number with B, KiB, MiB, GiB, TiB, kB, MB, GB or TB`,
    );
  }
  return bytes;
}

/** Parse a duration such as `10ms`, `5s`, `2m`, in milliseconds. @throws UsageError ERR_UNIT_DURATION */
export function parseDurationMs(text: string | number): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*$/.exec(String(text));
  const unit = match === null ? undefined : DURATION_UNITS[match[2] ?? ''];
  if (match === null || unit === undefined) {
    throw new UsageError('ERR_UNIT_DURATION', `"${text}" is not a duration: expected a number with ms, s, m, h or d`);
  }
  return Number(match[1]) * unit;
}

/** Show bytes with a binary unit: `1.9 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let index = 0;
  while (value >= 1024 && index < units.length - 1) {
    value /= 1024;
    index += 1;
  }
  return index === 0 ? `${value} B` : `${value.toFixed(value >= 100 ? 0 : 1)} ${units[index]}`;
}

/** Show seconds: `0.08 s`, `3.2 s`, `4 min 10 s`, `3 h 12 min`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 1) return `${seconds.toFixed(2)} s`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

/** Show a short time: `0.31 ms`, `4.2 ms`, `87 ms`, `1.2 s`. */
export function formatLatency(seconds: number): string {
  const ms = seconds * 1000;
  if (ms >= 999.5) return formatSeconds(seconds);
  return `${ms.toFixed(ms < 0.995 ? 2 : ms < 9.95 ? 1 : 0)} ms`;
}
