/**
 * Read and check a host's config file. Every mistake is listed, each with file:line:column, the wrong word and the nearest
 * right one. Relative paths in the file are meant from the file's own folder, so that a config means the same wherever the
 * operator stands.
 */
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { errnoOf, messageOf, UsageError, type ErrorCode } from '../../model/errors.ts';
import { LOG_LEVELS, type LogLevel } from '../../status/log.ts';
import type { VolumeConfig } from '../../volume/contract.ts';
import { nearestWord } from '../nearest-word.ts';
import type { ConfigDocument, Mistake } from './config-document.ts';
import type { CommonConfig, HostConfig, Role, TakeoverConfig } from './host-config.ts';
import type { PeerFile, PrimaryFile, SecondaryFile } from './schema.ts';
import { shown } from './shape-mistakes.ts';

export interface LoadConfigOptions {
  /** Beats FARSHORE_LOG_LEVEL, which beats the file. */
  readonly logLevel?: LogLevel | undefined;
  /** A primary without `replication.listen` is accepted. */
  readonly standalone?: boolean;
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

type AnyFile = PrimaryFile | SecondaryFile | PeerFile;

const ROLES = ['primary', 'secondary', 'peer'] as const satisfies readonly Role[];
/** A file that is no config at all could have one at every byte. */
const MISTAKES_SHOWN_MAX = 100;

/** Some mistakes in a config file; `details.mistakes` has them one by one. */
export class ConfigError extends UsageError {
  readonly mistakes: readonly Mistake[];

