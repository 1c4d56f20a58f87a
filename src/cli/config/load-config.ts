/**
 * Read and check a host's config file. Every mistake is listed, each with file:line:column, the wrong word and the nearest
 * right one. Relative paths in the file are meant from the file's own folder, so that a config means the same wherever the
 * operator stands.
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { errnoOf, messageOf, UsageError, type ErrorCode } from '../../model/errors.ts';
import { LOG_LEVELS, type LogLevel } from '../../status/log.ts';
import type { VolumeConfig } from '../../volume/contract.ts';
import { nearestWord } from '../nearest-word.ts';
import type { ConfigDocument, Mistake } from './config-document.ts';
import type { CommonConfig, HostConfig, VolumesConfig } from './host-config.ts';
import type { PrimaryFile, SecondaryFile } from './schema.ts';
import { shown } from './shape-mistakes.ts';

export interface LoadConfigOptions {
  /** Beats FARSHORE_LOG_LEVEL, which beats the file. */
  readonly logLevel?: LogLevel | undefined;
  /** A primary without `replication.listen` is accepted. */
  readonly standalone?: boolean;
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

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
      hint: 'correct the file and try "farshore config check -c FILE"; "farshore config sample primary|secondary" prints a right one',
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
  const parsed = result.data as PrimaryFile | SecondaryFile;
  const logLevel = options.logLevel ?? environmentLevel;
  const withLevel = logLevel === undefined ? parsed : { ...parsed, log: { ...parsed.log, level: logLevel } };
  return withLevel.role === 'primary' ? primaryConfig(withLevel, file) : secondaryConfig(withLevel, file);
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

function roleOf(document: ConfigDocument, values: unknown): 'primary' | 'secondary' {
  if (typeof values !== 'object' || values === null || Array.isArray(values)) {
    throw new ConfigError([
      document.mistakeAt([], values === null || values === undefined ? 'the file is empty' : 'expected a map of keys and values'),
    ]);
  }
  const role: unknown = (values as { role?: unknown }).role;
  if (role === 'primary' || role === 'secondary') return role;
  if (role === undefined) throw new ConfigError([document.mistakeAt([], 'missing key "role": expected primary or secondary')]);
  if (role === 'peer') {
    throw new ConfigError([
      document.mistakeAt(['role'], 'a peer serves write-back, which is not available in this version', 'ERR_NOT_AVAILABLE'),
    ]);
  }
  const nearest = typeof role === 'string' ? nearestWord(role, ['primary', 'secondary']) : undefined;
  const hint = nearest === undefined ? '' : `; did you mean "${nearest}"?`;
  throw new ConfigError([document.mistakeAt(['role'], `"role" is ${shown(role)}: expected primary or secondary${hint}`)]);
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

function commonConfig(parsed: PrimaryFile | SecondaryFile, file: string): CommonConfig & VolumesConfig {
  const folder = dirname(file);
  const volumes = parsed.volumes.map((volume): VolumeConfig => ({
    name: volume.name,
    vlun: volume.vlun,
    sizeBytes: volume.size,
    path: resolve(folder, volume.path),
    store: volume.store,
  }));
  return {
    file,
    group: parsed.group,
    stateDirectory: resolve(folder, parsed.state),
    volumes,
    nbd: parsed.nbd,
    status: parsed.status ?? { listen: [] },
    log: parsed.log,
    objectiveMs: parsed.objective,
    insecure: parsed.insecure,
  };
}

function primaryConfig(parsed: PrimaryFile, file: string): HostConfig {
  return {
    ...commonConfig(parsed, file),
    role: 'primary',
    replication: { listen: parsed.replication.listen ?? [], flush: parsed.replication.flush },
    dataSets: { minAgeMs: parsed.dataSets.minAge, maxAgeMs: parsed.dataSets.maxAge, maxBytes: parsed.dataSets.maxSize },
    backlog: { limitBytes: parsed.backlog.limit, policy: 'throttle' },
  };
}

function secondaryConfig(parsed: SecondaryFile, file: string): HostConfig {
  return {
    ...commonConfig(parsed, file),
    role: 'secondary',
    mode: 'write-through',
    peer: null,
    replication: parsed.replication,
    journals: { directory: resolve(dirname(file), parsed.journals.path), slots: parsed.journals.slots, slotBytes: parsed.journals.size },
  };
}
