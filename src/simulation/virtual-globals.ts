/**
 * Put virtual time and seeded randomness in the place of the process's own, so that the production code runs unchanged: timers,
 * immediates, both clocks, `Math.random`, `randomBytes`, and pooled shared memory. For a process or thread that does nothing else.
 */
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import type { SharedMemoryPool } from './memory.ts';
import type { Random } from './random.ts';
import type { ScheduledEvent, World } from './virtual-time.ts';

/** Kept from before anything was replaced. */
const realImmediate = setImmediate;

/** What the globals mean now. */
export interface Universe {
  world: World;
  random: Random;
}

/** Let every promise go on that can; nothing else runs meanwhile. */
export function settlePromises(): Promise<void> {
  return new Promise((resolve) => void realImmediate(resolve));
}

const VIRTUAL_ORIGIN_MS = 0;
/** Buffers from here on are used again for the next seed. */
const LARGE_BYTES = 1024 * 1024;

/** Replace the globals; returns how to put them back. */
export function installVirtualGlobals(universe: Universe, shared: SharedMemoryPool): () => void {
  const real = {
    ...pick(globalThis),
    random: Math.random,
    now: Date.now,
    randomBytes: crypto.randomBytes,
    allocUnsafeSlow: Buffer.allocUnsafeSlow,
    hrtime: process.hrtime,
  };
  const scope = globalThis as unknown as Record<string, unknown>;
  const after = (delayMs: number | undefined, label: string, work: () => void): ScheduledEvent =>
    universe.world.schedule(Math.round(Math.max(delayMs ?? 1, 1) * 1000), label, work);
  const cancel = (event: ScheduledEvent | undefined | null): void => {
    if (event !== null && typeof event === 'object') event.cancelled = true;
  };
  scope['setTimeout'] = (work: (...args: unknown[]) => void, delayMs?: number, ...args: unknown[]) =>
    after(delayMs, 'timer', () => work(...args));
  scope['setImmediate'] = (work: (...args: unknown[]) => void, ...args: unknown[]) =>
    universe.world.schedule(0, 'immediate', () => work(...args));
  scope['setInterval'] = (work: () => void, delayMs?: number) => {
    const handle = { cancelled: false, unref: () => handle, ref: () => handle, hasRef: () => true };
    const again = (): void => {
      after(delayMs, 'interval', () => {
        if (handle.cancelled) return;
        again();
        work();
      });
    };
    again();
    return handle;
  };
  scope['clearTimeout'] = cancel;
  scope['clearInterval'] = cancel;
  scope['clearImmediate'] = cancel;
  scope['SharedArrayBuffer'] = shared.constructorOf();
  Object.defineProperty(globalThis, 'performance', {
    configurable: true,
    writable: true,
    value: {
      now: () => universe.world.nowUs / 1000,
      get timeOrigin() {
        return VIRTUAL_ORIGIN_MS + universe.world.wallOffsetMs;
      },
    },
  });
  process.hrtime = virtualHrtime(universe);
  Date.now = () => Math.floor(universe.world.wallOffsetMs + universe.world.nowUs / 1000);
  Math.random = () => universe.random.next();
  Buffer.allocUnsafeSlow = (size) => (size < LARGE_BYTES ? real.allocUnsafeSlow(size) : shared.buffer(size));
  crypto.randomBytes = (size: number) => Buffer.from(universe.random.hex(2 * size), 'hex');
  syncBuiltinESMExports();
  return () => {
    for (const name of NAMES) Object.defineProperty(globalThis, name, { configurable: true, writable: true, value: real[name] });
    Math.random = real.random;
    process.hrtime = real.hrtime;
    Date.now = real.now;
    crypto.randomBytes = real.randomBytes;
    Buffer.allocUnsafeSlow = real.allocUnsafeSlow;
    syncBuiltinESMExports();
  };
}

/** The clock that goes on while a process is stopped, and that all its threads share. */
function virtualHrtime(universe: Universe): typeof process.hrtime {
  const hrtime = (before?: [number, number]): [number, number] => {
    const nowUs = universe.world.nowUs - (before === undefined ? 0 : before[0] * 1e6 + Math.round(before[1] / 1e3));
    return [Math.floor(nowUs / 1e6), (nowUs % 1e6) * 1e3];
  };
  return Object.assign(hrtime, { bigint: () => BigInt(Math.round(universe.world.nowUs)) * 1000n });
}

const NAMES = [
  'setTimeout',
  'setImmediate',
  'setInterval',
  'clearTimeout',
  'clearInterval',
  'clearImmediate',
  'performance',
  'SharedArrayBuffer',
] as const;

function pick(scope: typeof globalThis): Record<(typeof NAMES)[number], unknown> {
  return Object.fromEntries(NAMES.map((name) => [name, scope[name]])) as Record<(typeof NAMES)[number], unknown>;
}