  constructor(all: readonly Mistake[]) {
    const mistakes = all.slice(0, MISTAKES_SHOWN_MAX);
    const lines = mistakes.map((mistake) => `${mistake.file}:${mistake.line}:${mistake.column}: ${mistake.message}`);
    if (all.length > mistakes.length) lines.push(`and ${all.length - mistakes.length} more`);
    const codes = new Set(mistakes.map((mistake) => mistake.code));
    const code: ErrorCode = codes.size === 1 ? (mistakes[0]?.code ?? 'ERR_CONFIG_INVALID') : 'ERR_CONFIG_INVALID';
    super(code, lines.join('\n'), {
      hint: 'correct the file and try "farshore config check -c FILE"; "farshore config sample primary|secondary|peer" prints a right one',
      details: { mistakes },
    });
    this.mistakes = mistakes;
  }
}

/** Load a config file. @throws UsageError ERR_CONFIG_UNREADABLE, ERR_ENVIRONMENT; ConfigError ERR_CONFIG_INVALID, ERR_LISTEN_EXPOSED, ERR_NOT_AVAILABLE */
export async function loadConfig(path: string, options: LoadConfigOptions = {}): Promise<HostConfig> {
  return checkConfigText({ path, text: readText(path), ...options });
}

/** Check the text of a config file that stands at `path`. */
export async function checkConfigText(options: LoadConfigOptions & { readonly path: string; readonly text: string }): Promise<HostConfig> {
  // zod and yaml take longer to load than most commands to run, and not every command has a config.
  const [{ ConfigDocument }, { hostSchemas }, { mistakesOfShape }, { brokenRules }] = await Promise.all([
    import('./config-document.ts'),
    import('./schema.ts'),
    import('./shape-mistakes.ts'),
    import('./rules.ts'),
  ]);
  const environmentLevel = logLevelOf(options.environment ?? process.env);
  const document = new ConfigDocument(options.path, options.text);
  throwMistakes(document.syntaxMistakes());
  const values = valuesOf(document);
  const role = roleOf(document, values);
  const file = resolve(options.path);
  const folder = dirname(file);
  const schemas = hostSchemas(folder);
  const result = schemas[role].safeParse(values);
  const mistakes = [
    ...(result.success ? [] : mistakesOfShape(result.error.issues, { document, values, role, schemas })),
    ...brokenRules({ document, values, role, folder, standalone: options.standalone ?? false }),
  ];
  throwMistakes(mistakes.sort((a, b) => a.line - b.line || a.column - b.column));
  const parsed = result.data as AnyFile;
  const logLevel = options.logLevel ?? environmentLevel;
  return hostConfig(logLevel === undefined ? parsed : { ...parsed, log: { ...parsed.log, level: logLevel } }, file);
}

function throwMistakes(mistakes: readonly Mistake[]): void {
  if (mistakes.length > 0) throw new ConfigError(mistakes);
}

function valuesOf(document: ConfigDocument): unknown {
  try {
    return document.values();
  } catch (error) {
    throw new ConfigError([document.mistakeAt([], messageOf(error))]);
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const why = errnoOf(error) === 'ENOENT' ? 'does not exist' : `cannot be read: ${messageOf(error)}`;
    throw new UsageError('ERR_CONFIG_UNREADABLE', `the config file ${path} ${why}`, {
      cause: error,
      hint: 'name it with -c FILE or FARSHORE_CONFIG; "farshore config sample primary > primary.yaml" writes one',
    });
  }
}

function roleOf(document: ConfigDocument, values: unknown): Role {
  if (typeof values !== 'object' || values === null || Array.isArray(values)) {
    throw new ConfigError([
      document.mistakeAt([], values === null || values === undefined ? 'the file is empty' : 'expected a map of keys and values'),
    ]);
  }
  const role: unknown = (values as { role?: unknown }).role;
  const known = ROLES.find((word) => word === role);
  if (known !== undefined) return known;
  if (role === undefined) throw new ConfigError([document.mistakeAt([], 'missing key "role": expected primary, secondary or peer')]);
  const nearest = typeof role === 'string' ? nearestWord(role, ROLES) : undefined;
  const hint = nearest === undefined ? '' : `; did you mean "${nearest}"?`;
  throw new ConfigError([document.mistakeAt(['role'], `"role" is ${shown(role)}: expected primary, secondary or peer${hint}`)]);
}

function logLevelOf(environment: Readonly<Record<string, string | undefined>>): LogLevel | undefined {
  const text = environment['FARSHORE_LOG_LEVEL'];
  if (text === undefined || text === '') return undefined;
  const level = LOG_LEVELS.find((known) => known === text);
  if (level !== undefined) return level;
  const nearest = nearestWord(text, LOG_LEVELS);
  const hint = nearest === undefined ? '' : `; did you mean "${nearest}"?`;
  throw new UsageError('ERR_ENVIRONMENT', `FARSHORE_LOG_LEVEL is "${text}": expected ${LOG_LEVELS.join(', ')}${hint}`);
}

function commonConfig(parsed: AnyFile, file: string): CommonConfig {
  return {
    file,
    group: parsed.group,
    stateDirectory: resolve(dirname(file), parsed.state),
    status: parsed.status ?? { listen: [] },
    log: parsed.log,
    objectiveMs: parsed.objective,
    insecure: parsed.insecure,
  };
}

function volumeConfigs(volumes: PrimaryFile['volumes'], folder: string): VolumeConfig[] {
  return volumes.map(({ name, vlun, size, path, store }) => ({ name, vlun, sizeBytes: size, path: resolve(folder, path), store }));
}

function hostConfig(parsed: AnyFile, file: string): HostConfig {
  const folder = dirname(file);
  const common = commonConfig(parsed, file);
  if (parsed.role === 'peer') {
    const { nvram, connect, takeover } = parsed;
    return {
      ...common,
      role: 'peer',
      nvram: { path: resolve(folder, nvram.path), sizeBytes: nvram.size, hold: nvram.hold },
      connect,
      takeover: takeover === undefined ? null : takeoverConfig(takeover, { folder, stateDirectory: common.stateDirectory }),
    };
  }
  const served = { volumes: volumeConfigs(parsed.volumes, folder), nbd: parsed.nbd };
  if (parsed.role === 'secondary') {
    const { path, slots, size } = parsed.journals;
    return {
      ...common,
      ...served,
      role: 'secondary',
      mode: parsed.mode,
      peer: parsed.peer ?? null,
      replication: parsed.replication,
      journals: { directory: resolve(folder, path), slots, slotBytes: size },
    };
  }
  return {
    ...common,
    ...served,
    role: 'primary',
    replication: { listen: parsed.replication.listen ?? [], flush: parsed.replication.flush },
    dataSets: { minAgeMs: parsed.dataSets.minAge, maxAgeMs: parsed.dataSets.maxAge, maxBytes: parsed.dataSets.maxSize },
    backlog: { limitBytes: parsed.backlog.limit, policy: 'throttle' },
  };
}

function takeoverConfig(
  takeover: NonNullable<PeerFile['takeover']>,
  { folder, stateDirectory }: { folder: string; stateDirectory: string },
): TakeoverConfig {
  const { volumes, journals, replication, nbd, fence } = takeover;
  return {
    volumes: volumeConfigs(volumes, folder),
    // A promotion must never serve nobody: in the state folder there is always room for a socket, beside the control socket.
    nbd: nbd ?? { listen: [{ kind: 'unix', path: join(stateDirectory, 'nbd.sock') }] },
    journals: { directory: resolve(folder, journals.path) },
    replication,
    fence: fence === undefined ? null : fenceCommand(fence, folder),
  };
}

/** A program without a slash is looked for in PATH; a relative path is meant from the config's folder, as all paths in it. */
function fenceCommand([program = '', ...rest]: readonly string[], folder: string): string[] {
  return [program.includes('/') ? resolve(folder, program) : program, ...rest];
}
