/** The command line of the bench, and the plan that comes of it. */
import { parseArgs } from 'node:util';
import { SERVER_KINDS } from './servers/kinds.ts';
import { SERVER_NAMES, type ServerKind } from './servers/server.ts';
import type { Skipped } from './support/results.ts';
import { missingTools, type ToolVersions } from './support/tools.ts';
import { STATES, WORKLOADS, type VolumeState, type Workload } from './workloads.ts';

export const USAGE = `npm run bench -- [--quick] [--rounds N] [--seconds S] [--size MIB] [--servers A,B] [--workloads A,B] [--states A,B] [--parts A,B] [--out DIR] [--json]

  --quick      about 3 minutes on an idle machine: 3 rounds, fewer servers and workloads, 1 s each, no copies
  --rounds     rounds of the interleaved run (5; quick 3)
  --seconds    length of each workload (3; quick 1)
  --size       size of a volume in MiB (1024; quick 256)
  --servers    ${SERVER_NAMES.join(', ')}
  --workloads  ${WORKLOADS.map(({ name }) => name).join(', ')}
  --states     ${STATES.join(', ')}
  --parts      side-by-side, copies, layers, latency (all; quick without copies)
  --layers     the same as --parts layers
  --latency    the same as --parts latency
  --out        folder for results.json, results.md and chart.svg (bench-results)
  --json       results.json on stdout as well
`;

export const PARTS = ['side-by-side', 'copies', 'layers', 'latency'] as const;
export type BenchPart = (typeof PARTS)[number];

const FULL = { rounds: 5, seconds: 3, sizeMiB: 1024 } as const;
const QUICK = { rounds: 3, seconds: 1, sizeMiB: 256 } as const;
const QUICK_SERVERS: readonly string[] = ['farshore', 'nbdkit-file', 'mirror-background', 'mirror-write-blocking'];
const QUICK_STATES: readonly string[] = ['large'];
const DEFAULT_FOLDER = 'bench-results';
/** Of the volume: the connections share it, and requests are up to 1 MiB. */
const SIZE_STEP_MIB = 8;

export interface BenchPlan {
  readonly quick: boolean;
  readonly rounds: number;
  readonly seconds: number;
  readonly sizeMiB: number;
  readonly servers: readonly ServerKind[];
  readonly workloads: readonly Workload[];
  readonly states: readonly VolumeState[];
  readonly parts: readonly BenchPart[];
  readonly folder: string;
  readonly json: boolean;
  /** What this machine lacks. */
  readonly skipped: readonly Skipped[];
}

/** What the command line asks for cannot be. */
export class OptionError extends Error {
  override readonly name = 'OptionError';
}

/** Read the command line. @throws OptionError saying what is wrong */
export function planBench(args: readonly string[], tools: ToolVersions): BenchPlan {
  const values = parse(args);
  const quick = values.quick;
  const defaults = quick ? QUICK : FULL;
  const servers = chosen('servers', SERVER_KINDS, values.servers, ({ name }) => !quick || QUICK_SERVERS.includes(name));
  const skipped: Skipped[] = [];
  const present = servers.filter((kind) => {
    const missing = missingTools(tools, kind.tools);
    if (missing.length > 0) skipped.push({ name: kind.name, why: `needs ${missing.join(', ')}` });
    return missing.length === 0;
  });
  const byName = (name: string): { name: string } => ({ name });
  const askedParts =
    values.parts ?? ([...(values.layers ? ['layers'] : []), ...(values.latency ? ['latency'] : [])].join(',') || undefined);
  const sizeMiB = positive('size', values.size, defaults.sizeMiB);
  if (sizeMiB % SIZE_STEP_MIB !== 0) throw new OptionError(`--size ${sizeMiB} is not a multiple of ${SIZE_STEP_MIB} MiB`);
  const rounds = positive('rounds', values.rounds, defaults.rounds);
  if (!Number.isInteger(rounds)) throw new OptionError(`--rounds ${rounds} is not a whole number`);
  return {
    quick,
    rounds,
    seconds: positive('seconds', values.seconds, defaults.seconds),
    sizeMiB,
    servers: present,
    workloads: chosen('workloads', WORKLOADS, values.workloads, (workload) => !quick || workload.quick),
    states: chosen('states', STATES.map(byName), values.states, ({ name }) => !quick || QUICK_STATES.includes(name)).map(
      ({ name }) => name as VolumeState,
    ),
    parts: chosen('parts', PARTS.map(byName), askedParts, ({ name }) => !quick || name !== 'copies').map(({ name }) => name as BenchPart),
    folder: values.out ?? DEFAULT_FOLDER,
    json: values.json,
    skipped,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        quick: { type: 'boolean', default: false },
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        size: { type: 'string' },
        servers: { type: 'string' },
        workloads: { type: 'string' },
        states: { type: 'string' },
        parts: { type: 'string' },
        layers: { type: 'boolean', default: false },
        latency: { type: 'boolean', default: false },
        out: { type: 'string' },
        json: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw new OptionError((error as Error).message, { cause: error });
  }
}

/** The items that a list names, in the order of all; without a list those of the default. */
function chosen<Item extends { readonly name: string }>(
  option: string,
  all: readonly Item[],
  list: string | undefined,
  isDefault: (item: Item) => boolean,
): Item[] {
  if (list === undefined) return all.filter(isDefault);
  const names = list.split(',');
  const unknown = names.find((name) => !all.some((item) => item.name === name));
  if (unknown !== undefined) throw new OptionError(`--${option}: "${unknown}" is none of ${all.map(({ name }) => name).join(', ')}`);
  return all.filter(({ name }) => names.includes(name));
}

function positive(option: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!(value > 0 && Number.isFinite(value))) throw new OptionError(`--${option} "${text}" is not a positive number`);
  return value;
}
