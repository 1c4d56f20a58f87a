/**
 * The fuzzer: makes inputs of a target from a seed, feeds them one after another, and stops at the first that breaks a property. Input
 * number i of a seed is always the same, so a failure is shown again by its two numbers; what is printed beside is the minimised input.
 *
 * Of every input it judges, whatever the target: no exception, also none thrown later; an end within its time; no huge allocation.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { Random } from '../../src/simulation/random.ts';
import { showInput } from './hex.ts';
import { minimise } from './minimise.ts';
import { mutate } from './mutate.ts';
import { Broken, type Input, type Target } from './target.ts';
import { Watchdog } from './watchdog.ts';

export interface FuzzOptions {
  readonly target: Target;
  readonly seed: number;
  /** Inputs at most. */
  readonly inputs: number;
  /** Time for them, in milliseconds. */
  readonly forMs: number;
  /** A failing input is told as it is: what matters is that there is one. */
  readonly brief?: boolean;
}

export interface FuzzReport {
  readonly target: string;
  readonly seed: number;
  readonly inputs: number;
  readonly outcomes: ReadonlyMap<string, number>;
  readonly ms: number;
  /** Text for people, or null. */
  readonly failure: string | null;
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

export const COMMAND = 'node dist/test/fuzz/run.js';

const MIB = 2 ** 20;
const HANG_MS = 40_000;
const WAIT_MS = 20_000;
/** CPU time; an input takes far less, and one that takes longer three times in a row is a finding. */
const SLOW_MS = 1_000;
/** External memory that one input may leave behind, before a collection. */
const ALLOCATED_BYTES_MAX = 96 * MIB;
/** Memory that all inputs together may leave behind, after a collection. */
const KEPT_BYTES_MAX = 48 * MIB;
/** A handshake is waited for 10 s, and its timer holds its link. */
const GIVE_BACK_TRIES = 13;
const WARM_UP_INPUTS = 200;
const BLOCK_INPUTS = 16;
const MINIMISE_TRIES_MAX = 2_000;
const MINIMISE_MS = 10_000;
const HEX_CHARACTERS_MAX = 20_000;

/** What was thrown outside of a call: by a timer, an event, a promise that nobody waits for. */
const thrownLater: unknown[] = [];
const noteThrown = (error: unknown): void => void thrownLater.push(error);

/** Fuzz one target with one seed. */
export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const { target, seed } = options;
  const inputs = new InputSource(target, seed);
  const outcomes = new Map<string, number>();
  const startedMs = performance.now();
  const watchdog = new Watchdog({ limitMs: HANG_MS, command: `${COMMAND} --target ${target.name}` });
  let failure: string | null = null;
  let count = 0;
  let keptBytes = Infinity;
  process.on('uncaughtException', noteThrown).on('unhandledRejection', noteThrown);
  try {
    for (; count < options.inputs && failure === null && performance.now() - startedMs < options.forMs; count += 1) {
      if (count === WARM_UP_INPUTS) keptBytes = usedBytes();
      watchdog.begin(seed, count);
      const input = inputs.at(count);
      const found = await feed(target, input);
      if (typeof found === 'string') outcomes.set(found, (outcomes.get(found) ?? 0) + 1);
      else failure = await describe({ target, seed, count, input, error: found.error, watchdog, brief: options.brief ?? false });
    }
    watchdog.rest();
    if (failure === null && count > WARM_UP_INPUTS && !(await isGivenBack(keptBytes)))
      failure = `${target.name}: ${count} inputs of seed ${seed} left more than ${KEPT_BYTES_MAX / MIB} MiB behind`;
  } finally {
    process.off('uncaughtException', noteThrown).off('unhandledRejection', noteThrown);
    await watchdog.end();
  }
  return { target: target.name, seed, inputs: count, outcomes, ms: performance.now() - startedMs, failure };
}

/** Feed one given input, as a failure's command does. */
export async function feedOne(target: Target, input: Input): Promise<string> {
  process.on('uncaughtException', noteThrown).on('unhandledRejection', noteThrown);
  const found = await feed(target, input);
  process.off('uncaughtException', noteThrown).off('unhandledRejection', noteThrown);
  if (typeof found === 'string') return found;
  throw found.error;
}

type Found = string | { readonly error: unknown };

/** Feed an input; a slow or large one is fed again, because another process or a collection may be the reason. */
async function feed(target: Target, input: Input): Promise<Found> {
  let found: Found = 'not fed';
  let excess: string | null = null;
  for (let round = 0; round < 3; round += 1) {
    const beginCpu = process.cpuUsage();
    const beginBytes = getHeapStatistics().external_memory;
    found = await judged(target, input);
    if (typeof found !== 'string') return found;
    const ms = process.cpuUsage(beginCpu).user / 1000;
    const bytes = getHeapStatistics().external_memory - beginBytes;
    if (ms <= SLOW_MS && bytes <= ALLOCATED_BYTES_MAX) return found;
    excess = ms > SLOW_MS ? `it took ${ms.toFixed(0)} ms of CPU` : `it left ${(bytes / MIB).toFixed(0)} MiB of external memory`;
  }
  return excess === null ? found : { error: new Broken(excess) };
}

async function judged(target: Target, input: Input): Promise<Found> {
  try {
    const ran = target.run(input);
    const outcome = typeof ran === 'string' ? ran : await inTime(ran);
    if (thrownLater.length === 0) return outcome;
    return { error: thrownLater[0] };
  } catch (error) {
    return { error };
  } finally {
    thrownLater.length = 0;
  }
}

/** A promise that is never kept is a finding like any other; a loop that never ends is the watchdog's. */
function inTime(ran: Promise<string>): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Broken('it waits for ever')), WAIT_MS);
    ran.finally(() => clearTimeout(timer)).then(resolve, reject);
  });
}

interface Failing {
  readonly target: Target;
  readonly seed: number;
  readonly count: number;
  readonly input: Input;
  readonly error: unknown;
  readonly watchdog: Watchdog;
  readonly brief: boolean;
}

async function describe({ target, seed, count, input, error, watchdog, brief }: Failing): Promise<string> {
  const kind = kindOf(error);
  let shown = error;
  const small = await minimise({
    input,
    partsAreFixed: target.partsAreFixed ?? false,
    triesMax: brief ? 0 : MINIMISE_TRIES_MAX,
    untilMs: performance.now() + MINIMISE_MS,
    stillFails: async (candidate) => {
      watchdog.begin(seed, count);
      const found = await judged(target, candidate);
      if (typeof found === 'string' || kindOf(found.error) !== kind) return false;
      shown = found.error;
      return true;
    },
  });
  const hex = showInput(small);
  return [
    `${target.name}: ${target.property}`,
    `broken by input ${count} of seed ${seed}: ${textOf(error)}`,
    `shown again by`,
    `  ${COMMAND} --target ${target.name} --seed ${seed} --input ${count}`,
    ...(hex.length > HEX_CHARACTERS_MAX
      ? []
      : [`minimised (${textOf(shown).split('\n')[0]}):`, `  ${COMMAND} --target ${target.name} --hex '${hex}'`]),
  ].join('\n');
}

/** Failures of one kind have one cause, as a rule: numbers and quoted words apart. */
function kindOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  return `${error.name} ${error.message.replace(/"[^"]*"|[0-9a-f]*\d[0-9a-f]*/g, '#').slice(0, 60)}`;
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error instanceof Broken ? error.message : (error.stack ?? error.message)) : String(error);
}

/** The inputs of a seed, by number. */
export class InputSource {
  readonly #target: Target;
  readonly #seed: number;
  #block: { readonly number: number; readonly inputs: readonly Input[] } | null = null;

  constructor(target: Target, seed: number) {
    this.#target = target;
    this.#seed = seed;
  }

  at(count: number): Input {
    const { golden, generator, fix, donors = golden, mutationsMax = 6 } = this.#target;
    const { partsAreFixed = false, inPlace = false, partBytesMax = 65_536 } = this.#target;
    const plain = golden[count];
    if (plain !== undefined) return plain;
    const random = new Random(this.#seedOf(count));
    const isGenerated = generator !== undefined && (golden.length === 0 || mutationsMax === 0 || random.chance(0.4));
    const begin = isGenerated ? this.#generated(generator, count) : random.pick(golden);
    if (mutationsMax === 0 || (isGenerated && random.chance(0.5))) return begin;
    const mutations = random.chance(0.4) ? 1 : random.between(1, mutationsMax);
    const others = donors.length === 0 ? [begin] : donors;
    const input = mutate(begin, { random, mutations, others, partsAreFixed, inPlace, partBytesMax });
    if (fix !== undefined && random.chance(0.6)) for (const part of input) fix(part, random);
    return input;
  }

  #generated(generator: fc.Arbitrary<Input>, count: number): Input {
    const number = Math.floor(count / BLOCK_INPUTS);
    if (this.#block?.number !== number)
      this.#block = { number, inputs: fc.sample(generator, { seed: this.#seedOf(-1 - number), numRuns: BLOCK_INPUTS }) };
    return this.#block.inputs[count % BLOCK_INPUTS] ?? [];
  }

  #seedOf(count: number): number {
    return (Math.imul(this.#seed, 0x9e37_79b1) + Math.imul(count + 1, 0x85eb_ca77)) | 0;
  }
}

/** What is held by timers is given back when they have ended. */
async function isGivenBack(keptBytes: number): Promise<boolean> {
  for (let tries = 0; tries < GIVE_BACK_TRIES; tries += 1) {
    if (usedBytes() - keptBytes <= KEPT_BYTES_MAX) return true;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  return false;
}

function usedBytes(): number {
  collect();
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics();
  return heap + external;
}
